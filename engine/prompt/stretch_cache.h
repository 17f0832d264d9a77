#pragma once

#include <cstddef>
#include <list>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "engine/tokenizer/tokenizer.h"

namespace engine {

/// The ids of long stretches of text that were encoded lately: a chat's next turn begins with the text of the
/// turn before. Exact: a stretch is found by all of its bytes. Any thread.
class StretchCache {
  public:
    static constexpr size_t kLeastBytes = 1024;  ///< shorter stretches are encoded each time
    /// Of text; the ids are about as large. Few enough stretches to look through.
    static constexpr size_t kMostBytes = 4 << 20;

    /// What `tokenizer` encodes the pieces to, without BOS. One tokenizer for one cache.
    std::vector<TokenId> encode(const Tokenizer& tokenizer, std::span<const TextPiece> pieces);

    void clear();

    size_t bytes() const;  ///< of text that is held
    size_t found() const;  ///< how often a stretch needed no encoding

  private:
    struct Stretch {
        std::string text;
        std::vector<size_t> borders;  ///< where special text begins and ends, in turn
        std::vector<TokenId> ids;
    };

    mutable std::mutex mutex_;
    std::list<Stretch> stretches_;  ///< the last used first
    size_t bytes_ = 0, found_ = 0;
};

}  // namespace engine
