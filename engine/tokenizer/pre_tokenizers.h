#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "engine/error.h"
#include "engine/tokenizer/split_pattern.h"

namespace engine {

/// How byte-level vocabularies of one family cut a text into words before merging.
struct PreTokenizerFacts {
    std::vector<std::string_view>
        patterns;                  ///< applied one after another, each to the words of the one before
    bool wholeWordsFirst = false;  ///< a word that is a token skips the merges (`ignore_merges`)
    bool addsBos = false;          ///< when the file does not say
};

/// The facts behind a `tokenizer.ggml.pre`. An empty name is an old file that does not say. Fails
/// (Unsupported), naming the name: guessing would give a model that babbles.
Result<PreTokenizerFacts> preTokenizerFacts(std::string_view pre);

/// Every name that preTokenizerFacts knows.
std::vector<std::string_view> knownPreTokenizers();

/// Compiled patterns in sequence. Immutable: any thread.
class PreTokenizer {
  public:
    static Result<PreTokenizer> compile(std::span<const std::string_view> patterns);

    /// The words of `text` (valid UTF-8), in order; joined they are `text`.
    std::vector<std::string_view> split(std::string_view text) const;

  private:
    std::vector<SplitPattern> patterns_;
};

}  // namespace engine
