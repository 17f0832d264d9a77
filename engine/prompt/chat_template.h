#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "engine/error.h"

namespace engine {

/// A run of a rendered prompt. `special`: the template's own text, in which special tokens are recognised;
/// otherwise data (message contents, tools, variables), in which none are. `message`: which one the text came
/// from, if any (its role is the template's).
struct RenderedPiece {
    std::string text;
    bool special = false;
    std::optional<size_t> message = std::nullopt;
};

/// What a template is rendered with. Messages are objects with "role" and "content" and whatever else a
/// template may ask for; `tools` stays undefined unless given; `variables` is an object of further names.
struct TemplateInputs {
    nlohmann::ordered_json messages;
    bool addGenerationPrompt = true;
    std::optional<nlohmann::ordered_json> tools;
    nlohmann::ordered_json variables;
    std::string bosToken, eosToken;  ///< count as the template's own text
    std::optional<int64_t> nowUnix;  ///< for strftime_now, as UTC; the local time now when not given
};

/// A model's chat template: Jinja as Hugging Face's `apply_chat_template` runs it (jinja2's immutable sandbox
/// with trim_blocks, lstrip_blocks and loop controls). Immutable once parsed: any thread. Hostile templates
/// end in an error: depth, steps and the size of what they build are bounded.
class ChatTemplate {
  public:
    static Result<ChatTemplate> parse(std::string source);
    /// Fails with the template's own words when it calls raise_exception.
    Result<std::vector<RenderedPiece>> render(const TemplateInputs& inputs) const;

    ChatTemplate(ChatTemplate&&) noexcept;
    ChatTemplate& operator=(ChatTemplate&&) noexcept;
    ~ChatTemplate();

  private:
    struct Program;
    explicit ChatTemplate(std::unique_ptr<Program> program);
    std::unique_ptr<Program> program_;
};

/// The pieces' texts, joined.
std::string joinPieces(const std::vector<RenderedPiece>& pieces);

}  // namespace engine
