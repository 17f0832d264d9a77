#include "engine/prompt/prompt_builder.h"

#include <algorithm>

namespace engine {

PromptBuilder::PromptBuilder(std::shared_ptr<const Tokenizer> tokenizer,
                             std::shared_ptr<const ChatTemplate> chatTemplate)
    : tokenizer_(std::move(tokenizer)), chatTemplate_(std::move(chatTemplate)) {}

Result<std::vector<TokenId>> PromptBuilder::build(const GenerateRequest& request) const {
    if (!request.promptIds.empty()) return checked(request.promptIds);
    auto ids = request.prompt ? Result<std::vector<TokenId>>(tokenizer_->encode(*request.prompt, true, true))
                              : buildChat(request);
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

Result<std::vector<TokenId>> PromptBuilder::buildChat(const GenerateRequest& request) const {
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
    return splice(*pieces, request);
}

std::vector<TokenId> PromptBuilder::encode(const std::vector<RenderedPiece>& pieces) const {
    std::vector<TextPiece> texts;
    texts.reserve(pieces.size());
    for (const RenderedPiece& piece : pieces) texts.push_back({piece.text, piece.special});
    return tokenizer_->encode(texts, false);
}

/// Encodes the runs between the messages whose own ids can stand. A run border falls where a generated reply
/// began, which is where the model saw one too: after the generation prompt, and before the end token's text.
std::vector<TokenId> PromptBuilder::splice(const std::vector<RenderedPiece>& pieces,
                                           const GenerateRequest& request) const {
    std::vector<TokenId> ids;
    std::vector<RenderedPiece> run;
    size_t message = 0;
    const auto nextGenerated = [&](const std::string& text) -> const std::vector<TokenId>* {
        for (size_t i = message; i < request.generatedIds.size(); ++i) {
            const auto& own = request.generatedIds[i];
            if (own.empty() || tokenizer_->decode(own) != text) continue;
            message = i + 1;
            return &own;
        }
        return nullptr;
    };
    for (const RenderedPiece& piece : pieces) {
        const std::vector<TokenId>* own = piece.special ? nullptr : nextGenerated(piece.text);
        if (own == nullptr) {
            run.push_back(piece);
            continue;
        }
        const auto before = encode(run);
        ids.insert(ids.end(), before.begin(), before.end());
        // The end token is the template's to write.
        const auto end = std::find_if(own->begin(), own->end(),
                                      [&](TokenId id) { return tokenizer_->isEndOfGeneration(id); });
        ids.insert(ids.end(), own->begin(), end);
        run.clear();
    }
    const auto rest = encode(run);
    ids.insert(ids.end(), rest.begin(), rest.end());
    // Templates mostly write BOS themselves; a vocabulary that wants one gets exactly one.
    if (tokenizer_->addsBos() && tokenizer_->bos() && (ids.empty() || ids.front() != *tokenizer_->bos()))
        ids.insert(ids.begin(), *tokenizer_->bos());
    return ids;
}

}  // namespace engine
