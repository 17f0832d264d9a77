#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/schedule/sequence.h"

namespace engine {

/// Who drafted.
enum class DraftSource : uint8_t { None, Ngram, Model };

/// A sequence to draft for, and how many tokens at most.
struct DraftRequest {
    const Sequence* sequence = nullptr;
    int most = 0;
};

/// Guesses the next tokens of sequences. A guess is never wrong, only useless: the target verifies it.
/// Engine thread only.
class Drafter {
  public:
    virtual ~Drafter() = default;
    /// For each request up to `most` tokens that may follow its sequence's tokens; none is a fine answer.
    virtual std::vector<std::vector<TokenId>> propose(std::span<const DraftRequest> requests) = 0;
    /// The sequence has ended; what its drafts needed may go, or serve others.
    virtual void forget(const Sequence& sequence) = 0;
};

}  // namespace engine
