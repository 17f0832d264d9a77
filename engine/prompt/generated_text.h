#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/prompt/chat_template.h"
#include "engine/tokenizer/tokenizer.h"

namespace engine {

/// Looks for text that a model generated in a rendered prompt, so that its own ids can stand there. Built for
/// one prompt; one thread.
class GeneratedText {
  public:
    GeneratedText(const Tokenizer& tokenizer, const std::vector<RenderedPiece>& pieces);

    /// A stretch of the prompt's bytes that reads as some ids do.
    struct Match {
        size_t begin = 0, end = 0;
        size_t idCount = 0;  ///< of the generated ids, from the first on
    };
    /// The longest stretch at or after byte `from` that begins where the reply of `message` began and equals
    /// the first of `ids`. It begins before the message's own text where the template wrote a part of the
    /// reply itself (white space, a `<think>`), but never inside a control token of the template, and it
    /// holds no such token that the model did not generate. Nothing if not even one id fits.
    std::optional<Match> find(size_t message, const std::vector<TokenId>& ids, size_t from) const;

    const std::string& text() const { return text_; }

  private:
    struct Control {
        size_t begin, end;
        TokenId id;
    };
    bool canGoOn(size_t position, TokenId before) const;
    Match matchAt(size_t begin, const std::vector<TokenId>& ids) const;
    Match matchShownAt(size_t begin, const std::vector<TokenId>& ids) const;
    bool hasReplacements_ = false;  ///< U+FFFD stands somewhere in the text
    const Control* controlFrom(size_t position) const;

    const Tokenizer& tokenizer_;
    std::string text_;
    std::vector<Control> controls_;  // in the template's own text, ascending
    struct Stretch {
        size_t begin, message;
    };
    std::vector<Stretch> stretches_;  // of messages' texts
};

}  // namespace engine
