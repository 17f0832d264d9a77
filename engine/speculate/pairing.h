#pragma once

#include "engine/error.h"
#include "engine/tokenizer/tokenizer.h"

namespace engine {

/// Whether every id means the same to both, token by token; entries that only pad a vocabulary at its end do
/// not count, so Qwen's 151,936 and 152,064 fit. Unsupported, with the first difference, where they do not.
Result<void> checkPairing(const Tokenizer& target, const Tokenizer& draft);

}  // namespace engine
