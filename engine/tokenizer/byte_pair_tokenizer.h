#pragma once

#include <memory>

#include "engine/tokenizer/tokenizer.h"
#include "engine/tokenizer/vocabulary.h"

namespace engine {

/// Byte-level BPE (`tokenizer.ggml.model` = "gpt2"): the text is cut into words by the patterns of its `pre`,
/// each word's bytes are merged pair by pair. Bytes, not characters, so that nothing is unknown. Fails as
/// Tokenizer::load does; reads `tokenizer.ggml.merges` from `file`.
Result<std::shared_ptr<const Tokenizer>> loadBytePairTokenizer(const GgufFile& file,
                                                               std::unique_ptr<Vocabulary> vocabulary);

}  // namespace engine
