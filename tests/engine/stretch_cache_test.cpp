#include "engine/prompt/stretch_cache.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/engine/support/tiny_vocabulary.h"

namespace engine {
namespace {

std::shared_ptr<const Tokenizer> tokenizer() {
    auto vocabulary = testing::TinyVocabulary::bytePairs();
    vocabulary.merge("h", "e");
    vocabulary.merge("l", "l");
    vocabulary.merge("he", "ll");
    vocabulary.add("<|im_end|>", testing::kControl);
    return vocabulary.load();
}

/// A text of at least `bytes`, in pieces of which some are special.
struct Text {
    std::vector<std::string> texts;
    std::vector<bool> special;

    Text(std::mt19937& random, size_t bytes) {
        constexpr const char* kWords[] = {"hello", " ", "hell", "\n", "<|im_end|>", "ö", "he said"};
        for (size_t size = 0; size < bytes; size += texts.back().size()) {
            std::string& piece = texts.emplace_back();
            for (unsigned i = 1 + random() % 40; i > 0; --i) piece += kWords[random() % std::size(kWords)];
            special.push_back(random() % 3 == 0);
        }
    }
    std::vector<TextPiece> pieces() const {
        std::vector<TextPiece> result;
        for (size_t i = 0; i < texts.size(); ++i) result.push_back({texts[i], special[i]});
        return result;
    }
};

TEST(StretchCache, GivesTheIdsOfEncodingWhateverItHoldsAlready) {
    const auto encoder = tokenizer();
    StretchCache cache;
    std::mt19937 random(1);
    std::vector<Text> texts;
    for (int i = 0; i < 30; ++i) {
        texts.emplace_back(random, 100 + random() % 4000);
        // The same bytes, but other pieces of them are special: markers in it mean something else.
        texts.push_back(texts.back());
        for (size_t k = 0; k < texts.back().special.size(); ++k) texts.back().special[k] = random() % 2 == 0;
    }
    for (int i = 0; i < 1000; ++i) {
        const auto pieces = texts[random() % texts.size()].pieces();
        ASSERT_EQ(encoder->encode(pieces, false), cache.encode(*encoder, pieces)) << "after " << i;
    }
    EXPECT_GT(cache.found(), 300U);
}

TEST(StretchCache, EncodesALongStretchOnceAndAShortOneEachTime) {
    const auto encoder = tokenizer();
    StretchCache cache;
    std::mt19937 random(2);
    const Text longer(random, StretchCache::kLeastBytes);
    const std::vector<TextPiece> few{{"hello", false}};
    for (int i = 0; i < 3; ++i) {
        cache.encode(*encoder, longer.pieces());
        cache.encode(*encoder, few);
    }
    EXPECT_EQ(2U, cache.found());
}

TEST(StretchCache, HoldsNothingOnceItIsCleared) {
    const auto encoder = tokenizer();
    StretchCache cache;
    std::mt19937 random(3);
    const Text text(random, 5000);
    const auto ids = cache.encode(*encoder, text.pieces());
    EXPECT_GE(cache.bytes(), 5000U);
    cache.clear();
    EXPECT_EQ(0U, cache.bytes());
    EXPECT_EQ(ids, cache.encode(*encoder, text.pieces()));
    EXPECT_EQ(0U, cache.found());
}

TEST(StretchCache, ForgetsWhatWasUsedLongestAgoAndHoldsNoMoreThanItsBound) {
    const auto encoder = tokenizer();
    StretchCache cache;
    const std::string mebibyte(1 << 20, 'h');
    const auto encode = [&](int which) {
        const std::string text = std::to_string(which) + mebibyte;
        const std::vector<TextPiece> pieces{{text, false}};
        cache.encode(*encoder, pieces);
    };
    encode(0);
    for (int i = 1; i < 20; ++i) {
        encode(i);
        encode(0);  // found each time, so never the one to go
        EXPECT_LE(cache.bytes(), StretchCache::kMostBytes);
    }
    EXPECT_EQ(19U, cache.found());
    encode(1);
    EXPECT_EQ(19U, cache.found());
}

}  // namespace
}  // namespace engine
