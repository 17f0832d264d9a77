#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/tokenizer/tokenizer.h"
#include "tests/engine/support/gguf_builder.h"

namespace engine::testing {

/// Kinds of tokens, as `tokenizer.ggml.token_type` numbers them.
enum TokenKind : int32_t {
    kNormal = 1,
    kUnknown = 2,
    kControl = 3,
    kUserDefined = 4,
    kUnused = 5,
    kByte = 6
};

/// A vocabulary small enough to read in a test: tokens in the order they are added.
class TinyVocabulary {
  public:
    /// Byte-level BPE whose first 256 tokens are the bytes 0 to 255.
    static TinyVocabulary bytePairs(std::string_view pre = "gpt-2");
    /// SentencePiece: <unk>, <s>, </s> are 0, 1, 2, then <0x00> ... <0xFF> from 3 to 258.
    static TinyVocabulary sentencePieces(bool addSpacePrefix = true);

    /// A token as the file spells it; returns its id.
    TokenId add(std::string_view text, TokenKind kind = kNormal, float score = 0);
    /// Learns a merge of two spellings (byte alphabet) and adds the joined token if it is new; returns its
    /// id.
    TokenId merge(std::string_view left, std::string_view right);
    template <class Value>
    TinyVocabulary& set(std::string_view key, const Value& value) {
        extra_.set(key, value);
        return *this;
    }

    /// The keys of a file with this vocabulary, ready for more.
    GgufBuilder file() const;
    /// Throws std::runtime_error with the message when the vocabulary is refused.
    std::shared_ptr<const Tokenizer> load() const;

  private:
    std::string model_;
    std::vector<std::string> tokens_;
    std::vector<int32_t> kinds_;
    std::vector<float> scores_;
    std::vector<std::string> merges_;
    GgufBuilder extra_;
};

}  // namespace engine::testing
