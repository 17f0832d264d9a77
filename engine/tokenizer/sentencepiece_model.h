#pragma once

#include <string>

#include "engine/tokenizer/vocabulary.h"

namespace engine {

/// Whether a vocabulary has a byte token (`<0x00>` ... `<0xFF>`) for each of the 256 bytes.
bool hasAllByteTokens(const Vocabulary& vocabulary);

/// The byte that a byte token stands for; nothing if it is not spelled `<0xHH>`.
std::optional<uint8_t> byteOfToken(std::string_view tokenText);

/// The serialised sentencepiece `ModelProto` whose pieces are the vocabulary's tokens, id for id. Written as
/// wire bytes: the library's public headers carry no message classes. If the vocabulary has no unknown token
/// one more piece follows the last id, because the library insists on having one. With `addSpacePrefix` the
/// library finds no user-defined tokens: the caller splits the text at them.
///
/// Fields: https://github.com/google/sentencepiece/blob/master/src/sentencepiece_model.proto
std::string sentencePieceModel(const Vocabulary& vocabulary, bool addSpacePrefix);

}  // namespace engine
