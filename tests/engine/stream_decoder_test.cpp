#include "engine/tokenizer/stream_decoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "engine/tokenizer/utf8.h"
#include "tests/engine/support/tiny_vocabulary.h"

namespace engine {
namespace {

using testing::TinyVocabulary;

std::vector<std::string> steps(std::string_view bytes) {
    StreamDecoder decoder(TinyVocabulary::bytePairs().load());
    std::vector<std::string> texts;
    for (char c : bytes) texts.push_back(decoder.push(static_cast<uint8_t>(c)));
    texts.push_back(decoder.flush());
    return texts;
}

std::string joined(std::string_view bytes) {
    std::string text;
    for (const std::string& step : steps(bytes)) text += step;
    return text;
}

TEST(StreamDecoder, GivesACharacterWhenItsLastByteHasCome) {
    EXPECT_THAT(steps("\xC3\xA4"), ::testing::ElementsAre("", "\u00E4", ""));
    EXPECT_THAT(steps("\xF0\x9F\xA6\x99"), ::testing::ElementsAre("", "", "", "\U0001F999", ""));
}

TEST(StreamDecoder, HoldsBackAtMostThreeBytes) {
    StreamDecoder decoder(TinyVocabulary::bytePairs().load());
    for (int byte : {0xF0, 0x9F, 0xA6}) EXPECT_EQ(decoder.push(byte), "");
    EXPECT_EQ(decoder.heldBytes(), 3u);
    EXPECT_EQ(decoder.push(0x99), "\U0001F999");
    EXPECT_EQ(decoder.heldBytes(), 0u);
}

TEST(StreamDecoder, WhatCanNoLongerBecomeACharacterIsReplacedAtOnce) {
    EXPECT_THAT(steps("\xF0\x9F"
                      "a"),
                ::testing::ElementsAre("", "",
                                       "\uFFFD"
                                       "a",
                                       ""));
    EXPECT_THAT(steps("\xFF"), ::testing::ElementsAre("\uFFFD", ""));
}

TEST(StreamDecoder, ReplacesEachMaximalIllFormedPartOnce) {
    // The example of Unicode's table 3-11.
    EXPECT_EQ(joined("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41"), "\uFFFD\uFFFD\uFFFD\uFFFDA");
    EXPECT_EQ(joined("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41"),
              "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFDA");
    EXPECT_EQ(joined("\xED\xA0\x80\x41"), "\uFFFD\uFFFD\uFFFDA");
}

TEST(StreamDecoder, FlushEndsAnUnfinishedCharacterAndStartsAnew) {
    StreamDecoder decoder(TinyVocabulary::bytePairs().load());
    EXPECT_EQ(decoder.push(0xE2), "");
    EXPECT_EQ(decoder.flush(), "\uFFFD");
    EXPECT_EQ(decoder.flush(), "");
    EXPECT_EQ(decoder.push('a'), "a");
}

TEST(StreamDecoder, ControlTokensAndStrayIdsGiveNothing) {
    auto vocabulary = TinyVocabulary::bytePairs();
    const TokenId end = vocabulary.add("<|im_end|>", testing::kControl);
    StreamDecoder decoder(vocabulary.load());
    EXPECT_EQ(decoder.push(end), "");
    EXPECT_EQ(decoder.push(-1), "");
    EXPECT_EQ(decoder.push(1 << 30), "");
}

TEST(StreamDecoder, KeepsTheLeadingSpaceOfAContinuationAndDropsThatOfAStart) {
    auto vocabulary = TinyVocabulary::sentencePieces(true);
    const TokenId word = vocabulary.add("\u2581word");
    EXPECT_EQ(StreamDecoder(vocabulary.load()).push(word), " word");
    StreamDecoder start(vocabulary.load(), false);
    EXPECT_EQ(start.push(word), "word");
    EXPECT_EQ(start.push(word), " word");
}

TEST(StreamDecoder, AnyBytesGiveValidUtf8AndValidTextComesBack) {
    std::mt19937 random(11);
    const std::vector<std::string> parts = {"a", "\u00E4", "\u4E2D", "\U0001F999", "\n"};
    for (int round = 0; round < 2000; ++round) {
        std::string valid;
        std::string bytes;
        for (size_t i = random() % 12; i > 0; --i) valid += parts[random() % parts.size()];
        for (size_t i = random() % 12; i > 0; --i) bytes.push_back(static_cast<char>(0x7C + random() % 0x84));
        ASSERT_EQ(joined(valid), valid);
        for (const std::string& step : steps(valid + bytes)) ASSERT_EQ(validUtf8Prefix(step), step.size());
    }
}

}  // namespace
}  // namespace engine
