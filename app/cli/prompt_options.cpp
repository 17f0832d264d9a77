#include "app/cli/prompt_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace cli {
namespace {

using Json = nlohmann::ordered_json;

template <class T>
void assign(T& to, const std::string& name, const Json& value) {
    try {
        to = value.get<T>();
    } catch (const nlohmann::json::exception&) {
        usageError(fmt::format("--prompts: '{}' cannot be {}", name, value.dump()));
    }
}

void assign(std::optional<std::string>& to, const std::string& name, const Json& value) {
    assign(to.emplace(), name, value);
}

}  // namespace

void PromptOptions::addText(CLI::App& verb) {
    verb.add_option("--prompt", prompt, "The text");
    verb.add_option("--prompt-file", promptFile, "A file with the text")->type_name("F");
    verb.add_option("--messages", messagesFile, "A JSON array of messages")->type_name("F.json");
    verb.add_option("--system", system, "A system message before the prompt");
    verb.add_flag("--raw", raw, "Send the text as it stands, with no chat template");
}

void PromptOptions::addSampling(CLI::App& verb) {
    verb.add_option("-n", newTokens, "New tokens at most (default: to the end of the context)")
        ->check(CLI::Range(-1, 1 << 30));
    verb.add_option("--temp", temperature, "Temperature; 0 takes the likeliest token")
        ->check(CLI::NonNegativeNumber);
    verb.add_option("--top-k", topK, "Draw from the K likeliest tokens")->check(CLI::NonNegativeNumber);
    verb.add_option("--top-p", topP, "Draw from the likeliest tokens that have this much probability")
        ->check(CLI::Range(0.0, 1.0));
    verb.add_option("--min-p", minP, "Draw from tokens at least this likely, relative to the likeliest")
        ->check(CLI::Range(0.0, 1.0));
    verb.add_option("--repeat-penalty", repeatPenalty, "Divides positive logits of tokens in the window")
        ->check(CLI::PositiveNumber);
    verb.add_option("--presence-penalty", presencePenalty, "Subtracted from logits of tokens in the window");
    verb.add_option("--penalty-window", penaltyWindow, "Tokens looked back for penalties; -1 for all")
        ->check(CLI::Range(-1, 1 << 30));
    verb.add_option("--seed", seed, "Seed of the draws");
    verb.add_option("--stop", stop, "End before this text (may be given more than once)")
        ->allow_extra_args(false);
    verb.add_flag("--ignore-eos", ignoreEos, "Go on past the model's end tokens");
}

engine::SamplingParams PromptOptions::sampling() const {
    return {temperature,     topK,          topP, minP, repeatPenalty,
            presencePenalty, penaltyWindow, seed, stop, ignoreEos};
}

engine::GenerateRequest PromptOptions::request() const {
    const int given = (prompt ? 1 : 0) + (promptFile ? 1 : 0) + (messagesFile || messages ? 1 : 0);
    if (given != 1) usageError("give exactly one of --prompt, --prompt-file and --messages");
    engine::GenerateRequest request;
    request.maxNewTokens = newTokens;
    request.sampling = sampling();
    request.speculate = speculation.mode();
    if (messages || messagesFile) {
        if (raw) usageError("--raw takes text, not --messages");
        request.messages = messages ? *messages : readJson(*messagesFile);
        if (!request.messages.is_array()) usageError("--messages takes a JSON array of messages");
        if (system)
            request.messages.insert(request.messages.begin(), Json{{"role", "system"}, {"content", *system}});
        return request;
    }
    std::string text = prompt ? *prompt : readFile(*promptFile);
    if (raw) {
        if (system) usageError("--raw sends the text as it stands; it cannot be used with --system");
        request.prompt = std::move(text);
        return request;
    }
    request.messages = Json::array();
    if (system) request.messages.push_back({{"role", "system"}, {"content", *system}});
    request.messages.push_back({{"role", "user"}, {"content", std::move(text)}});
    return request;
}

PromptOptions PromptOptions::with(const Json& line) const {
    if (!line.is_object()) usageError("--prompts: every line must be a JSON object");
    PromptOptions own = *this;
    for (const auto& [key, value] : line.items()) {
        std::string name = key.substr(std::min(key.size(), key.find_first_not_of('-')));
        std::ranges::replace(name, '_', '-');
        if (name == "prompt")
            assign(own.prompt, name, value);
        else if (name == "prompt-file")
            assign(own.promptFile, name, value);
        else if (name == "messages" && value.is_array())
            own.messages = value;
        else if (name == "messages")
            assign(own.messagesFile, name, value);
        else if (name == "system")
            assign(own.system, name, value);
        else if (name == "raw")
            assign(own.raw, name, value);
        else if (name == "n")
            assign(own.newTokens, name, value);
        else if (name == "temp")
            assign(own.temperature, name, value);
        else if (name == "top-k")
            assign(own.topK, name, value);
        else if (name == "top-p")
            assign(own.topP, name, value);
        else if (name == "min-p")
            assign(own.minP, name, value);
        else if (name == "repeat-penalty")
            assign(own.repeatPenalty, name, value);
        else if (name == "presence-penalty")
            assign(own.presencePenalty, name, value);
        else if (name == "penalty-window")
            assign(own.penaltyWindow, name, value);
        else if (name == "seed")
            assign(own.seed, name, value);
        else if (name == "stop" && value.is_string())
            own.stop = {value.get<std::string>()};
        else if (name == "stop")
            assign(own.stop, name, value);
        else if (name == "ignore-eos")
            assign(own.ignoreEos, name, value);
        else if (name == "speculate")
            assign(own.speculation.speculate, name, value);
        else if (name == "draft" && value != speculation.draft)
            usageError("--prompts: all lines share one process, so --draft stands on the command line only");
        else if (name != "id" && name != "draft")
            usageError(fmt::format("--prompts: there is no option '{}'", key));
    }
    return own;
}

}  // namespace cli
