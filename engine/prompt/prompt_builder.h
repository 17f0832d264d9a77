#pragma once

#include <memory>
#include <vector>

#include "engine/prompt/chat_template.h"
#include "engine/prompt/stretch_cache.h"
#include "engine/runtime/engine.h"

namespace engine {

/// Turns requests into prompt ids. Any thread. `chatTemplate` null: the model has none.
class PromptBuilder {
  public:
    PromptBuilder(std::shared_ptr<const Tokenizer> tokenizer,
                  std::shared_ptr<const ChatTemplate> chatTemplate);

    /// Ids of the request's raw prompt or rendered messages. Where a message's text came from the model, the
    /// ids it generated stand as far as they read the same, so that the prompt begins with the prompt and the
    /// reply before it and both are found again in a prefix cache. `rewritten` (may be null) gets the number
    /// of replies that do not stand whole: a template that rewrites history (a stripped `<think>`) left out a
    /// part.
    Result<std::vector<TokenId>> build(const GenerateRequest& request, int* rewritten = nullptr) const;

    /// Of texts that were encoded, long ones are kept, so that a chat's next turn need not encode its history
    /// again; this lets go of them all.
    void forgetTexts() { encoded_.clear(); }

  private:
    Result<std::vector<TokenId>> checked(const std::vector<TokenId>& ids) const;
    Result<std::vector<TokenId>> buildChat(const GenerateRequest& request, int& rewritten) const;
    std::vector<TokenId> splice(const std::vector<RenderedPiece>& pieces, const GenerateRequest& request,
                                int& rewritten) const;
    void append(const std::vector<RenderedPiece>& pieces, size_t begin, size_t end,
                std::vector<TokenId>& ids) const;
    std::shared_ptr<const Tokenizer> tokenizer_;
    std::shared_ptr<const ChatTemplate> chatTemplate_;
    mutable StretchCache encoded_;
};

}  // namespace engine
