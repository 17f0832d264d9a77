// Token by token, whatever the bytes: each step gives valid UTF-8, no more than three bytes wait, and the
// text is the bytes with U+FFFD for what is no UTF-8. The input is the ids of a vocabulary of single bytes.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "engine/tokenizer/stream_decoder.h"
#include "engine/tokenizer/utf8.h"
#include "tests/engine/support/tiny_vocabulary.h"

namespace {

bool isUtf8(std::string_view text) {
    return engine::validUtf8Prefix(text) == text.size();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    static const auto tokenizer = engine::testing::TinyVocabulary::bytePairs().load();
    engine::StreamDecoder decoder(tokenizer);
    std::string shown;
    for (size_t i = 0; i < size; ++i) {
        const std::string step = decoder.push(data[i]);
        if (!isUtf8(step) || decoder.heldBytes() > 3) std::abort();
        shown += step;
    }
    shown += decoder.flush();
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    if (!isUtf8(shown) || (isUtf8(bytes) && shown != bytes)) std::abort();
    return 0;
}
