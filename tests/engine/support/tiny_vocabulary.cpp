#include "tests/engine/support/tiny_vocabulary.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

#include "engine/gguf/gguf_file.h"
#include "engine/tokenizer/byte_alphabet.h"

namespace engine::testing {

TinyVocabulary TinyVocabulary::bytePairs(std::string_view pre) {
    TinyVocabulary vocabulary;
    vocabulary.model_ = "gpt2";
    vocabulary.set("tokenizer.ggml.pre", pre);
    for (int byte = 0; byte < 256; ++byte) {
        vocabulary.add(spellingOfBytes(std::string(1, static_cast<char>(byte))));
    }
    return vocabulary;
}

TinyVocabulary TinyVocabulary::sentencePieces(bool addSpacePrefix) {
    TinyVocabulary vocabulary;
    vocabulary.model_ = "llama";
    vocabulary.set("tokenizer.ggml.add_space_prefix", addSpacePrefix);
    vocabulary.add("<unk>", kUnknown);
    vocabulary.add("<s>", kControl);
    vocabulary.add("</s>", kControl);
    for (int byte = 0; byte < 256; ++byte) vocabulary.add(fmt::format("<0x{:02X}>", byte), kByte);
    return vocabulary;
}

TokenId TinyVocabulary::add(std::string_view text, TokenKind kind, float score) {
    tokens_.emplace_back(text);
    kinds_.push_back(kind);
    scores_.push_back(score);
    return static_cast<TokenId>(tokens_.size() - 1);
}

TokenId TinyVocabulary::merge(std::string_view left, std::string_view right) {
    merges_.push_back(fmt::format("{} {}", left, right));
    const std::string joined = fmt::format("{}{}", left, right);
    const auto known = std::find(tokens_.begin(), tokens_.end(), joined);
    if (known != tokens_.end()) return static_cast<TokenId>(known - tokens_.begin());
    return add(joined);
}

GgufBuilder TinyVocabulary::file() const {
    GgufBuilder builder = extra_;
    builder.set("general.architecture", "llama").set("tokenizer.ggml.model", model_);
    builder.set("tokenizer.ggml.tokens", tokens_).set("tokenizer.ggml.token_type", kinds_);
    if (model_ == "llama") {
        builder.set("tokenizer.ggml.scores", scores_);
    } else {
        builder.set("tokenizer.ggml.merges", merges_);
    }
    return builder;
}

std::shared_ptr<const Tokenizer> TinyVocabulary::load() const {
    auto opened = GgufFile::fromBytes(file().bytes(), "tiny.gguf");
    if (!opened) throw std::runtime_error(opened.error().message);
    auto tokenizer = Tokenizer::load(*opened);
    if (!tokenizer) throw std::runtime_error(tokenizer.error().message);
    return *tokenizer;
}

}  // namespace engine::testing
