// Byte-level BPE: merges, whole words, bytes, and what it costs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <algorithm>
#include <ctime>
#include <map>
#include <random>

#include "engine/tokenizer/byte_alphabet.h"
#include "engine/tokenizer/pair_merger.h"
#include "engine/tokenizer/pre_tokenizers.h"
#include "tests/engine/support/tiny_vocabulary.h"

namespace engine {
namespace {

using ::testing::ElementsAre;
using testing::TinyVocabulary;

std::string allBytes() {
    std::string bytes;
    for (int byte = 0; byte < 256; ++byte) bytes.push_back(static_cast<char>(byte));
    return bytes;
}

TEST(ByteAlphabet, SpellsEveryByteInOnePrintableCharacterAndBack) {
    EXPECT_EQ(spellingOfBytes("Hi!"), "Hi!");
    EXPECT_EQ(spellingOfBytes(" "), "\u0120");
    EXPECT_EQ(spellingOfBytes("\n"), "\u010A");
    EXPECT_EQ(spellingOfBytes("\xC2\xA0"), "\u00C2\u0142");
    EXPECT_EQ(bytesOfSpelling(spellingOfBytes(allBytes())), allBytes());
}

TEST(ByteAlphabet, RefusesCharactersOutsideIt) {
    EXPECT_EQ(bytesOfSpelling("a b"), std::nullopt) << "a plain space is no letter of it";
    EXPECT_EQ(bytesOfSpelling("\u4E2D"), std::nullopt);
    EXPECT_EQ(bytesOfSpelling("\xFF"), std::nullopt);
}

TEST(BytePairTokenizer, AppliesTheEarliestLearnedMergeFirst) {
    auto vocabulary = TinyVocabulary::bytePairs();
    const TokenId bc = vocabulary.merge("b", "c");
    const TokenId ab = vocabulary.merge("a", "b");
    const auto tokenizer = vocabulary.load();
    EXPECT_THAT(tokenizer->encode("abc", false, false), ElementsAre('a', bc));
    EXPECT_THAT(tokenizer->encode("ab", false, false), ElementsAre(ab));
}

TEST(BytePairTokenizer, TakesTheLeftmostOfEqualMerges) {
    auto vocabulary = TinyVocabulary::bytePairs();
    const TokenId aa = vocabulary.merge("a", "a");
    EXPECT_THAT(vocabulary.load()->encode("aaa", false, false), ElementsAre(aa, 'a'));
}

TEST(BytePairTokenizer, NeverMergesAcrossWords) {
    auto vocabulary = TinyVocabulary::bytePairs("qwen2");
    vocabulary.merge("1", "2");
    EXPECT_THAT(vocabulary.load()->encode("12", false, false), ElementsAre('1', '2'));
}

TEST(BytePairTokenizer, WholeWordsSkipTheMergesWhereTheFamilySaysSo) {
    for (const auto& [pre, skips] : std::vector<std::pair<std::string, bool>>{
             {"llama-bpe", true}, {"tekken", true}, {"glm4", true}, {"qwen2", false}, {"gpt-2", false}}) {
        auto vocabulary = TinyVocabulary::bytePairs(pre);
        const TokenId word = vocabulary.add("xyz");  // no merge leads there
        const auto ids = vocabulary.load()->encode("xyz", false, false);
        if (skips) {
            EXPECT_THAT(ids, ElementsAre(word)) << pre;
        } else {
            EXPECT_THAT(ids, ElementsAre('x', 'y', 'z')) << pre;
        }
    }
}

TEST(BytePairTokenizer, AMergeOfUnknownTokensIsPassedOver) {
    auto vocabulary = TinyVocabulary::bytePairs();
    vocabulary.set("tokenizer.ggml.merges.unused", "");
    const TokenId ab = vocabulary.merge("a", "b");
    EXPECT_THAT(vocabulary.load()->encode("abab", false, false), ElementsAre(ab, ab));
}

TEST(BytePairTokenizer, ComesBackByteForByte) {
    const auto tokenizer = TinyVocabulary::bytePairs().load();
    for (const std::string& text :
         {std::string("\0a", 2), std::string("\uFEFF e\u0301 \u00E9 \U0001F469\u200D\U0001F4BB\r\n"),
          allBytes(), std::string("\xC3(\xED\xA0\x80\xF4\x90\x80\x80\xFF")}) {
        EXPECT_EQ(tokenizer->decode(tokenizer->encode(text, false, false)), text);
    }
}

// ---- merging against a reference that is slow and plain

using Merges = std::map<std::pair<TokenId, TokenId>, std::pair<uint32_t, TokenId>>;

/// Byte-pair encoding as the paper tells it: find the pair learned first, join its leftmost place, begin
/// anew.
std::vector<TokenId> mergedPlainly(std::vector<TokenId> symbols, const Merges& merges) {
    for (;;) {
        size_t best = symbols.size();
        uint32_t bestRank = UINT32_MAX;
        for (size_t i = 0; i + 1 < symbols.size(); ++i) {
            const auto found = merges.find({symbols[i], symbols[i + 1]});
            if (found != merges.end() && found->second.first < bestRank) {
                best = i;
                bestRank = found->second.first;
            }
        }
        if (best == symbols.size()) return symbols;
        symbols[best] = merges.at({symbols[best], symbols[best + 1]}).second;
        symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(best) + 1);
    }
}

TEST(PairMerger, MergesAsThePlainAlgorithmDoesOnRandomVocabularies) {
    std::mt19937 random(99);
    for (int round = 0; round < 400; ++round) {
        Merges merges;
        PairMerger merger;
        TokenId next = 1 + static_cast<TokenId>(random() % 4);  // an alphabet of 1 to 4 letters
        const TokenId letters = next;
        const uint32_t pairs = random() % 30;
        for (uint32_t rank = 0; rank < pairs; ++rank) {
            const auto left = static_cast<TokenId>(random() % static_cast<uint32_t>(next));
            const auto right = static_cast<TokenId>(random() % static_cast<uint32_t>(next));
            // Several pairs may join into the same token, as in real vocabularies.
            const bool isNew = random() % 4 != 0;
            const TokenId joined =
                isNew ? next : static_cast<TokenId>(random() % static_cast<uint32_t>(next));
            if (isNew) ++next;
            merges.try_emplace({left, right}, rank, joined);
            merger.add(left, right, joined, rank);
        }
        std::vector<TokenId> symbols(random() % 50);
        for (TokenId& symbol : symbols)
            symbol = static_cast<TokenId>(random() % static_cast<uint32_t>(letters));
        std::vector<TokenId> merged;
        merger.merge(symbols, merged);
        ASSERT_EQ(merged, mergedPlainly(symbols, merges)) << "round " << round;
    }
}

// ---- cost

double cpuSeconds() {  // of this thread: other people's work does not count
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

double secondsToEncode(const Tokenizer& tokenizer, const std::string& text) {
    const double begin = cpuSeconds();
    EXPECT_FALSE(tokenizer.encode(text, false, false).empty());
    return cpuSeconds() - begin;
}

std::string repeated(std::string_view part, size_t bytes) {
    std::string text;
    while (text.size() < bytes) text += part;
    return text;
}

std::string randomBytes(size_t bytes) {
    std::mt19937 random(5);
    std::string text;
    for (size_t i = 0; i < bytes; ++i) text.push_back(static_cast<char>(random()));
    return text;
}

/// Sixteen times the text may cost 16 times the work and some; a quadratic step would make it 256.
void expectNearLinear(const Tokenizer& tokenizer, const std::string& small, const std::string& large,
                      std::string_view what) {
    constexpr double kMost = 100;
    constexpr double kTooShortToTell = 0.0005;  // seconds
    const double base = std::max(secondsToEncode(tokenizer, small), kTooShortToTell);
    EXPECT_LT(secondsToEncode(tokenizer, large) / base, kMost) << what;
}

class BytePairCost : public ::testing::TestWithParam<std::string_view> {};

TEST_P(BytePairCost, GrowsNearLinearlyOnPathologicalTexts) {
    auto vocabulary = TinyVocabulary::bytePairs(GetParam());
    std::string run = "a";
    for (int doubling = 0; doubling < 6; ++doubling, run += run) vocabulary.merge(run, run);
    vocabulary.merge("\u0120", "\u0120");
    const auto tokenizer = vocabulary.load();
    constexpr size_t kLarge = size_t{1} << 17;
    constexpr size_t kSmall = kLarge / 16;
    for (std::string_view part :
         {"a", " ", "1", "\n", "'", "\u4E2D", "A", "\u0301", "a ", ".\n", "\u00A0", " \n"}) {
        expectNearLinear(*tokenizer, repeated(part, kSmall), repeated(part, kLarge), part);
        // A last character of another kind makes look-ahead fail where it would have succeeded.
        expectNearLinear(*tokenizer, repeated(part, kSmall) + "x", repeated(part, kLarge) + "x", part);
    }
    expectNearLinear(*tokenizer, randomBytes(kSmall), randomBytes(kLarge), "random bytes");
}

std::vector<std::string_view> onePreOfEachFamily() {
    std::vector<std::string_view> names;
    std::vector<std::vector<std::string_view>> seen;
    for (std::string_view name : knownPreTokenizers()) {
        const auto patterns = preTokenizerFacts(name)->patterns;
        if (std::find(seen.begin(), seen.end(), patterns) != seen.end()) continue;
        seen.push_back(patterns);
        names.push_back(name);
    }
    return names;
}

INSTANTIATE_TEST_SUITE_P(OfFamily, BytePairCost, ::testing::ValuesIn(onePreOfEachFamily()),
                         [](const auto& testCase) {
                             std::string name(testCase.param.empty() ? "none" : testCase.param);
                             std::replace_if(
                                 name.begin(), name.end(),
                                 [](char c) { return std::isalnum(static_cast<uint8_t>(c)) == 0; }, '_');
                             return name;
                         });

TEST(BytePairTokenizer, AMebibyteOfOneLetterOrOfSpacesIsEncodedWhole) {
    auto vocabulary = TinyVocabulary::bytePairs("llama-bpe");
    vocabulary.merge("a", "a");
    const auto tokenizer = vocabulary.load();
    for (const std::string& text : {std::string(size_t{1} << 20, 'a'), std::string(size_t{1} << 20, ' '),
                                    randomBytes(size_t{1} << 20)}) {
        EXPECT_EQ(tokenizer->decode(tokenizer->encode(text, false, false)), text);
    }
}

}  // namespace
}  // namespace engine
