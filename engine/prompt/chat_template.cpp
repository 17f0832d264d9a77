#include "engine/prompt/chat_template.h"

#include <algorithm>

#include "engine/prompt/jinja/dict.h"
#include "engine/prompt/jinja/interpreter.h"
#include "engine/prompt/jinja/parser.h"

namespace engine {

struct ChatTemplate::Program {
    jinja::Program parsed;
};

namespace {

using jinja::Origin;
using jinja::Value;
using Json = nlohmann::ordered_json;

Value fromJson(const Json& json, int depth = 0, Origin origin = Origin::Data) {
    if (depth > jinja::kMaxValueDepth) jinja::raise("the messages nest too deeply");
    switch (json.type()) {
        case Json::value_t::boolean:
            return Value::boolean(json.get<bool>());
        case Json::value_t::number_integer:
            return Value::integer(json.get<int64_t>());
        case Json::value_t::number_unsigned:
            return Value::integer(json.get<uint64_t>());
        case Json::value_t::number_float:
            return Value::number(json.get<double>());
        case Json::value_t::string:
            return Value::string(json.get_ref<const std::string&>(), origin);
        case Json::value_t::array: {
            std::vector<Value> items;
            items.reserve(json.size());
            for (const Json& item : json) items.push_back(fromJson(item, depth + 1, origin));
            return Value::list(std::move(items));
        }
        case Json::value_t::object: {
            jinja::Dict dict;
            for (const auto& entry : json.items())
                dict.set(Value::string(entry.key(), origin), fromJson(entry.value(), depth + 1, origin));
            return Value::dict(std::move(dict));
        }
        default:
            return {};
    }
}

/// A role is the application's word for who speaks, and templates build turn markers of it (`<|` + role +
/// `|>`). It counts as the template's own text as long as no marker can hide in it.
bool isPlainWord(const std::string& text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
               c == '-';
    });
}

Value messagesFromJson(const Json& messages) {
    if (!messages.is_array()) return fromJson(messages);
    std::vector<Value> items;
    items.reserve(messages.size());
    for (const Json& message : messages) {
        const Origin origin = jinja::messageOrigin(items.size());
        if (!message.is_object()) {
            items.push_back(fromJson(message, 1, origin));
            continue;
        }
        jinja::Dict dict;
        for (const auto& entry : message.items()) {
            const bool role = entry.key() == "role" && entry.value().is_string() &&
                              isPlainWord(entry.value().get_ref<const std::string&>());
            dict.set(Value::string(entry.key(), Origin::Data),
                     role ? Value::string(entry.value().get<std::string>(), Origin::Template)
                          : fromJson(entry.value(), 2, origin));
        }
        items.push_back(Value::dict(std::move(dict)));
    }
    return Value::list(std::move(items));
}

/// Only variables that the template names are converted.
jinja::ScopeRef scopeOf(const TemplateInputs& inputs, const std::vector<std::string>& names) {
    auto scope = std::make_shared<jinja::Scope>();
    for (size_t id = 0; id < names.size(); ++id) {
        const std::string& name = names[id];
        const auto set = [&](Value value) { scope->set(static_cast<jinja::NameId>(id), std::move(value)); };
        if (inputs.variables.is_object() && inputs.variables.contains(name))
            set(fromJson(inputs.variables[name]));
        else if (name == "messages")
            set(messagesFromJson(inputs.messages));
        else if (name == "add_generation_prompt")
            set(Value::boolean(inputs.addGenerationPrompt));
        else if (name == "tools" && inputs.tools)
            set(fromJson(*inputs.tools));
        else if (name == "bos_token")
            set(Value::string(inputs.bosToken, Origin::Template));
        else if (name == "eos_token")
            set(Value::string(inputs.eosToken, Origin::Template));
    }
    return scope;
}

std::vector<RenderedPiece> piecesOf(const jinja::Text& text) {
    std::vector<RenderedPiece> pieces;
    size_t begin = 0;
    for (const auto& run : text.runs()) {
        pieces.push_back({text.bytes().substr(begin, run.end - begin), run.origin == Origin::Template,
                          jinja::messageOf(run.origin)});
        begin = run.end;
    }
    return pieces;
}

}  // namespace

ChatTemplate::ChatTemplate(std::unique_ptr<Program> program) : program_(std::move(program)) {}
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;
ChatTemplate::~ChatTemplate() = default;

Result<ChatTemplate> ChatTemplate::parse(std::string source) try {
    return ChatTemplate(std::make_unique<Program>(Program{jinja::parseTemplate(source)}));
} catch (const jinja::TemplateError& error) {
    return fail(ErrorCode::InvalidArgument, "the chat template cannot be read: {}", error.message);
}

Result<std::vector<RenderedPiece>> ChatTemplate::render(const TemplateInputs& inputs) const try {
    jinja::Runtime runtime(inputs.nowUnix);
    jinja::Interpreter interpreter(program_->parsed, runtime);
    return piecesOf(interpreter.run(scopeOf(inputs, program_->parsed.names.all())));
} catch (const jinja::TemplateError& error) {
    return fail(ErrorCode::InvalidArgument, "{}", error.message);
}

std::string joinPieces(const std::vector<RenderedPiece>& pieces) {
    std::string text;
    for (const RenderedPiece& piece : pieces) text += piece.text;
    return text;
}

}  // namespace engine
