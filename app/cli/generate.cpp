#include <fmt/format.h>

#include <fstream>

#include "app/cli/prompt_options.h"

namespace cli {
namespace {

struct GenerateOptions {
    CommonOptions common;
    PromptOptions prompt;
    std::string prompts, stats;
};

std::unique_ptr<engine::Engine> load(const GenerateOptions& options) {
    engine::EngineOptions engineOptions = options.common.engineOptions();
    options.prompt.speculation.applyTo(engineOptions);
    return loadEngine(engineOptions);
}

void write(const std::string& text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
}

/// One line's answer. A request that fails is its line's `error`, and the next lines still run; false says
/// that it did.
bool runLine(engine::Engine& engine, const PromptOptions& prompt, const nlohmann::ordered_json& line) {
    const auto completion = runRequest(engine, prompt.with(line).request(), {});
    nlohmann::ordered_json out;
    if (line.contains("id")) out["id"] = line["id"];
    if (completion) {
        out["text"] = completion->text;
        out["ids"] = completion->ids;
        out.update(statsJson(completion->stats, completion->reason, engine.stats()));
    } else {
        out["error"] = completion.error().message;
    }
    write(oneLine(out) + "\n");
    return completion.has_value();
}

void runPrompts(const GenerateOptions& options) {
    std::ifstream file(options.prompts);
    if (!file)
        throw Failure{
            1, fmt::format("the file '{}' cannot be read; check its name and permissions", options.prompts)};
    std::vector<nlohmann::ordered_json> lines;
    for (std::string text; std::getline(file, text);) {
        if (text.find_first_not_of(" \t\r") == std::string::npos) continue;
        lines.push_back(nlohmann::ordered_json::parse(text, nullptr, false));
        if (lines.back().is_discarded())
            usageError(
                fmt::format("--prompts: line {} of '{}' is not valid JSON", lines.size(), options.prompts));
    }
    const auto engine = load(options);
    size_t failed = 0;
    for (const auto& line : lines) failed += runLine(*engine, options.prompt, line) ? 0 : 1;
    if (failed > 0)
        throw Failure{1, fmt::format("{} of {} prompts failed; their lines say why", failed, lines.size())};
}

void writeStats(const std::string& path, const Completion& completion, const engine::Engine& engine) {
    std::ofstream file(path);
    file << statsJson(completion.stats, completion.reason, engine.stats()).dump(2) << '\n';
    if (!file.flush())
        throw Failure{1,
                      fmt::format("the file '{}' cannot be written; check its folder and permissions", path)};
}

void runGenerate(const GenerateOptions& options) {
    if (!options.prompts.empty()) {
        if (!options.stats.empty())
            usageError("--prompts prints the figures in each line; leave --stats out");
        return runPrompts(options);
    }
    engine::GenerateRequest request = options.prompt.request();
    const auto engine = load(options);
    const Completion completion = valueOr(runRequest(*engine, std::move(request), write));
    if (!options.stats.empty()) writeStats(options.stats, completion, *engine);
}

}  // namespace

void addGenerate(CLI::App& app) {
    auto options = std::make_shared<GenerateOptions>();
    CLI::App* verb = app.add_subcommand("generate", "One completion, streamed");
    options->common.addDevice(*verb);
    options->prompt.addText(*verb);
    verb->add_option("--prompts", options->prompts,
                     "JSON lines {\"prompt\": …} with any of these options by name, run one after another")
        ->type_name("F.jsonl");
    options->prompt.addSampling(*verb);
    options->prompt.speculation.add(*verb);
    verb->add_option("--stats", options->stats, "Write the run's figures to this file")->type_name("F.json");
    verb->callback([options] { runGenerate(*options); });
}

}  // namespace cli
