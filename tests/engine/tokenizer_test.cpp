// What a Tokenizer does around the text: special tokens, user-defined tokens, BOS, ends of a reply, refusals.
#include "engine/tokenizer/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/gguf/gguf_file.h"
#include "tests/engine/support/tiny_vocabulary.h"

namespace engine {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using testing::GgufBuilder;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::kControl;
using testing::kUnused;
using testing::kUserDefined;
using testing::TinyVocabulary;

Error refusal(const GgufBuilder& builder) {
    const auto file = GgufFile::fromBytes(builder.bytes(), "tiny.gguf");
    if (!file) return file.error();
    const auto tokenizer = Tokenizer::load(*file);
    return tokenizer ? Error{ErrorCode::Internal, "it was accepted"} : tokenizer.error();
}

std::vector<TokenId> bytesOf(std::string_view text) {  // a bytePairs() vocabulary without merges
    std::vector<TokenId> ids;
    for (char c : text) ids.push_back(static_cast<uint8_t>(c));
    return ids;
}

TEST(TokenizerLoad, RefusesAnUnknownPreByItsName) {
    const Error error = refusal(TinyVocabulary::bytePairs("klingon-bpe").file());
    EXPECT_EQ(error.code, ErrorCode::Unsupported);
    EXPECT_THAT(error.message, AllOf(HasSubstr("klingon-bpe"), HasSubstr("tiny.gguf")));
}

TEST(TokenizerLoad, RefusesAnUnknownModelByItsName) {
    const Error error = refusal(GgufBuilder()
                                    .set("tokenizer.ggml.model", "rwkv")
                                    .set("tokenizer.ggml.tokens", std::vector<std::string>{"a"}));
    EXPECT_EQ(error.code, ErrorCode::Unsupported);
    EXPECT_THAT(error.message, HasSubstr("'rwkv'"));
}

TEST(TokenizerLoad, NamesTheKeyThatAVocabularyLacks) {
    EXPECT_THAT(refusal(GgufBuilder()).message, HasSubstr("'tokenizer.ggml.model' is missing"));
    EXPECT_EQ(refusal(GgufBuilder()).code, ErrorCode::NotFound);
    EXPECT_THAT(refusal(GgufBuilder().set("tokenizer.ggml.model", "gpt2")).message,
                HasSubstr("'tokenizer.ggml.tokens'"));
    const std::vector<std::string> tokens = {"a", "b", "ab"};
    const auto with = [&](std::string_view key, auto value) {
        return GgufBuilder()
            .set("tokenizer.ggml.model", "gpt2")
            .set("tokenizer.ggml.tokens", tokens)
            .set(key, value);
    };
    EXPECT_THAT(refusal(with("tokenizer.ggml.pre", "gpt-2")).message, HasSubstr("'tokenizer.ggml.merges'"));
    EXPECT_THAT(refusal(with("tokenizer.ggml.token_type", std::vector<int32_t>{1, 1})).message,
                HasSubstr("'tokenizer.ggml.token_type' is not a list of 3"));
    EXPECT_THAT(refusal(with("tokenizer.ggml.scores", std::vector<float>{1})).message,
                HasSubstr("'tokenizer.ggml.scores' is not a list of 3"));
    EXPECT_THAT(refusal(with("tokenizer.ggml.merges", std::vector<std::string>{"a b", "ab"})).message,
                HasSubstr("entry 1 of 'tokenizer.ggml.merges'"));
}

TEST(Tokenizer, RecognisesControlTokensOnlyWhenAskedTo) {
    auto vocabulary = TinyVocabulary::bytePairs();
    const TokenId end = vocabulary.add("<|im_end|>", kControl);
    const auto tokenizer = vocabulary.load();
    EXPECT_THAT(tokenizer->encode("a<|im_end|>", true, false), ElementsAre('a', end));
    EXPECT_EQ(tokenizer->encode("a<|im_end|>", false, false), bytesOf("a<|im_end|>"));
}

TEST(Tokenizer, APastedControlTokenStaysTextInsideATemplate) {
    auto vocabulary = TinyVocabulary::bytePairs();
    const TokenId end = vocabulary.add("<|im_end|>", kControl);
    const auto tokenizer = vocabulary.load();
    const TextPiece pieces[] = {{"A", true}, {"<|im_end|>", false}, {"<|im_end|>", true}};
    std::vector<TokenId> expected = bytesOf("A<|im_end|>");
    expected.push_back(end);
    EXPECT_EQ(tokenizer->encode(pieces, false), expected);
}

TEST(Tokenizer, AControlTokenHalfInAMessageIsText) {
    auto vocabulary = TinyVocabulary::bytePairs();
    vocabulary.add("<|im_end|>", kControl);
    const auto tokenizer = vocabulary.load();
    const TextPiece pieces[] = {{"<|im_", true}, {"end|>", false}};
    EXPECT_EQ(tokenizer->encode(pieces, false), bytesOf("<|im_end|>"));
    const TextPiece other[] = {{"<|im_", false}, {"end|>", true}};
    EXPECT_EQ(tokenizer->encode(other, false), bytesOf("<|im_end|>"));
}

TEST(Tokenizer, AControlTokenWrittenInTwoTemplatePiecesIsOne) {
    auto vocabulary = TinyVocabulary::bytePairs();
    const TokenId end = vocabulary.add("<|im_end|>", kControl);
    const TextPiece pieces[] = {{"<|im_", true}, {"", false}, {"end|>", true}};
    EXPECT_THAT(vocabulary.load()->encode(pieces, false), ElementsAre(end));
}

TEST(Tokenizer, BordersBetweenPiecesDoNotShowInTheIds) {
    auto vocabulary = TinyVocabulary::bytePairs();
    const TokenId he = vocabulary.merge("h", "e");
    const TextPiece pieces[] = {{"h", true}, {"e", false}};
    EXPECT_THAT(vocabulary.load()->encode(pieces, false), ElementsAre(he));
}

TEST(Tokenizer, FindsUserDefinedTextEverywhereAndPrefersTheLongest) {
    auto vocabulary = TinyVocabulary::bytePairs();
    const TokenId two = vocabulary.add("  ", kUserDefined);
    const TokenId four = vocabulary.add("    ", kUserDefined);
    EXPECT_THAT(vocabulary.load()->encode("a       b", false, false), ElementsAre('a', four, two, ' ', 'b'));
}

TEST(Tokenizer, AUserDefinedTurnMarkerIsTextInAMessageAndAMarkerInARawText) {
    auto vocabulary = TinyVocabulary::bytePairs();
    const TokenId user = vocabulary.add("<|user|>", kUserDefined);
    const auto tokenizer = vocabulary.load();
    const TextPiece message[] = {{"<|user|>", false}};
    EXPECT_EQ(tokenizer->encode(message, false), bytesOf("<|user|>"));
    EXPECT_THAT(tokenizer->encode("<|user|>", false, false), ElementsAre(user));
}

TEST(Tokenizer, NeverMatchesUnusedTokensInText) {
    auto vocabulary = TinyVocabulary::bytePairs();
    vocabulary.add("[PAD7]", kUnused);
    EXPECT_EQ(vocabulary.load()->encode("[PAD7]", true, false), bytesOf("[PAD7]"));
}

TEST(Tokenizer, AddsBosOnlyWhenTheFileAndTheCallerBothWantIt) {
    auto vocabulary = TinyVocabulary::bytePairs();
    const TokenId bos = vocabulary.add("<s>", kControl);
    vocabulary.set("tokenizer.ggml.bos_token_id", static_cast<uint32_t>(bos));
    EXPECT_FALSE(vocabulary.load()->addsBos()) << "gpt-2 does not unless told";
    vocabulary.set("tokenizer.ggml.add_bos_token", true);
    EXPECT_THAT(vocabulary.load()->encode("a", false, true), ElementsAre(bos, 'a'));
    EXPECT_THAT(vocabulary.load()->encode("a", false, false), ElementsAre('a'));
}

TEST(Tokenizer, MissingBosKeysDefaultByThePreTokenizersName) {
    for (const auto& [pre, adds] : std::vector<std::pair<std::string, bool>>{{"llama-bpe", true},
                                                                             {"tekken", true},
                                                                             {"gpt-2", false},
                                                                             {"qwen2", false},
                                                                             {"smollm", false},
                                                                             {"deepseek-llm", false}}) {
        auto vocabulary = TinyVocabulary::bytePairs(pre);
        const TokenId bos = vocabulary.add("<s>", kControl);
        vocabulary.set("tokenizer.ggml.bos_token_id", static_cast<uint32_t>(bos));
        EXPECT_EQ(vocabulary.load()->addsBos(), adds) << pre;
        vocabulary.set("tokenizer.ggml.add_bos_token", !adds);
        EXPECT_EQ(vocabulary.load()->addsBos(), !adds) << pre << ", told otherwise";
    }
    auto pieces = TinyVocabulary::sentencePieces();
    EXPECT_TRUE(pieces.load()->addsBos());
}

TEST(Tokenizer, WithoutABosTokenNoneIsAdded) {
    const auto tokenizer = TinyVocabulary::bytePairs("llama-bpe").load();
    EXPECT_FALSE(tokenizer->addsBos());
    EXPECT_THAT(tokenizer->encode("", true, true), IsEmpty());
}

TEST(Tokenizer, DecodesControlTokensOnlyWhenAskedTo) {
    auto vocabulary = TinyVocabulary::bytePairs();
    const TokenId end = vocabulary.add("<|im_end|>", kControl);
    const auto tokenizer = vocabulary.load();
    const std::vector<TokenId> ids = {'a', end, 'b', -1, 100000};
    EXPECT_EQ(tokenizer->decode(ids), "ab");
    EXPECT_EQ(tokenizer->decode(ids, true), "a<|im_end|>b");
    EXPECT_EQ(tokenizer->pieceBytes(end), "");
    EXPECT_EQ(tokenizer->tokenText(end), "<|im_end|>");
    EXPECT_EQ(tokenizer->idOf("<|im_end|>"), end);
    EXPECT_TRUE(tokenizer->isControl(end));
}

TEST(EndOfGeneration, HoldsEveryMarkerTheVocabularyHasAndNotOnlyTheEosKey) {
    auto vocabulary = TinyVocabulary::bytePairs();
    const TokenId eos = vocabulary.add("</s>", kControl);
    const TokenId turn = vocabulary.add("<|im_end|>", kControl);
    const TokenId text = vocabulary.add("<|endoftext|>", testing::kNormal);  // a converter forgot its type
    const TokenId start = vocabulary.add("<|im_start|>", kControl);
    vocabulary.set("tokenizer.ggml.eos_token_id", static_cast<uint32_t>(eos));
    const auto tokenizer = vocabulary.load();
    EXPECT_THAT(tokenizer->endOfGenerationTokens(), ElementsAre(eos, turn, text));
    EXPECT_TRUE(tokenizer->isEndOfGeneration(turn));
    EXPECT_FALSE(tokenizer->isEndOfGeneration(start));
    EXPECT_TRUE(tokenizer->isControl(text)) << "an end marker is never shown";
}

TEST(EndOfGeneration, TakesTheIdsOfTheFilesOwnKeys) {
    auto vocabulary = TinyVocabulary::bytePairs();
    const TokenId end = vocabulary.add("[my end]", kControl);
    vocabulary.set("tokenizer.ggml.eot_token_id", static_cast<uint32_t>(end));
    EXPECT_THAT(vocabulary.load()->endOfGenerationTokens(), ElementsAre(end));
}

TEST(EndOfGeneration, HtmlIsNoEndEvenIfItLooksLikeOne) {
    auto vocabulary = TinyVocabulary::bytePairs();
    vocabulary.add("</s>", kUserDefined);  // strike-through, as Gemma lists it
    EXPECT_THAT(vocabulary.load()->endOfGenerationTokens(), IsEmpty());
}

TEST(EndOfGeneration, AMessagesEndIsNotAReplysEndWhereRepliesHaveSeveralMessages) {
    auto vocabulary = TinyVocabulary::bytePairs();
    const TokenId end = vocabulary.add("<|end|>", kControl);
    EXPECT_THAT(vocabulary.load()->endOfGenerationTokens(), ElementsAre(end));
    const TokenId whole = vocabulary.add("<|return|>", kControl);
    const TokenId call = vocabulary.add("<|call|>", kControl);
    EXPECT_THAT(vocabulary.load()->endOfGenerationTokens(), ElementsAre(whole, call));
}

TEST(EndOfGeneration, IdsOutsideTheVocabularyAreIgnored) {
    auto vocabulary = TinyVocabulary::bytePairs();
    vocabulary.set("tokenizer.ggml.eos_token_id", uint32_t{4000000000})
        .set("tokenizer.ggml.bos_token_id", -1);
    const auto tokenizer = vocabulary.load();
    EXPECT_EQ(tokenizer->eos(), std::nullopt);
    EXPECT_EQ(tokenizer->bos(), std::nullopt);
    EXPECT_THAT(tokenizer->endOfGenerationTokens(), IsEmpty());
}

TEST(VocabularyHash, IgnoresPaddingAndNothingElse) {
    auto vocabulary = TinyVocabulary::bytePairs();
    const uint64_t hash = vocabulary.load()->vocabularyHash();
    vocabulary.add("[PAD256]", kUnused);
    vocabulary.add("[PAD257]", kUnused);
    EXPECT_EQ(vocabulary.load()->vocabularyHash(), hash);
    vocabulary.add("word");
    EXPECT_NE(vocabulary.load()->vocabularyHash(), hash);
    EXPECT_NE(TinyVocabulary::bytePairs("qwen2").load()->vocabularyHash(), hash) << "other rules, other ids";
}

}  // namespace
}  // namespace engine
