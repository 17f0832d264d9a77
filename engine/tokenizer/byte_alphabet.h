#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace engine {

/// The printable alphabet in which byte-level vocabularies spell their tokens (GPT-2's `bytes_to_unicode`):
/// each of the 256 bytes is one character; printable Latin-1 stands for itself and the others follow from
/// U+0100 on.

/// The bytes that a token's spelling stands for; nothing if it uses a character outside the alphabet.
std::optional<std::string> bytesOfSpelling(std::string_view spelling);

/// The spelling of some bytes, as vocabularies write it.
std::string spellingOfBytes(std::string_view bytes);

}  // namespace engine
