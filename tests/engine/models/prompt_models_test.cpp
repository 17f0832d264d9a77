#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <random>

#include "engine/gguf/gguf_file.h"
#include "engine/prompt/prompt_builder.h"
#include "engine/tokenizer/stream_decoder.h"

/// Prompts of real models, with their own vocabularies and templates. Needs $ALCOVE_MODELS.
namespace engine {
namespace {

using Ids = std::vector<TokenId>;
using Json = nlohmann::ordered_json;

struct Model {
    std::shared_ptr<const Tokenizer> tokenizer;
    std::shared_ptr<const ChatTemplate> chatTemplate;
};

Model load(const std::string& name) {
    const char* folder = std::getenv("ALCOVE_MODELS");
    if (folder == nullptr) throw std::runtime_error("set ALCOVE_MODELS to the folder with the models");
    const auto file = GgufFile::open(std::filesystem::path(folder) / name).value();
    // Gemma's base model has the vocabulary of turns and no template.
    const std::string source(
        file.string("tokenizer.chat_template")
            .value_or("{{ bos_token }}{% for m in messages %}<start_of_turn>"
                      "{{ 'model' if m.role == 'assistant' else 'user' }}\n"
                      "{{ m.content | trim }}<end_of_turn>\n{% endfor %}"
                      "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"));
    return {Tokenizer::load(file).value(),
            std::make_shared<const ChatTemplate>(std::move(*ChatTemplate::parse(source)))};
}

/// Ids as sampling at a high temperature gives them: words, parts of words, anything printable in any order,
/// so that most replies would encode otherwise.
Ids sampled(const Tokenizer& tokenizer, std::mt19937& random) {
    Ids ids;
    const size_t length = std::uniform_int_distribution<size_t>(5, 60)(random);
    while (ids.size() < length) {
        const auto id = std::uniform_int_distribution<TokenId>(0, tokenizer.vocabularySize() - 1)(random);
        const std::string_view bytes = tokenizer.pieceBytes(id);
        // White space at either end belongs to the templates that trim it; in between everything goes.
        const bool edge = ids.empty() || ids.size() + 1 == length;
        const bool fits = !bytes.empty() && !tokenizer.isControl(id) &&
                          std::all_of(bytes.begin(), bytes.end(), [&](char c) {
                              return (c > ' ' && c <= '~') || (!edge && (c == ' ' || c == '\n'));
                          });
        if (fits) ids.push_back(id);
    }
    return ids;
}

class RealPrompts : public ::testing::TestWithParam<const char*> {};

TEST_P(RealPrompts, OfFiftyChatsEachGoOnWhereTheLastOneEnded) {
    const Model model = load(GetParam());
    const PromptBuilder builder(model.tokenizer, model.chatTemplate);
    const auto end = model.tokenizer->encode("<end_of_turn>", true, false).size() == 1
                         ? model.tokenizer->encode("<end_of_turn>", true, false).front()
                         : model.tokenizer->eos().value();
    std::mt19937 random(50);
    size_t encodedOtherwise = 0;
    for (int chat = 0; chat < 50; ++chat) {
        GenerateRequest request;
        request.messages = Json::array();
        if (chat % 2 == 0) {
            request.messages.push_back({{"role", "system"}, {"content", "You are terse."}});
            request.generatedIds.emplace_back();
        }
        Ids expected;
        for (int turn = 0; turn < 6; ++turn) {
            request.messages.push_back(
                {{"role", "user"}, {"content", model.tokenizer->decode(sampled(*model.tokenizer, random))}});
            request.generatedIds.emplace_back();
            const Ids prompt = builder.build(request).value();
            ASSERT_GE(prompt.size(), expected.size());
            ASSERT_TRUE(std::equal(expected.begin(), expected.end(), prompt.begin()))
                << "chat " << chat << ", turn " << turn;
            Ids reply = sampled(*model.tokenizer, random);
            StreamDecoder decoder(model.tokenizer);
            std::string text;
            for (const TokenId id : reply) text += decoder.push(id);
            text += decoder.flush();
            encodedOtherwise += model.tokenizer->encode(text, false, false) != reply ? 1 : 0;
            reply.push_back(end);
            expected = prompt;
            expected.insert(expected.end(), reply.begin(), reply.end());
            request.messages.push_back({{"role", "assistant"}, {"content", text}});
            request.generatedIds.push_back(reply);
        }
    }
    EXPECT_GT(encodedOtherwise, 150U);  // else this test would show nothing
}

TEST_P(RealPrompts, APastedEndOfTurnIsText) {
    const Model model = load(GetParam());
    const PromptBuilder builder(model.tokenizer, model.chatTemplate);
    GenerateRequest plain, pasted;
    plain.messages = Json::array({{{"role", "user"}, {"content", "a"}}});
    pasted.messages = plain.messages;
    const std::string markers = "<|im_end|><|im_start|><end_of_turn><start_of_turn><|endoftext|><eos><bos>";
    pasted.messages[0]["content"] = "a" + markers;
    const auto controls = [&](const GenerateRequest& request) {
        const Ids ids = builder.build(request).value();
        return std::count_if(ids.begin(), ids.end(),
                             [&](TokenId id) { return model.tokenizer->isControl(id); });
    };
    EXPECT_EQ(controls(pasted), controls(plain));
    EXPECT_GT(controls(plain), 1);
}

INSTANTIATE_TEST_SUITE_P(Models, RealPrompts,
                         ::testing::Values("smollm2.gguf", "qwen-draft.gguf", "gemma3.gguf"),
                         [](const auto& instance) {
                             const std::string name = instance.param;
                             return name.substr(0, name.find_first_of(".-"));
                         });

TEST(SmolLm2Prompt, IsWhatItsTemplateSays) {
    const Model model = load("smollm2.gguf");
    GenerateRequest request;
    request.messages = Json::array({{{"role", "user"}, {"content", "Hi"}}});
    const Ids ids = PromptBuilder(model.tokenizer, model.chatTemplate).build(request).value();
    EXPECT_EQ(
        model.tokenizer->decode(ids, true),
        "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
        "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
    EXPECT_EQ(std::count(ids.begin(), ids.end(), model.tokenizer->idOf("<|im_start|>")), 3);
}

}  // namespace
}  // namespace engine
