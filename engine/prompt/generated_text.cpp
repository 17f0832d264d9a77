#include "engine/prompt/generated_text.h"

#include <algorithm>
#include <memory>

#include "engine/tokenizer/stream_decoder.h"

namespace engine {
namespace {

constexpr size_t kStepBack = 64;  // bytes of a reply that the template may have written in its place
constexpr size_t kStretches = 8;  // of one message that are tried

}  // namespace

GeneratedText::GeneratedText(const Tokenizer& tokenizer, const std::vector<RenderedPiece>& pieces)
    : tokenizer_(tokenizer) {
    for (const RenderedPiece& piece : pieces) {
        const size_t begin = text_.size();
        text_ += piece.text;
        if (piece.message) stretches_.push_back({begin, *piece.message});
        if (!piece.special) continue;
        // Where the tokenizer finds control tokens, in the order it finds them.
        size_t position = begin;
        for (const TokenId id : tokenizer.encode(piece.text, true, false)) {
            const std::string_view spelling = tokenizer.tokenText(id);
            if (!tokenizer.isControl(id) || spelling.empty()) continue;
            const size_t found = text_.find(spelling, position);
            if (found == std::string::npos) continue;
            position = found + spelling.size();
            controls_.push_back({found, position, id});
        }
    }
    hasReplacements_ = text_.find("\xEF\xBF\xBD") != std::string::npos;
}

const GeneratedText::Control* GeneratedText::controlFrom(size_t position) const {
    const auto control = std::lower_bound(controls_.begin(), controls_.end(), position,
                                          [](const Control& c, size_t value) { return c.end <= value; });
    return control == controls_.end() ? nullptr : &*control;
}

/// Whether what stands from `position` on can be encoded by itself behind the id `before`: not from the
/// middle of a character, which the bytes of a reply may share with another one. Where a vocabulary puts a
/// space before every text, only behind or before a control token, or if there is a space to stand for it
/// (and something after that space).
bool GeneratedText::canGoOn(size_t position, TokenId before) const {
    if (position < text_.size() && (static_cast<unsigned char>(text_[position]) & 0xC0) == 0x80) return false;
    if (!tokenizer_.stripsLeadingSpace() || tokenizer_.isControl(before) || position == text_.size())
        return true;
    const Control* next = controlFrom(position);
    if (next != nullptr && next->begin == position) return true;
    return text_[position] == ' ' && position + 1 < text_.size() &&
           (next == nullptr || next->begin > position + 1);
}

GeneratedText::Match GeneratedText::matchAt(size_t begin, const std::vector<TokenId>& ids) const {
    Match match{begin, begin, 0};
    // A vocabulary that puts a space before every text may have dropped it again behind a control token.
    const Control* first = controlFrom(begin == 0 ? 0 : begin - 1);
    bool afterSplit = begin == 0 || (first != nullptr && first->end == begin);
    size_t position = begin;
    for (size_t i = 0; i < ids.size(); ++i) {
        const Control* control = controlFrom(position);
        if (tokenizer_.isControl(ids[i])) {
            // The token that ends the turn is the template's to write; others may show in no text at all.
            if (i + 1 == ids.size() && tokenizer_.isEndOfGeneration(ids[i])) break;
            if (control != nullptr && control->begin == position && control->id == ids[i])
                position = control->end;
            afterSplit = true;
        } else {
            std::string_view bytes = tokenizer_.pieceBytes(ids[i]);
            const std::string_view rest = std::string_view(text_).substr(position);
            if (afterSplit && tokenizer_.stripsLeadingSpace() && bytes.starts_with(' ') &&
                !rest.starts_with(bytes))
                bytes.remove_prefix(1);
            const size_t end = position + bytes.size();
            if (!rest.starts_with(bytes)) break;
            if (control != nullptr && control->begin < end) break;
            position = end;
            afterSplit = false;
        }
        if (!canGoOn(position, ids[i])) continue;
        match.idCount = i + 1;
        match.end = position;
    }
    return match;
}

/// The same by the text that was shown, in which bytes that are no character stand as U+FFFD.
GeneratedText::Match GeneratedText::matchShownAt(size_t begin, const std::vector<TokenId>& ids) const {
    Match match{begin, begin, 0};
    StreamDecoder decoder({std::shared_ptr<const void>(), &tokenizer_});
    size_t position = begin;
    // The token that ends the turn is the template's to write.
    const size_t count = ids.size() - (!ids.empty() && tokenizer_.isEndOfGeneration(ids.back()) ? 1 : 0);
    for (size_t i = 0; i < count; ++i) {
        std::string shown = decoder.push(ids[i]);
        if (i + 1 == count) shown += decoder.flush();
        const Control* control = controlFrom(position);
        if (!std::string_view(text_).substr(position).starts_with(shown)) break;
        if (control != nullptr && control->begin < position + shown.size()) break;
        position += shown.size();
        if (decoder.heldBytes() > 0 || !canGoOn(position, ids[i])) continue;
        match.idCount = i + 1;
        match.end = position;
    }
    return match;
}

std::optional<GeneratedText::Match> GeneratedText::find(size_t message, const std::vector<TokenId>& ids,
                                                        size_t from) const {
    std::optional<Match> best;
    size_t tried = 0;
    for (const Stretch& stretch : stretches_) {
        if (stretch.message != message || stretch.begin < from) continue;
        if (++tried > kStretches) break;
        size_t earliest = stretch.begin > kStepBack ? stretch.begin - kStepBack : 0;
        earliest = std::max(earliest, from);
        for (size_t begin = stretch.begin;; --begin) {
            const Control* control = controlFrom(begin);
            const bool insideControl = control != nullptr && control->begin < begin;
            if (!insideControl) {
                Match match = matchAt(begin, ids);
                if (hasReplacements_ && match.idCount < ids.size())
                    if (const Match shown = matchShownAt(begin, ids); shown.idCount > match.idCount)
                        match = shown;
                if (match.end > stretch.begin && (!best || match.idCount > best->idCount)) best = match;
            }
            if (begin == earliest) break;
        }
        if (best) break;
    }
    return best;
}

}  // namespace engine
