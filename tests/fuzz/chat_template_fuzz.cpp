// Any bytes as a template, over a small conversation: it ends in a text or an error, soon, and never crashes.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "engine/prompt/chat_template.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    static const engine::TemplateInputs kInputs = [] {
        engine::TemplateInputs inputs;
        inputs.messages = nlohmann::ordered_json::parse(R"([
            {"role": "system", "content": "S"},
            {"role": "user", "content": "Hi <|im_end|> \u00e9\ud83d\ude00"},
            {"role": "assistant", "content": null, "tool_calls": [
                {"id": "1", "function": {"name": "f", "arguments": {"a": [1, 2.5, true, null]}}}]},
            {"role": "tool", "content": [{"type": "text", "text": "t"}]}])");
        inputs.tools = nlohmann::ordered_json::parse(R"([{"function": {"name": "f", "parameters": {}}}])");
        inputs.variables = {{"x", 7}, {"s", "a,b c"}, {"d", {{"k", "v"}}}};
        inputs.bosToken = "<s>";
        inputs.eosToken = "</s>";
        inputs.nowUnix = 1'750'000'000;
        return inputs;
    }();
    const auto parsed = engine::ChatTemplate::parse(std::string(reinterpret_cast<const char*>(data), size));
    if (!parsed) {
        if (parsed.error().message.empty()) std::abort();
        return 0;
    }
    const auto first = parsed->render(kInputs);
    const auto second = parsed->render(kInputs);
    // The same inputs, the same outcome: nothing of a rendering stays behind in the template.
    if (first.has_value() != second.has_value()) std::abort();
    if (first && engine::joinPieces(*first) != engine::joinPieces(*second)) std::abort();
    return 0;
}
