#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "engine/speculate/ngram_drafter.h"
#include "engine/speculate/ngram_index.h"

namespace engine {
namespace {

using Tokens = std::vector<TokenId>;

/// What NgramIndex::find promises, by trying every place: the longest suffix first, the latest place first.
NgramIndex::Match searched(const Tokens& text, const Tokens& query) {
    const auto agree = [&](size_t next, size_t length) {
        return length <= next && length <= query.size() &&
               std::equal(query.end() - static_cast<std::ptrdiff_t>(length), query.end(),
                          text.begin() + static_cast<std::ptrdiff_t>(next - length));
    };
    for (size_t length = NgramIndex::kLongest; length >= NgramIndex::kShortest; --length)
        for (size_t next = text.size(); next-- > 0;)
            if (agree(next, length)) {
                size_t counted = length;
                if (length == NgramIndex::kLongest)
                    while (counted < NgramIndex::kLongestCounted && agree(next, counted + 1)) ++counted;
                return {static_cast<int>(next), static_cast<int>(counted)};
            }
    return {};
}

TEST(NgramIndex, FindsWhatASearchOfTheWholeTextFinds) {
    std::mt19937 random(7);
    int found = 0;
    for (int round = 0; round < 60; ++round) {
        const int vocabulary = 2 + round % 7;
        Tokens text;
        NgramIndex index;
        for (int i = 0; i < 150; ++i) {
            Tokens more;
            if (!text.empty() && random() % 8 == 0) {  // a quotation
                const size_t from = random() % text.size(), most = std::min<size_t>(40, text.size() - from);
                more.assign(text.begin() + static_cast<std::ptrdiff_t>(from),
                            text.begin() + static_cast<std::ptrdiff_t>(from + most));
            } else {
                more.push_back(static_cast<TokenId>(random() % static_cast<unsigned>(vocabulary)));
            }
            text.insert(text.end(), more.begin(), more.end());
            index.append(more);
            const NgramIndex::Match match = index.find(text), expected = searched(text, text);
            ASSERT_EQ(match.next, expected.next) << "round " << round << ", " << text.size() << " tokens";
            ASSERT_EQ(match.length, expected.length);
            found += match.next >= 0 ? 1 : 0;
        }
    }
    EXPECT_GT(found, 1000);
}

TEST(NgramIndex, KnowsWhenNoNextTokenLetsItFindAnything) {
    std::mt19937 random(3);
    int never = 0, found = 0;
    for (int round = 0; round < 40; ++round) {
        const int vocabulary = 4 + round % 20;
        Tokens text;
        NgramIndex index;
        for (int i = 0; i < 120; ++i) {
            const bool mayFind = index.mayFindNext(text);
            text.push_back(static_cast<TokenId>(random() % static_cast<unsigned>(vocabulary)));
            index.append(std::span(text).last(1));
            const bool isFound = index.find(text).next >= 0;
            ASSERT_TRUE(mayFind || !isFound) << "round " << round << ", " << text.size() << " tokens";
            never += mayFind ? 0 : 1;
            found += isFound ? 1 : 0;
        }
    }
    EXPECT_GT(never, 500);
    EXPECT_GT(found, 300);
}

TEST(NgramIndex, DoesNotReachAcrossTexts) {
    NgramIndex index;
    index.append(Tokens{1, 2, 3});
    index.separate();
    index.append(Tokens{4, 5, 6, 7});
    EXPECT_EQ(index.find(Tokens{2, 3, 4}).next, -1);
    EXPECT_EQ(index.find(Tokens{1, 2, 3}).next, -1) << "the first text has nothing after it";
    const NgramIndex::Match match = index.find(Tokens{9, 4, 5, 6});
    EXPECT_EQ(match.next, 6);
    EXPECT_EQ(match.length, 3);
    index.separate();
    index.append(Tokens{8, 8});
    EXPECT_EQ(index.continuation(6, 10).size(), 1u) << "a continuation ends with its text";
    EXPECT_EQ(index.continuation(1, 10).size(), 2u);
}

TEST(NgramDrafter, GoesOnWithWhatFollowedBefore) {
    NgramDrafter drafter(false);
    Sequence sequence;
    sequence.id = 1;
    sequence.tokens = {10, 11, 12, 13, 14, 15, 99, 11, 12, 13};
    const auto found = drafter.find(sequence, 4);
    EXPECT_EQ(found.tokens, (Tokens{14, 15, 99, 11}));
    EXPECT_EQ(found.matched, 3);
}

TEST(NgramDrafter, FollowsARepetitionBeyondTheEndOfTheText) {
    NgramDrafter drafter(false);
    Sequence sequence;
    sequence.id = 1;
    sequence.tokens = {1, 2, 1, 2, 1, 2, 1, 2};
    EXPECT_EQ(drafter.find(sequence, 7).tokens, (Tokens{1, 2, 1, 2, 1, 2, 1}));
}

TEST(NgramDrafter, LooksIntoOtherChatsOnlyWhenToldTo) {
    for (const bool allowed : {false, true}) {
        NgramDrafter drafter(allowed);
        Sequence ended;
        ended.id = 1;
        ended.tokens = {1, 2, 3, 4, 5, 6};
        drafter.find(ended, 1);
        drafter.forget(ended);
        Sequence sequence;
        sequence.id = 2;
        sequence.tokens = {9, 2, 3, 4};
        EXPECT_EQ(drafter.find(sequence, 8).tokens, allowed ? (Tokens{5, 6}) : Tokens{});
    }
}

}  // namespace
}  // namespace engine
