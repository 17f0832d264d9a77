#pragma once

#include <memory>
#include <string>

#include "engine/tokenizer/tokenizer.h"

namespace engine {

/// Turns a reply's tokens into text as they come: whole UTF-8 characters or nothing yet. Tokens may end
/// inside a character; its bytes are held back until the rest arrives. Bytes that can no longer become a
/// character turn into U+FFFD, one for each maximal ill-formed part (Unicode 15, table 3-8, as browsers do).
/// One sequence, one thread. Control tokens give nothing.
class StreamDecoder {
  public:
    /// `continuing`: text came before these tokens, so the first one's leading space stays even where the
    /// vocabulary drops the space that starts a text. A reply continues its prompt: true is what an engine
    /// wants.
    explicit StreamDecoder(std::shared_ptr<const Tokenizer> tokenizer, bool continuing = true);

    /// Constant time in what came before. The result is valid UTF-8, maybe empty.
    std::string push(TokenId id);

    /// Ends the reply: what was held back, as U+FFFD. The decoder is then as new, for the same kind of start.
    std::string flush();

    /// Bytes that wait for the rest of their character (0 to 3).
    size_t heldBytes() const { return held_.size(); }

  private:
    std::shared_ptr<const Tokenizer> tokenizer_;
    bool continuing_;
    bool atStart_;
    std::string held_;
};

}  // namespace engine
