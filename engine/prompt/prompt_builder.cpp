#include "engine/prompt/prompt_builder.h"

#include <algorithm>

#include "engine/prompt/generated_text.h"

namespace engine {

PromptBuilder::PromptBuilder(std::shared_ptr<const Tokenizer> tokenizer,
                             std::shared_ptr<const ChatTemplate> chatTemplate)
    : tokenizer_(std::move(tokenizer)), chatTemplate_(std::move(chatTemplate)) {}

Result<std::vector<TokenId>> PromptBuilder::build(const GenerateRequest& request, int* rewritten) const {
    int count = 0;
    if (!request.promptIds.empty()) return checked(request.promptIds);
    auto ids = request.prompt ? Result<std::vector<TokenId>>(tokenizer_->encode(*request.prompt, true, true))
                              : buildChat(request, count);
    if (rewritten != nullptr) *rewritten = count;
    if (ids && ids->empty()) {
        // The model needs something to continue from.
        const auto start = tokenizer_->bos() ? tokenizer_->bos() : tokenizer_->eos();
        if (!start)
            return fail(ErrorCode::InvalidArgument,
                        "the prompt is empty and the vocabulary has no token to start from; give some text");
        ids->push_back(*start);
    }
    return ids;
}

Result<std::vector<TokenId>> PromptBuilder::checked(const std::vector<TokenId>& ids) const {
    for (const TokenId id : ids)
        if (id < 0 || id >= tokenizer_->vocabularySize())
            return fail(ErrorCode::InvalidArgument, "the id {} is not among the {} of the vocabulary", id,
                        tokenizer_->vocabularySize());
    return ids;
}

Result<std::vector<TokenId>> PromptBuilder::buildChat(const GenerateRequest& request, int& rewritten) const {
    if (chatTemplate_ == nullptr)
        return fail(ErrorCode::Unsupported,
                    "the model has no chat template, so it cannot take messages; use --raw, or choose an "
                    "instruct model");
    TemplateInputs inputs;
    inputs.messages = request.messages;
    const auto spelling = [&](std::optional<TokenId> id) {
        return id ? std::string(tokenizer_->tokenText(*id)) : std::string();
    };
    inputs.bosToken = spelling(tokenizer_->bos());
    inputs.eosToken = spelling(tokenizer_->eos());
    const auto pieces = chatTemplate_->render(inputs);
    if (!pieces) return tl::unexpected<Error>(pieces.error());
    return splice(*pieces, request, rewritten);
}

/// Appends the ids of the bytes [begin, end) of the pieces' text. Behind other ids the text goes on: where
/// the vocabulary puts a space before all it encodes, the text's own space is that one.
void PromptBuilder::append(const std::vector<RenderedPiece>& pieces, size_t begin, size_t end,
                           std::vector<TokenId>& ids) const {
    const bool goesOn =
        tokenizer_->stripsLeadingSpace() && !ids.empty() && !tokenizer_->isControl(ids.back());
    std::vector<TextPiece> texts;
    size_t start = 0;
    for (const RenderedPiece& piece : pieces) {
        const size_t from = std::max(begin, start), to = std::min(end, start + piece.text.size());
        if (from < to)
            texts.push_back({std::string_view(piece.text).substr(from - start, to - from), piece.special});
        start += piece.text.size();
    }
    if (texts.empty()) return;
    if (goesOn && texts.front().text.starts_with(' ')) texts.front().text.remove_prefix(1);
    const auto encoded = encoded_.encode(*tokenizer_, texts);
    ids.insert(ids.end(), encoded.begin(), encoded.end());
}

/// Encodes the stretches between the replies whose own ids can stand. A border falls where a generated reply
/// began, which is where the model saw one too: behind the generation prompt; and where it ends or stops
/// reading the same.
std::vector<TokenId> PromptBuilder::splice(const std::vector<RenderedPiece>& pieces,
                                           const GenerateRequest& request, int& rewritten) const {
    std::vector<TokenId> ids;
    const GeneratedText text(*tokenizer_, pieces);
    size_t done = 0;  // bytes of the text that `ids` stand for
    for (size_t message = 0; message < request.generatedIds.size(); ++message) {
        const auto& own = request.generatedIds[message];
        if (own.empty()) continue;
        const auto match = text.find(message, own, done);
        // The token that ends the turn is the template's to write.
        const size_t whole = own.size() - (tokenizer_->isEndOfGeneration(own.back()) ? 1 : 0);
        if (!match) {
            rewritten += whole > 0 ? 1 : 0;
            continue;
        }
        if (match->idCount < whole) ++rewritten;
        append(pieces, done, match->begin, ids);
        ids.insert(ids.end(), own.begin(), own.begin() + static_cast<ptrdiff_t>(match->idCount));
        done = match->end;
    }
    append(pieces, done, text.text().size(), ids);
    // Templates mostly write BOS themselves; a vocabulary that wants one gets exactly one.
    if (tokenizer_->addsBos() && tokenizer_->bos() && (ids.empty() || ids.front() != *tokenizer_->bos()))
        ids.insert(ids.begin(), *tokenizer_->bos());
    return ids;
}

}  // namespace engine
