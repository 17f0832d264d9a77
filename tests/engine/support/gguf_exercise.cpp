#include "tests/engine/support/gguf_exercise.h"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "engine/gguf/gguf_file.h"
#include "engine/tokenizer/tokenizer.h"

namespace engine::testing {
namespace {

void require(bool promise, const char* what) {
    if (!promise) throw std::logic_error(what);
}

template <class Value>
size_t lengthOf(const std::optional<std::vector<Value>>& values) {
    return values ? values->size() : 0;
}

/// Touches every byte that the views claim, so that a sanitizer sees a claim that is too large.
size_t readEverything(const GgufFile& file) {
    size_t sum = 0;
    for (std::string_view key : file.keys()) {
        require(file.has(key), "a listed key is there");
        sum += lengthOf(file.integers(key)) + lengthOf(file.reals(key)) + lengthOf(file.booleans(key));
        sum += file.integer(key).has_value() + file.real(key).has_value() + file.boolean(key).has_value();
        sum += file.unsignedInteger(key).has_value();
        if (const auto text = file.string(key)) sum += std::string(*text).size();
        if (const auto texts = file.strings(key)) {
            for (std::string_view text : *texts) sum += std::string(text).size();
        }
    }
    for (const GgufTensor& tensor : file.tensors()) {
        require(file.tensor(tensor.name) == &tensor, "a tensor is found by its name");
        require(!tensor.shape.empty() && tensor.shape.size() <= 4, "a shape has 1 to 4 dimensions");
        require(tensor.elements() > 0, "no tensor is empty");
        for (size_t i = 0; i < tensor.bytes; ++i) sum += static_cast<size_t>(tensor.data[i]);
    }
    return sum;
}

void useVocabulary(const GgufFile& file) {
    const auto tokenizer = Tokenizer::load(file);
    if (!tokenizer) {
        require(!tokenizer.error().message.empty(), "a refused vocabulary has a message");
        return;
    }
    const auto ids = (*tokenizer)->encode("Hello \xF0\x9F\xA6\x99, 123 <s></s>\n\xC3", true, true);
    for (TokenId id : ids) {
        require(id >= 0 && id < (*tokenizer)->vocabularySize(), "an id lies inside the vocabulary");
    }
    (void)(*tokenizer)->decode(ids, true);
}

}  // namespace

void exerciseGguf(std::span<const std::byte> bytes) {
    const auto file = GgufFile::fromBytes({bytes.begin(), bytes.end()}, "fuzzed.gguf");
    if (!file) {
        const std::string& message = file.error().message;
        require(message.find("fuzzed.gguf") != std::string::npos, "a message names the file");
        require(message.find('\n') == std::string::npos, "a message is one line");
        return;
    }
    volatile size_t sum = readEverything(*file);
    (void)sum;
    useVocabulary(*file);
}

}  // namespace engine::testing
