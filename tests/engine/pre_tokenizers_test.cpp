// How each family of byte-level vocabularies cuts words. The oracle of the words below is Hugging Face's
// `tokenizers` or, where a family shares no published tokenizer file, its expression read by hand.
#include "engine/tokenizer/pre_tokenizers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <string>

#include "engine/tokenizer/utf8.h"

namespace engine {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> words(std::string_view pre, std::string_view text) {
    const auto facts = preTokenizerFacts(pre);
    if (!facts) return {facts.error().message};
    const auto compiled = PreTokenizer::compile(facts->patterns);
    if (!compiled) return {compiled.error().message};
    const auto views = compiled->split(text);
    return {views.begin(), views.end()};
}

TEST(PreTokenizers, Gpt2KeepsTheSpaceWithTheWordAndContractionsLowerCaseOnly) {
    EXPECT_THAT(
        words("gpt-2", "I'm  here, you'RE 123abc!\n\n x"),
        ElementsAre("I", "'m", " ", " here", ",", " you", "'", "RE", " 123", "abc", "!", "\n\n", " x"));
}

TEST(PreTokenizers, LlamaTakesThreeDigitsAndContractionsOfAnyCase) {
    EXPECT_THAT(words("llama-bpe", "you'RE 12345 a\tb\r\n\n c"),
                ElementsAre("you", "'RE", " ", "123", "45", " a", "\tb", "\r\n\n", " c"));
}

TEST(PreTokenizers, ContractionsFoldCaseAsUnicodeDoes) {
    EXPECT_THAT(words("qwen2", "it'\u017F"), ElementsAre("it", "'\u017F")) << "long s folds to s";
}

TEST(PreTokenizers, Qwen2TakesOneDigit) {
    EXPECT_THAT(words("qwen2", " 12a"), ElementsAre(" ", "1", "2", "a"));
}

TEST(PreTokenizers, SmolLmTakesOneDigitBeforeAnythingElse) {
    EXPECT_THAT(words("smollm", "a 12 b"), ElementsAre("a", " ", "1", "2", " b"));
}

TEST(PreTokenizers, FalconCutsPunctuationFirstAndDigitsInThrees) {
    EXPECT_THAT(words("falcon", "a, b` 1234"), ElementsAre("a", ",", " b", "`", " ", "123", "4"));
}

TEST(PreTokenizers, DeepSeekLlmCutsCjkNewlinesAndSingleDigits) {
    EXPECT_THAT(words("deepseek-llm", "ab\u4E2D\u6587 12\n."),
                ElementsAre("ab", "\u4E2D\u6587", " ", "1", "2", "\n", "."));
}

TEST(PreTokenizers, DeepSeekLlmCutsSpacesAtTheVeryEndOnly) {
    EXPECT_THAT(words("deepseek-llm", "a   b  "), ElementsAre("a", "  ", " b", "  "));
}

TEST(PreTokenizers, DeepSeekV3KeepsAPunctuationMarkWithAnAsciiWord) {
    EXPECT_THAT(words("deepseek-v3", ".com 1234 \u3042\u4E2D!!\n"),
                ElementsAre(".com", " ", "123", "4", " ", "\u3042\u4E2D", "!!\n"));
}

TEST(PreTokenizers, TekkenAndGpt4oCutWhereCaseRises) {
    EXPECT_THAT(words("tekken", "helloWorld HTTPServer"), ElementsAre("hello", "World", " HTTPServer"));
    EXPECT_THAT(words("gpt-4o", "don'T aB 1234"), ElementsAre("don'T", " a", "B", " ", "123", "4"));
}

TEST(PreTokenizers, BloomKeepsMarksOutOfWords) {
    EXPECT_THAT(words("bloom", "Hello, world. 12"), ElementsAre("Hello", ",", " world", ".", " 12"));
    EXPECT_THAT(words("viking", " 12"), ElementsAre(" ", "1", "2"));
}

TEST(PreTokenizers, KimiCutsHanFromOtherLetters) {
    EXPECT_THAT(words("kimi-k2", "ab\u4E2D\u6587cd'LL\u3042 x/\n"),
                ElementsAre("ab", "\u4E2D\u6587", "cd'LL", "\u3042", " x", "/\n"));
}

TEST(PreTokenizers, SomeReadNumbersFromTheirEnd) {
    EXPECT_THAT(words("superbpe", "a 1234567 bc"), ElementsAre("a ", "1", "234", "567", " bc"));
    EXPECT_THAT(words("superbpe", "12 123 1234"), ElementsAre("12", " ", "123", " ", "1", "234"));
    EXPECT_THAT(words("afmoe", "x12345 678"), ElementsAre("x", "12", "345", " ", "678"));
    EXPECT_THAT(words("tiny_aya", "1234567,12"), ElementsAre("1", "234", "567", ",", "12"));
    EXPECT_THAT(words("tiny_aya", "1234x"), ElementsAre("123", "4", "x")) << "no border after the run";
}

TEST(PreTokenizers, ChameleonCutsItsTokensSpacesAndMarksOneByOne) {
    EXPECT_THAT(words("chameleon", "IMGIMGABZ a,,1"), ElementsAre("IMGIMGABZ", " a", ",", ",", "1"));
}

TEST(PreTokenizers, WhiteSpaceIsUnicodes) {
    // U+180E was a space once and U+200B never was; U+0085 and U+3000 are.
    EXPECT_THAT(words("gpt-2", "a\u180Eb"), ElementsAre("a", "\u180E", "b"));
    EXPECT_THAT(words("gpt-2", "a\u0085\u3000\nb"), ElementsAre("a", "\u0085\u3000", "\n", "b"));
    EXPECT_THAT(words("gpt-2", " \u200B"), ElementsAre(" \u200B")) << "a mark, so the space stays with it";
}

TEST(PreTokenizers, AnUnknownNameIsRefusedByThatName) {
    const auto facts = preTokenizerFacts("gpt-17");
    ASSERT_FALSE(facts);
    EXPECT_EQ(facts.error().code, ErrorCode::Unsupported);
    EXPECT_THAT(facts.error().message, HasSubstr("'gpt-17'"));
}

TEST(PreTokenizers, EveryKnownNameIsThereOnceAndCompiles) {
    std::vector<std::string_view> names = knownPreTokenizers();
    for (std::string_view name : names) {
        const auto facts = preTokenizerFacts(name);
        ASSERT_TRUE(facts) << name;
        ASSERT_TRUE(PreTokenizer::compile(facts->patterns)) << name;
    }
    std::sort(names.begin(), names.end());
    EXPECT_EQ(std::adjacent_find(names.begin(), names.end()), names.end());
}

/// Words joined are the text, and none of them is empty or cuts a character.
void expectCover(std::string_view pre, const PreTokenizer& compiled, const std::string& text) {
    size_t at = 0;
    for (std::string_view word : compiled.split(text)) {
        ASSERT_FALSE(word.empty()) << pre;
        ASSERT_EQ(word.data(), text.data() + at) << pre;
        ASSERT_EQ(validUtf8Prefix(word), word.size()) << pre;
        at += word.size();
    }
    ASSERT_EQ(at, text.size()) << pre;
}

TEST(PreTokenizers, WordsOfRandomTextsJoinToTheText) {
    const std::vector<std::string> parts = {
        "a",  "B", "'", "s",      "\n",     "\r",     " ",          "1",      "2",
        ".",  ",", "<", "\u00E9", "\u0301", "\u4E2D", "\U0001F999", "\u00A0", "/",
        "\t", "_", "|", "\u3042", "\u00B2", "\u180E", "\u0939",     "\u094D"};
    std::mt19937 random(7);
    for (std::string_view pre : knownPreTokenizers()) {
        const auto compiled = PreTokenizer::compile(preTokenizerFacts(pre)->patterns);
        for (int round = 0; round < 60; ++round) {
            std::string text;
            for (size_t i = random() % 40; i > 0; --i) text += parts[random() % parts.size()];
            expectCover(pre, *compiled, text);
        }
    }
}

size_t charactersOf(std::string_view text) {
    return static_cast<size_t>(
        std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

TEST(PreTokenizers, CutRandomTextsAsOnigurumaDoes) {
    // tests/tools/make_split_goldens.py made it.
    std::ifstream stream(std::string(ALCOVE_TEST_DATA) + "/data/tokenizers/splits.json");
    const auto golden = nlohmann::json::parse(stream);
    const auto texts = golden.at("texts").get<std::vector<std::string>>();
    ASSERT_FALSE(texts.empty());
    for (const auto& [pre, expected] : golden.at("families").items()) {
        const auto facts = preTokenizerFacts(pre);
        ASSERT_TRUE(facts) << pre;
        const auto compiled = PreTokenizer::compile(facts->patterns);
        ASSERT_TRUE(compiled) << pre;
        for (size_t i = 0; i < texts.size(); ++i) {
            std::vector<size_t> lengths;
            for (std::string_view word : compiled->split(texts[i])) lengths.push_back(charactersOf(word));
            EXPECT_EQ(lengths, expected.at(i).get<std::vector<size_t>>())
                << pre << ": " << nlohmann::json(texts[i]).dump(-1, ' ', true);
        }
    }
}

}  // namespace
}  // namespace engine
