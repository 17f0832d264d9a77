#include "engine/tokenizer/stream_decoder.h"

#include <utility>

#include "engine/tokenizer/utf8.h"

namespace engine {

StreamDecoder::StreamDecoder(std::shared_ptr<const Tokenizer> tokenizer, bool continuing)
    : tokenizer_(std::move(tokenizer)), continuing_(continuing), atStart_(!continuing) {}

std::string StreamDecoder::push(TokenId id) {
    std::string_view piece = tokenizer_->pieceBytes(id);
    const bool splits = tokenizer_->splitsText(id);
    if (atStart_ && !splits && tokenizer_->stripsLeadingSpace() && piece.starts_with(' '))
        piece.remove_prefix(1);
    atStart_ = splits;
    if (piece.empty()) return {};
    held_ += piece;

    std::string text;
    std::string_view rest = held_;
    while (!rest.empty()) {
        const Utf8Step step = utf8Step(rest);
        if (step.kind == Utf8Step::Kind::Incomplete) break;
        text += step.kind == Utf8Step::Kind::Character ? rest.substr(0, step.bytes) : kReplacementCharacter;
        rest.remove_prefix(step.bytes);
    }
    held_.erase(0, held_.size() - rest.size());
    return text;
}

std::string StreamDecoder::flush() {
    // What is held is the beginning of one character: one ill-formed part.
    std::string text = held_.empty() ? std::string() : std::string(kReplacementCharacter);
    held_.clear();
    atStart_ = !continuing_;
    return text;
}

}  // namespace engine
