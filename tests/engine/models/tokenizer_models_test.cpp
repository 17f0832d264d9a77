// Real vocabularies against the tokenizers that made them: tests/data/tokenizers/models.json says which.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "engine/gguf/gguf_file.h"
#include "engine/tokenizer/stream_decoder.h"
#include "engine/tokenizer/tokenizer.h"

namespace engine {
namespace {

TEST(RealVocabularies, GiveTheIdsOfTheirOwnTokenizersOnRandomTexts) {
    const char* folder = std::getenv("ALCOVE_MODELS");
    ASSERT_NE(folder, nullptr) << "ALCOVE_MODELS names the folder with the models";
    std::ifstream stream(std::string(ALCOVE_TEST_DATA) + "/data/tokenizers/models.json");
    const auto golden = nlohmann::json::parse(stream);
    const auto texts = golden.at("texts").get<std::vector<std::string>>();
    ASSERT_FALSE(texts.empty());
    for (const auto& [name, rows] : golden.at("models").items()) {
        const auto file = GgufFile::open(std::string(folder) + "/" + name);
        ASSERT_TRUE(file) << file.error().message;
        const auto tokenizer = Tokenizer::load(*file);
        ASSERT_TRUE(tokenizer) << tokenizer.error().message;
        for (size_t i = 0; i < texts.size(); ++i) {
            const auto expected = rows.at(i).get<std::vector<TokenId>>();
            ASSERT_EQ((*tokenizer)->encode(texts[i], false, false), expected)
                << name << ": " << nlohmann::json(texts[i]).dump(-1, ' ', true);
            StreamDecoder decoder(*tokenizer, false);
            std::string streamed;
            for (TokenId id : expected) streamed += decoder.push(id);
            ASSERT_EQ(streamed + decoder.flush(), (*tokenizer)->decode(expected)) << name;
        }
    }
}

TEST(RealVocabularies, EndAReplyAtMoreThanTheEosToken) {
    const char* folder = std::getenv("ALCOVE_MODELS");
    ASSERT_NE(folder, nullptr) << "ALCOVE_MODELS names the folder with the models";
    const std::pair<const char*, std::vector<std::string_view>> expected[] = {
        {"smollm2.gguf", {"<|endoftext|>", "<|im_end|>"}},
        {"qwen-draft.gguf", {"<|endoftext|>", "<|im_end|>"}},
        {"gemma3.gguf", {"<eos>", "<end_of_turn>"}}};
    for (const auto& [name, ends] : expected) {
        const auto file = GgufFile::open(std::string(folder) + "/" + name);
        ASSERT_TRUE(file) << file.error().message;
        const auto tokenizer = Tokenizer::load(*file);
        ASSERT_TRUE(tokenizer) << tokenizer.error().message;
        for (std::string_view end : ends) {
            const auto id = (*tokenizer)->idOf(end);
            ASSERT_TRUE(id) << name << ' ' << end;
            EXPECT_TRUE((*tokenizer)->isEndOfGeneration(*id)) << name << ' ' << end;
            EXPECT_EQ((*tokenizer)->pieceBytes(*id), "") << "never shown";
        }
    }
}

}  // namespace
}  // namespace engine
