// Any bytes are refused with a message or are a file whose every claim can be read; see gguf_exercise.h.
#include <cstddef>
#include <cstdint>
#include <span>

#include "tests/engine/support/gguf_exercise.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    engine::testing::exerciseGguf(std::as_bytes(std::span(data, size)));
    return 0;
}
