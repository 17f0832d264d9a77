#pragma once

#include <memory>

#include "engine/tokenizer/tokenizer.h"
#include "engine/tokenizer/vocabulary.h"

namespace engine {

/// SentencePiece vocabularies (`tokenizer.ggml.model` = "llama"; Gemma's too), encoded by the sentencepiece
/// library itself from a model rebuilt out of the file's tokens, scores and types. Fails as Tokenizer::load
/// does.
Result<std::shared_ptr<const Tokenizer>> loadSentencePieceTokenizer(const GgufFile& file,
                                                                    std::unique_ptr<Vocabulary> vocabulary);

}  // namespace engine
