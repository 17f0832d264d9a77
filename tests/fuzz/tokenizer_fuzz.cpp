// Any bytes come back from a byte-level vocabulary as they were, and any UTF-8 from a SentencePiece one (but
// for U+2581, which is how those spell a space). The first byte of the input chooses the vocabulary.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/tokenizer/pre_tokenizers.h"
#include "engine/tokenizer/utf8.h"
#include "tests/engine/support/tiny_vocabulary.h"

namespace {

using engine::TokenId;
using engine::testing::TinyVocabulary;

struct Candidate {
    std::shared_ptr<const engine::Tokenizer> tokenizer;
    bool bytes = true;  ///< keeps bytes that are not UTF-8
};

Candidate bytePairs(std::string_view pre) {
    auto vocabulary = TinyVocabulary::bytePairs(pre);
    for (const auto& [left, right] :
         {std::pair{"a", "b"}, {"ab", "ab"}, {"\xC4\xA0", "a"}, {"1", "2"}, {"'", "s"}}) {
        vocabulary.merge(left, right);
    }
    vocabulary.add("<tool>", engine::testing::kUserDefined);
    vocabulary.add("<|im_end|>", engine::testing::kControl);
    return {vocabulary.load(), true};
}

Candidate sentencePieces(bool addSpacePrefix) {
    auto vocabulary = TinyVocabulary::sentencePieces(addSpacePrefix);
    float score = 0;
    for (std::string_view piece : {"\u2581", "a", "b", "ab", "\u2581a", "\u2581ab", "abab", "\u00E4"}) {
        vocabulary.add(piece, engine::testing::kNormal, score--);
    }
    vocabulary.add("  ", engine::testing::kUserDefined);
    return {vocabulary.load(), false};
}

const std::vector<Candidate>& candidates() {
    static const std::vector<Candidate> all = [] {
        std::vector<Candidate> made = {sentencePieces(true), sentencePieces(false)};
        for (std::string_view pre : engine::knownPreTokenizers()) made.push_back(bytePairs(pre));
        return made;
    }();
    return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size == 0) return 0;
    const Candidate& candidate = candidates()[data[0] % candidates().size()];
    const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
    const bool comesBack = candidate.bytes || (engine::validUtf8Prefix(text) == text.size() &&
                                               text.find("\u2581") == std::string_view::npos);
    const std::vector<TokenId> ids = candidate.tokenizer->encode(text, false, false);
    for (TokenId id : ids) {
        if (id < 0 || id >= candidate.tokenizer->vocabularySize()) std::abort();
    }
    if (comesBack && candidate.tokenizer->decode(ids) != text) std::abort();
    (void)candidate.tokenizer->encode(text, true, true);
    return 0;
}
