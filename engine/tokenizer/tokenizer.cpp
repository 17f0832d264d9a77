#include "engine/tokenizer/tokenizer.h"

#include <algorithm>

#include "engine/gguf/gguf_file.h"
#include "engine/tokenizer/byte_pair_tokenizer.h"
#include "engine/tokenizer/sentencepiece_tokenizer.h"
#include "engine/tokenizer/special_matcher.h"
#include "engine/tokenizer/vocabulary.h"

namespace engine {
namespace {

bool isAsciiSpace(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

}  // namespace

Result<std::shared_ptr<const Tokenizer>> Tokenizer::load(const GgufFile& file) {
    auto vocabulary = loadVocabulary(file);
    if (!vocabulary) return tl::unexpected(vocabulary.error());
    const std::string model = (*vocabulary)->model;
    if (model == "gpt2") return loadBytePairTokenizer(file, std::move(*vocabulary));
    if (model == "llama") return loadSentencePieceTokenizer(file, std::move(*vocabulary));
    return fail(ErrorCode::Unsupported,
                "'{}' has a tokenizer of the kind '{}'; 'gpt2' (byte-level BPE) and 'llama' (SentencePiece) "
                "can be used",
                file.path().string(), model);
}

Tokenizer::Tokenizer(std::unique_ptr<const Vocabulary> vocabulary, TokenizerTraits traits)
    : vocabulary_(std::move(vocabulary)),
      traits_(traits),
      matcher_(std::make_unique<SpecialMatcher>()),
      hash_(hashVocabulary(*vocabulary_)) {
    for (TokenId id = 0; id < vocabulary_->size(); ++id) {
        const std::string_view text = vocabulary_->texts[static_cast<size_t>(id)];
        if (vocabulary_->isHidden(id)) {
            matcher_->add(text, id, SpecialKind::Hidden);
        } else if (vocabulary_->type(id) == TokenType::UserDefined) {
            const bool marker = looksLikeMarker(text);
            if (marker) matcher_->add(text, id, SpecialKind::Marker);
            if (!marker && traits_.splitsAtUserDefined) matcher_->add(text, id, SpecialKind::Ordinary);
        }
    }
}

Tokenizer::~Tokenizer() = default;

std::vector<TokenId> Tokenizer::encode(std::string_view text, bool recogniseSpecial, bool addBos) const {
    const ByteRange whole{0, text.size()};
    return encodeRanges(text, std::span(&whole, recogniseSpecial ? 1 : 0), true, addBos);
}

std::vector<TokenId> Tokenizer::encode(std::span<const TextPiece> pieces, bool addBos) const {
    std::string text;
    std::vector<ByteRange> special;
    for (const TextPiece& piece : pieces) {
        const size_t begin = text.size();
        text += piece.text;
        if (!piece.special || piece.text.empty()) continue;
        if (!special.empty() && special.back().end == begin) {
            special.back().end = text.size();
        } else {
            special.push_back({begin, text.size()});
        }
    }
    return encodeRanges(text, special, false, addBos);
}

std::vector<TokenId> Tokenizer::encodeRanges(std::string_view text, std::span<const ByteRange> special,
                                             bool raw, bool addBos) const {
    std::vector<TokenId> ids;
    if (addBos && traits_.addsBos && vocabulary_->bos) ids.push_back(*vocabulary_->bos);
    size_t begin = 0;
    for (const SpecialMatcher::Match& match : matcher_->find(text, special, raw)) {
        if (match.begin > begin) encodeText(text.substr(begin, match.begin - begin), ids);
        ids.push_back(match.id);
        begin = match.end;
        if (traits_.controlTakesSpaceAfter && takesSpaceAfter(match.id)) {
            while (begin < text.size() && isAsciiSpace(text[begin])) ++begin;
        }
    }
    if (begin < text.size()) encodeText(text.substr(begin), ids);
    return ids;
}

bool Tokenizer::takesSpaceAfter(TokenId id) const {
    const std::string_view text = tokenText(id);
    return text != "<unk>" && text != "<s>" && text != "<|endoftext|>";
}

std::string Tokenizer::decode(std::span<const TokenId> ids, bool renderSpecial) const {
    std::string text;
    bool afterSplit = true;
    for (TokenId id : ids) {
        if (!vocabulary_->contains(id)) continue;
        const bool hidden = vocabulary_->isHidden(id);
        std::string_view piece = hidden && renderSpecial ? tokenText(id) : pieceBytes(id);
        const bool splits = splitsText(id);
        if (!splits && afterSplit && traits_.addsSpacePrefix && piece.starts_with(' '))
            piece.remove_prefix(1);
        text += piece;
        afterSplit = splits;
    }
    return text;
}

bool Tokenizer::splitsText(TokenId id) const {
    if (!vocabulary_->contains(id)) return false;
    if (vocabulary_->isHidden(id)) return true;
    return vocabulary_->type(id) == TokenType::UserDefined &&
           (traits_.splitsAtUserDefined || looksLikeMarker(tokenText(id)));
}

std::string_view Tokenizer::pieceBytes(TokenId id) const {
    return vocabulary_->contains(id) ? std::string_view(vocabulary_->pieces[static_cast<size_t>(id)]) : "";
}

std::string_view Tokenizer::tokenText(TokenId id) const {
    return vocabulary_->contains(id) ? std::string_view(vocabulary_->texts[static_cast<size_t>(id)]) : "";
}

std::optional<TokenId> Tokenizer::idOf(std::string_view tokenText) const {
    const auto found = vocabulary_->idOfText.find(tokenText);
    if (found == vocabulary_->idOfText.end()) return std::nullopt;
    return found->second;
}

bool Tokenizer::isControl(TokenId id) const {
    return vocabulary_->contains(id) && vocabulary_->isHidden(id);
}

bool Tokenizer::isEndOfGeneration(TokenId id) const {
    const auto& ends = vocabulary_->endOfGeneration;
    return std::binary_search(ends.begin(), ends.end(), id);
}

const std::vector<TokenId>& Tokenizer::endOfGenerationTokens() const {
    return vocabulary_->endOfGeneration;
}
std::optional<TokenId> Tokenizer::bos() const {
    return vocabulary_->bos;
}
std::optional<TokenId> Tokenizer::eos() const {
    return vocabulary_->eos;
}
bool Tokenizer::addsBos() const {
    return traits_.addsBos && vocabulary_->bos.has_value();
}
bool Tokenizer::addsEos() const {
    return vocabulary_->addEos.value_or(false) && vocabulary_->eos.has_value();
}
bool Tokenizer::stripsLeadingSpace() const {
    return traits_.addsSpacePrefix;
}
int32_t Tokenizer::vocabularySize() const {
    return vocabulary_->size();
}
uint64_t Tokenizer::vocabularyHash() const {
    return hash_;
}
std::string_view Tokenizer::model() const {
    return vocabulary_->model;
}
std::string_view Tokenizer::pre() const {
    return vocabulary_->pre;
}

}  // namespace engine
