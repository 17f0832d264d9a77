#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "app/cli/cli.h"

namespace cli {
namespace {

struct ScoreOptions {
    CommonOptions common;
    std::string file, ids;
    int rows = 0;
    bool decode = false;
};

void runScore(const ScoreOptions& options) {
    if (options.file.empty() == options.ids.empty()) usageError("give exactly one of --file and --ids");
    engine::EngineOptions engineOptions = options.common.engineOptions();
    engineOptions.maxLogitRows = 128;
    const auto engine = loadEngine(engineOptions);
    std::vector<engine::TokenId> ids;
    if (!options.file.empty()) {
        ids = engine->tokenizer().encode(readFile(options.file), true, true);
    } else {
        const auto json = nlohmann::json::parse(options.ids, nullptr, false);
        if (!json.is_array() ||
            !std::all_of(json.begin(), json.end(), [](const auto& id) { return id.is_number_integer(); }))
            usageError("--ids takes a JSON array of whole numbers, such as [1,2,3]");
        ids = json.get<std::vector<engine::TokenId>>();
    }
    const engine::Engine::Score score = valueOr(
        engine->score(ids, options.rows,
                      options.decode ? engine::Engine::ScoreRows::Reply : engine::Engine::ScoreRows::Prompt));
    const double mean = score.nll.empty() ? 0.0
                                          : std::accumulate(score.nll.begin(), score.nll.end(), 0.0) /
                                                static_cast<double>(score.nll.size());
    const nlohmann::ordered_json out{
        {"ids", ids}, {"nll", score.nll}, {"mean_nll", mean}, {"top1", score.likeliest}};
    fmt::print("{}\n", out.dump());
}

}  // namespace

void addScore(CLI::App& app) {
    auto options = std::make_shared<ScoreOptions>();
    CLI::App* verb = app.add_subcommand("score", "Log-likelihood of a text, token by token");
    options->common.addDevice(*verb);
    verb->add_option("--file", options->file, "The text; BOS is added when the model asks for it")
        ->type_name("F");
    verb->add_option("--ids", options->ids, "A JSON array of ids, taken as they are");
    verb->add_option("--compute", options->common.compute, "int8, or float for exact weights and activations")
        ->check(CLI::IsMember({"int8", "float"}));
    verb->add_option("--rows", options->rows, "Feed so many tokens at a time")->check(CLI::PositiveNumber);
    verb->add_flag("--decode", options->decode,
                   "Compute them as a reply's tokens: a GPU has other kernels for those");
    verb->callback([options] { runScore(*options); });
}

}  // namespace cli
