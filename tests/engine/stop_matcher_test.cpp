#include "engine/sampling/stop_matcher.h"

#include <gtest/gtest.h>

#include <random>

namespace engine {
namespace {

TEST(StopMatcher, ShowsEverythingWhenThereIsNothingToStopAt) {
    StopMatcher matcher({});
    EXPECT_EQ(matcher.push("abc"), "abc");
    EXPECT_EQ(matcher.flush(), "");
}

TEST(StopMatcher, FindsAStopStringAcrossPieces) {
    StopMatcher matcher({"STOP"});
    EXPECT_EQ(matcher.push("one S"), "one ");
    EXPECT_EQ(matcher.push("TO"), "");
    EXPECT_FALSE(matcher.stopped());
    EXPECT_EQ(matcher.push("P two"), "");
    EXPECT_TRUE(matcher.stopped());
    EXPECT_EQ(matcher.push("more"), "");
}

TEST(StopMatcher, ShowsWhatTurnedOutNotToBeAStopString) {
    StopMatcher matcher({"STOP"});
    EXPECT_EQ(matcher.push("STO"), "");
    EXPECT_EQ(matcher.push("NE"), "STONE");
    EXPECT_EQ(matcher.push("ST"), "");
    EXPECT_EQ(matcher.flush(), "ST") << "the reply ended otherwise";
}

TEST(StopMatcher, EndsBeforeTheFirstOfSeveral) {
    StopMatcher matcher({"###", "\n\nUser:", ""});
    EXPECT_EQ(matcher.push("text\n\nUser: ###"), "text");
    EXPECT_TRUE(matcher.stopped());
}

/// However the text is cut, what is shown is the text before the first stop string.
TEST(StopMatcher, ShowsTheSameTextForEveryWayOfCuttingIt) {
    std::mt19937 random(3);
    for (int round = 0; round < 3000; ++round) {
        std::string text;
        for (int i = 0; i < 40; ++i) text += "ab"[random() % 2];
        std::vector<std::string> stops;
        for (int i = 0; i < 2; ++i) {
            std::string stop;
            for (unsigned j = 0; j < 3 + random() % 6; ++j) stop += "ab"[random() % 2];
            stops.push_back(stop);
        }
        StopMatcher matcher(stops);
        std::string shown, fed;
        bool isStopped = false;
        for (size_t at = 0; at < text.size() && !isStopped;) {
            const size_t count = 1 + random() % 5;
            const std::string piece = text.substr(at, count);
            fed += piece;
            at += piece.size();
            shown += matcher.push(piece);
            isStopped = matcher.stopped();
            const size_t first = std::min(fed.find(stops[0]), fed.find(stops[1]));
            ASSERT_EQ(isStopped, first != std::string::npos);
            if (isStopped) {
                ASSERT_EQ(shown, fed.substr(0, first));
            }
        }
        if (!isStopped) {
            shown += matcher.flush();
            ASSERT_EQ(shown, text);
        }
    }
}

}  // namespace
}  // namespace engine
