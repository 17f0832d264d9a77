// SentencePiece vocabularies, rebuilt from the file and encoded by the library itself.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "engine/gguf/gguf_file.h"
#include "engine/tokenizer/sentencepiece_model.h"
#include "engine/tokenizer/stream_decoder.h"
#include "tests/engine/support/tiny_vocabulary.h"

namespace engine {
namespace {

using ::testing::ElementsAre;
using testing::kNormal;
using testing::kUserDefined;
using testing::TinyVocabulary;

constexpr std::string_view kLowerBlock = "\u2581";
constexpr TokenId kFirstByte = 3;

TokenId byteToken(uint8_t byte) {
    return kFirstByte + byte;
}

struct Small {
    TinyVocabulary vocabulary;
    TokenId space, a, b, ab, spaceA;

    explicit Small(bool addSpacePrefix) : vocabulary(TinyVocabulary::sentencePieces(addSpacePrefix)) {
        space = vocabulary.add(kLowerBlock, kNormal, -1);
        a = vocabulary.add("a", kNormal, -2);
        b = vocabulary.add("b", kNormal, -3);
        ab = vocabulary.add("ab", kNormal, -4);
        spaceA = vocabulary.add("\u2581a", kNormal, -5);
    }
};

TEST(SentencePieceTokenizer, TheHighestScoreMergesFirst) {
    const Small small(false);
    EXPECT_THAT(small.vocabulary.load()->encode("a ab", false, false),
                ElementsAre(small.a, small.space, small.ab));
}

TEST(SentencePieceTokenizer, ASpaceComesFirstWhereTheVocabularySaysSo) {
    const Small with(true);
    EXPECT_THAT(with.vocabulary.load()->encode("a", false, false), ElementsAre(with.spaceA));
    EXPECT_EQ(with.vocabulary.load()->decode(std::vector<TokenId>{with.spaceA}), "a") << "and goes again";
    const Small without(false);
    EXPECT_THAT(without.vocabulary.load()->encode("a", false, false), ElementsAre(without.a));
    EXPECT_EQ(without.vocabulary.load()->decode(std::vector<TokenId>{without.spaceA}), " a");
}

TEST(SentencePieceTokenizer, CharactersOutsideTheVocabularyBecomeTheirBytes) {
    const Small small(false);
    EXPECT_THAT(small.vocabulary.load()->encode("\u00E4", false, false),
                ElementsAre(byteToken(0xC3), byteToken(0xA4)));
}

TEST(SentencePieceTokenizer, WithoutAllByteTokensACharacterIsUnknown) {
    const auto file = GgufFile::fromBytes(
        testing::GgufBuilder()
            .set("tokenizer.ggml.model", "llama")
            .set("tokenizer.ggml.add_space_prefix", false)
            .set("tokenizer.ggml.tokens", std::vector<std::string>{"<unk>", "<s>", "</s>", "a", "<0x0A>"})
            .set("tokenizer.ggml.token_type", std::vector<int32_t>{2, 3, 3, 1, 6})
            .set("tokenizer.ggml.scores", std::vector<float>(5))
            .bytes(),
        "tiny.gguf");
    ASSERT_TRUE(file) << file.error().message;
    const auto tokenizer = Tokenizer::load(*file);
    ASSERT_TRUE(tokenizer) << tokenizer.error().message;
    EXPECT_THAT((*tokenizer)->encode("a\nb", false, false), ElementsAre(3, 0));
}

TEST(SentencePieceTokenizer, UserDefinedRunsOfSpacesAndNewlinesAreFoundInText) {
    Small small(false);
    const TokenId newlines = small.vocabulary.add("\n\n", kUserDefined);
    const TokenId spaces = small.vocabulary.add("   ", kUserDefined);
    EXPECT_THAT(small.vocabulary.load()->encode("a\n\n   b", false, false),
                ElementsAre(small.a, newlines, spaces, small.b));
}

TEST(SentencePieceTokenizer, OnlyTheSpaceThatWasAddedIsTakenAwayAgain) {
    Small small(true);
    const TokenId spaces = small.vocabulary.add("  ", kUserDefined);
    const auto tokenizer = small.vocabulary.load();
    EXPECT_THAT(tokenizer->encode("  a", false, false), ElementsAre(spaces, small.spaceA));
    EXPECT_THAT(tokenizer->encode(" a", false, false), ElementsAre(small.space, small.spaceA))
        << "the added space is no part of a user-defined token";
    for (std::string_view text : {"  a", "a  a", "a   a", "    ", " a", "   "}) {
        const auto ids = tokenizer->encode(text, false, false);
        EXPECT_EQ(tokenizer->decode(ids), text);
        StreamDecoder decoder(tokenizer, false);
        std::string streamed;
        for (TokenId id : ids) streamed += decoder.push(id);
        EXPECT_EQ(streamed, text);
    }
}

TEST(SentencePieceTokenizer, ControlTokensAreNeverFoundInContent) {
    Small small(false);
    const TokenId turn = small.vocabulary.add("<end_of_turn>", kUserDefined);  // Gemma files list it so
    const auto tokenizer = small.vocabulary.load();
    const TextPiece message[] = {{"a<end_of_turn>", false}};
    for (TokenId id : tokenizer->encode(message, false)) EXPECT_NE(id, turn);
    const TextPiece ours[] = {{"a", false}, {"<end_of_turn>", true}};
    EXPECT_THAT(tokenizer->encode(ours, false), ElementsAre(small.a, turn));
    for (TokenId id : tokenizer->encode("<s>a</s>", false, false)) EXPECT_FALSE(tokenizer->isControl(id));
    EXPECT_THAT(tokenizer->encode("<s>a</s>", true, false), ElementsAre(1, small.a, 2));
}

TEST(SentencePieceTokenizer, NothingIsNormalised) {
    const auto tokenizer = Small(false).vocabulary.load();
    for (std::string_view text :
         {"e\u0301", "\u00E9", "\uFB01", "\u212B", "  a  ", "\ta\r\n", "\uFF21", "\u00A0", "\u3000"}) {
        EXPECT_EQ(tokenizer->decode(tokenizer->encode(text, false, false)), text);
    }
}

TEST(SentencePieceTokenizer, RandomTextsComeBack) {
    const std::vector<std::string> parts = {"a",  "b",      " ",      "  ",         "\n",
                                            "ab", "\u00E4", "\u4E2D", "\U0001F999", std::string(1, '\0')};
    std::mt19937 random(3);
    for (bool prefix : {true, false}) {
        Small small(prefix);
        small.vocabulary.add("  ", kUserDefined);
        small.vocabulary.add("ab  ", kUserDefined);
        const auto tokenizer = small.vocabulary.load();
        for (int round = 0; round < 500; ++round) {
            std::string text;
            for (size_t i = random() % 30; i > 0; --i) text += parts[random() % parts.size()];
            ASSERT_EQ(tokenizer->decode(tokenizer->encode(text, false, false)), text);
        }
    }
}

TEST(SentencePieceTokenizer, BytesThatAreNoUtf8BecomeReplacementCharacters) {
    const auto tokenizer = Small(false).vocabulary.load();
    EXPECT_EQ(tokenizer->decode(tokenizer->encode("a\xFF", false, false)), "a\uFFFD");
}

TEST(SentencePieceModel, KnowsByteTokensByTheirSpelling) {
    EXPECT_EQ(byteOfToken("<0x0A>"), 0x0A);
    EXPECT_EQ(byteOfToken("<0xFF>"), 0xFF);
    for (std::string_view text : {"<0x>", "<0xGG>", "0x0A", "<0x0A", "<0x0A>>", "<0x 1>", ""}) {
        EXPECT_EQ(byteOfToken(text), std::nullopt) << text;
    }
}

}  // namespace
}  // namespace engine
