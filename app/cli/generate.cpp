#include <fmt/format.h>

#include <fstream>
#include <map>
#include <utility>

#include "app/cli/prompt_options.h"

namespace cli {
namespace {

struct GenerateOptions {
    CommonOptions common;
    PromptOptions prompt;
    std::string prompts, stats;
    int parallel = 1;
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

/// The lines of --prompts, so many at a time; their answers in the lines' order, each as soon as those before
/// it are there. A request that fails is its line's `error`, and the other lines still run.
class PromptRun {
  public:
    PromptRun(engine::Engine& engine, const GenerateOptions& options,
              const std::vector<nlohmann::ordered_json>& lines)
        : engine_(engine), options_(options), lines_(lines), answers_(lines.size()) {}

    /// How many failed.
    size_t run() {
        const auto atOnce = static_cast<size_t>(options_.parallel);
        while (written_ < lines_.size()) {
            while (next_ < lines_.size() && running_.size() < atOnce) submit();
            engine_.step();
            for (const engine::EngineEvent& event : engine_.takeEvents()) take(event);
            for (; written_ < lines_.size() && !answers_[written_].is_null(); ++written_)
                write(oneLine(std::exchange(answers_[written_], nullptr)) + "\n");
        }
        return failed_;
    }

  private:
    struct Running {
        size_t line;
        Completion completion;
    };

    void submit() {
        const engine::RequestId id = engine_.submit(options_.prompt.with(lines_[next_]).request());
        running_[id].line = next_++;
    }

    void take(const engine::EngineEvent& event) {
        if (const auto* delta = std::get_if<engine::TextDelta>(&event)) {
            Completion& completion = running_.at(delta->id).completion;
            completion.text += delta->text;
            completion.ids.insert(completion.ids.end(), delta->ids.begin(), delta->ids.end());
        } else if (const auto* finished = std::get_if<engine::Finished>(&event)) {
            const Completion& completion = running_.at(finished->id).completion;
            nlohmann::ordered_json answer{{"text", completion.text}, {"ids", completion.ids}};
            answer.update(statsJson(finished->stats, finished->reason, engine_.stats()));
            end(finished->id, answer);
        } else if (const auto* failure = std::get_if<engine::Failed>(&event)) {
            ++failed_;
            end(failure->id, {{"error", failure->error.message}});
        }
    }

    void end(engine::RequestId id, const nlohmann::ordered_json& answer) {
        const size_t line = running_.at(id).line;
        running_.erase(id);
        nlohmann::ordered_json& out = answers_[line] = nlohmann::ordered_json::object();
        if (lines_[line].contains("id")) out["id"] = lines_[line]["id"];
        out.update(answer);
    }

    engine::Engine& engine_;
    const GenerateOptions& options_;
    const std::vector<nlohmann::ordered_json>& lines_;
    std::vector<nlohmann::ordered_json> answers_;  ///< null: none yet, or written
    std::map<engine::RequestId, Running> running_;
    size_t next_ = 0, written_ = 0, failed_ = 0;
};

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
    if (const size_t failed = PromptRun(*engine, options, lines).run(); failed > 0)
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
    verb->add_option("--parallel", options->parallel, "Lines of --prompts that are answered at a time")
        ->check(CLI::Range(1, 4096));
    options->prompt.addSampling(*verb);
    options->prompt.speculation.add(*verb);
    verb->add_option("--stats", options->stats, "Write the run's figures to this file")->type_name("F.json");
    verb->callback([options] { runGenerate(*options); });
}

}  // namespace cli
