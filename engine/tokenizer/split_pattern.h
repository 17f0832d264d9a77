#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/error.h"

namespace engine {

/// One regular expression that cuts a text into words: every match is a word, and so is every gap between
/// matches. PCRE2 with Unicode properties, just-in-time compiled where the machine allows. Immutable: any
/// thread.
///
/// Patterns are written as the tokenizers' authors wrote them (Oniguruma). `\s` is replaced by the characters
/// of Unicode's White_Space, because PCRE2's own also matches U+180E.
class SplitPattern {
  public:
    /// Fails (Internal) if the pattern does not compile: patterns are ours, not a file's.
    static Result<SplitPattern> compile(std::string_view pattern);

    /// Appends the words of `text`, in order; joined they are `text` again. `text` must be valid UTF-8.
    /// Anchors and look-around see nothing outside it. A stretch on which matching would not end in
    /// reasonable time is cut at `kFallbackBytes` instead.
    void split(std::string_view text, std::vector<std::string_view>& words) const;

    static constexpr size_t kFallbackBytes = size_t{64} << 10;

  private:
    struct Code;
    explicit SplitPattern(std::shared_ptr<const Code> code) : code_(std::move(code)) {}

    std::shared_ptr<const Code> code_;
};

}  // namespace engine
