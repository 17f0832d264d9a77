// Encodes many texts in one process, for scripts that compare with other tokenizers. Standard input: a JSON
// array of strings. Standard output: {"ids": [[...], ...], "changed": [...]}: the ids of each text, special
// tokens and BOS left out, and which texts do not decode to themselves.
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "engine/gguf/gguf_file.h"
#include "engine/tokenizer/tokenizer.h"

int main(int argc, char** argv) {
    if (argc != 2) {
        std::cerr << "usage: tokenize_texts MODEL.gguf < texts.json\n";
        return 2;
    }
    const auto file = engine::GgufFile::open(argv[1]);
    const auto tokenizer = file ? engine::Tokenizer::load(*file) : tl::unexpected(file.error());
    if (!tokenizer) {
        std::cerr << tokenizer.error().message << '\n';
        return 1;
    }
    const std::string input{std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>()};
    const auto texts = nlohmann::json::parse(input, nullptr, false);
    if (!texts.is_array()) {
        std::cerr << "standard input is not a JSON array of strings\n";
        return 2;
    }
    nlohmann::json all = nlohmann::json::array();
    nlohmann::json changed = nlohmann::json::array();
    for (const auto& text : texts) {
        const auto bytes = text.get<std::string>();
        auto ids = (*tokenizer)->encode(bytes, false, false);
        if ((*tokenizer)->decode(ids) != bytes) changed.push_back(all.size());
        all.push_back(std::move(ids));
    }
    std::cout << nlohmann::json{{"ids", std::move(all)}, {"changed", std::move(changed)}}.dump() << '\n';
    return 0;
}
