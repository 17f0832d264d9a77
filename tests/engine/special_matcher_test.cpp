#include "engine/tokenizer/special_matcher.h"

#include <gtest/gtest.h>

namespace engine {
namespace {

std::string found(const SpecialMatcher& matcher, std::string_view text, std::vector<ByteRange> special,
                  bool raw = false) {
    std::string list;
    for (const auto& match : matcher.find(text, special, raw)) {
        list += fmt::format("{}:{}-{} ", match.id, match.begin, match.end);
    }
    return list;
}

TEST(SpecialMatcher, TakesTheLongestTokenAtEachPlaceFromLeftToRight) {
    SpecialMatcher matcher;
    matcher.add("ab", 1, SpecialKind::Ordinary);
    matcher.add("abcd", 2, SpecialKind::Ordinary);
    matcher.add("bc", 3, SpecialKind::Ordinary);
    EXPECT_EQ(found(matcher, "abcd", {}), "2:0-4 ");
    EXPECT_EQ(found(matcher, "abc", {}), "1:0-2 ");
    EXPECT_EQ(found(matcher, "xbcab", {}), "3:1-3 1:3-5 ");
}

TEST(SpecialMatcher, FallsBackToAShorterTokenWhereTheLongerIsNotAllowed) {
    SpecialMatcher matcher;
    matcher.add("<a", 1, SpecialKind::Ordinary);
    matcher.add("<a>", 2, SpecialKind::Hidden);
    EXPECT_EQ(found(matcher, "<a>", {}), "1:0-2 ");
    EXPECT_EQ(found(matcher, "<a>", {{0, 3}}), "2:0-3 ");
    EXPECT_EQ(found(matcher, "<a>", {{0, 2}}), "1:0-2 ") << "it would end outside";
    EXPECT_EQ(found(matcher, "<a>", {{1, 3}}), "1:0-2 ") << "it would begin outside";
}

TEST(SpecialMatcher, MarkersCountInSpecialRangesAndInRawTexts) {
    SpecialMatcher matcher;
    matcher.add("<|u|>", 7, SpecialKind::Marker);
    EXPECT_EQ(found(matcher, "<|u|><|u|>", {{5, 10}}), "7:5-10 ");
    EXPECT_EQ(found(matcher, "<|u|><|u|>", {}, true), "7:0-5 7:5-10 ");
    EXPECT_EQ(found(matcher, "<|u|>", {}), "");
}

TEST(SpecialMatcher, ALaterTokenWithTheSameTextReplacesTheEarlier) {
    SpecialMatcher matcher;
    matcher.add("x", 1, SpecialKind::Hidden);
    matcher.add("x", 2, SpecialKind::Ordinary);
    EXPECT_EQ(found(matcher, "x", {}), "2:0-1 ");
}

TEST(SpecialMatcher, WorksAcrossSeveralRanges) {
    SpecialMatcher matcher;
    matcher.add("ab", 1, SpecialKind::Hidden);
    EXPECT_EQ(found(matcher, "abababab", {{0, 2}, {4, 6}}), "1:0-2 1:4-6 ");
}

}  // namespace
}  // namespace engine
