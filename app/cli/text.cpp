// The verbs that need no model weights: tokenize, detokenize, template.
#include <fmt/format.h>

#include "app/cli/cli.h"
#include "engine/gguf/gguf_file.h"
#include "engine/prompt/chat_template.h"
#include "engine/tokenizer/tokenizer.h"

namespace cli {
namespace {

std::shared_ptr<const engine::Tokenizer> loadTokenizer(const std::string& model) {
    return valueOr(engine::Tokenizer::load(valueOr(engine::GgufFile::open(modelPath(model)))));
}

struct TextOptions {
    std::string model, file, ids;
    bool noSpecial = false, noBos = false;
};

struct TemplateOptions {
    std::string model, messages, templateFile, tools, variables;
    std::optional<std::string> bos, eos;
    std::optional<int64_t> now;
    bool noGenerationPrompt = false;
};

void renderTemplate(const TemplateOptions& options) {
    engine::TemplateInputs inputs;
    std::string source;
    if (options.model != "-") {
        const auto file = valueOr(engine::GgufFile::open(modelPath(options.model)));
        const auto tokenizer = valueOr(engine::Tokenizer::load(file));
        if (tokenizer->bos()) inputs.bosToken = tokenizer->tokenText(*tokenizer->bos());
        if (tokenizer->eos()) inputs.eosToken = tokenizer->tokenText(*tokenizer->eos());
        source = file.string("tokenizer.chat_template").value_or("");
        if (source.empty() && options.templateFile.empty())
            throw Failure{1, fmt::format("the model '{}' has no chat template; give one with "
                                         "--template-file, or use --raw to generate",
                                         options.model)};
    } else if (options.templateFile.empty()) {
        usageError("'-' in place of a model needs --template-file");
    }
    if (!options.templateFile.empty()) source = readFile(options.templateFile);
    inputs.messages = readJson(options.messages);
    inputs.addGenerationPrompt = !options.noGenerationPrompt;
    if (!options.tools.empty()) inputs.tools = readJson(options.tools);
    if (!options.variables.empty()) inputs.variables = readJson(options.variables);
    if (options.bos) inputs.bosToken = *options.bos;
    if (options.eos) inputs.eosToken = *options.eos;
    inputs.nowUnix = options.now;
    const auto chatTemplate = valueOr(engine::ChatTemplate::parse(std::move(source)));
    fmt::print("{}", engine::joinPieces(valueOr(chatTemplate.render(inputs))));
}

}  // namespace

void addTokenize(CLI::App& app) {
    auto options = std::make_shared<TextOptions>();
    CLI::App* verb = app.add_subcommand("tokenize", "Text to token ids, as one JSON array");
    verb->add_option("model", options->model, "A model or a vocabulary-only GGUF file")
        ->required()
        ->type_name("MODEL");
    verb->add_option("--file", options->file, "The text")->required()->type_name("F");
    verb->add_flag("--no-special", options->noSpecial, "Special tokens in the text are text like any other");
    verb->add_flag("--no-bos", options->noBos, "No beginning-of-text token, even if the model asks for it");
    verb->callback([options] {
        const auto ids = loadTokenizer(options->model)
                             ->encode(readFile(options->file), !options->noSpecial, !options->noBos);
        fmt::print("{}\n", nlohmann::json(ids).dump());
    });
}

void addDetokenize(CLI::App& app) {
    auto options = std::make_shared<TextOptions>();
    CLI::App* verb = app.add_subcommand("detokenize", "Token ids to text");
    verb->add_option("model", options->model, "A model or a vocabulary-only GGUF file")
        ->required()
        ->type_name("MODEL");
    verb->add_option("--ids", options->ids, "A JSON array of ids")->required();
    verb->callback([options] {
        const auto json = nlohmann::json::parse(options->ids, nullptr, false);
        if (!json.is_array() ||
            !std::all_of(json.begin(), json.end(), [](const auto& id) { return id.is_number_integer(); }))
            usageError("--ids takes a JSON array of whole numbers, such as [1,2,3]");
        const auto tokenizer = loadTokenizer(options->model);
        std::vector<engine::TokenId> ids;
        for (const auto& id : json) {
            // Unsigned first: a number over 2^63 would come out negative, or small, of any signed type.
            const bool fits = id.is_number_unsigned() &&
                              id.get<uint64_t>() < static_cast<uint64_t>(tokenizer->vocabularySize());
            if (!fits)
                throw Failure{1,
                              fmt::format("--ids: {} is no id of the vocabulary of '{}', which has {} tokens",
                                          id.dump(), options->model, tokenizer->vocabularySize())};
            ids.push_back(id.get<engine::TokenId>());
        }
        const std::string text = tokenizer->decode(ids, true);
        std::fwrite(text.data(), 1, text.size(), stdout);
    });
}

void addTemplate(CLI::App& app) {
    auto options = std::make_shared<TemplateOptions>();
    CLI::App* verb = app.add_subcommand("template", "The prompt that a chat template makes of messages");
    verb->add_option("model", options->model, "A model, or - when a template file is given")
        ->required()
        ->type_name("MODEL");
    verb->add_option("--messages", options->messages, "JSON array of messages")
        ->required()
        ->type_name("F.json");
    verb->add_option("--template-file", options->templateFile, "A Jinja template in place of the model's own")
        ->type_name("T.jinja");
    verb->add_flag("--no-generation-prompt", options->noGenerationPrompt, "Do not begin the reply's turn");
    verb->add_option("--tools", options->tools, "JSON array of tools (undefined unless given)")
        ->type_name("F.json");
    verb->add_option("--vars", options->variables, "JSON object of further variables")->type_name("F.json");
    verb->add_option("--bos", options->bos, "bos_token in place of the model's");
    verb->add_option("--eos", options->eos, "eos_token in place of the model's");
    verb->add_option("--now", options->now, "Unix time that strftime_now sees");
    verb->callback([options] { renderTemplate(*options); });
}

}  // namespace cli
