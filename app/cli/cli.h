#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/error.h"
#include "engine/runtime/engine.h"

/// alcove-cli: the engine on the command line. Results go to standard output, one line about a failure to
/// standard error. Exit status: 0 success, 2 usage, 1 anything else.
namespace cli {

/// A failure to report: thrown by verbs, printed as one line by main.
struct Failure {
    int status = 1;
    std::string message;
};

[[noreturn]] void failWith(const engine::Error& error);
[[noreturn]] void usageError(const std::string& message);

/// The value, or the error as a Failure.
template <class T>
T valueOr(engine::Result<T> result) {
    if (!result) failWith(result.error());
    return std::move(*result);
}

/// Options that every verb that runs a model has.
struct CommonOptions {
    std::string model;
    std::string device = "best";
    int threads = 0;
    int context = 0;
    std::string kvType = "f16";
    size_t kvBytes = 0;
    std::string compute = "int8";

    void addModel(CLI::App& verb);
    void addDevice(CLI::App& verb);
    engine::EngineOptions engineOptions() const;
    std::unique_ptr<engine::Engine> load() const;
};

/// Loads, with progress on standard error when that is a terminal.
std::unique_ptr<engine::Engine> loadEngine(const engine::EngineOptions& options);

/// --draft and --speculate, for the verbs that generate.
struct SpeculationOptions {
    std::string speculate = "auto", draft;

    void add(CLI::App& verb);
    engine::SpeculationMode mode() const;
    /// Usage error for `draft` with no draft model.
    void applyTo(engine::EngineOptions& options) const;
};

/// MODEL as a path, or as the name of a file (with or without .gguf) in the folder where Alcove keeps its
/// models.
std::filesystem::path modelPath(const std::string& model);

std::string readFile(const std::string& path);
nlohmann::ordered_json readJson(const std::string& path);
/// The figures of --stats, and a few more.
nlohmann::ordered_json statsJson(const engine::RequestStats& stats, engine::FinishReason reason,
                                 const engine::EngineStats& engineStats);
/// JSON on one line; bytes that are not UTF-8 come out as U+FFFD.
std::string oneLine(const nlohmann::ordered_json& json);

/// The end of one request's events, with its text passed on as it comes.
struct Completion {
    std::string text;
    std::vector<engine::TokenId> ids;
    engine::FinishReason reason = engine::FinishReason::Failed;
    engine::RequestStats stats;
};

/// Steps the engine until the request has ended. `show` gets each piece of text, `stopped` is asked before
/// every step: true cancels. Either may be empty. A failed request is the error.
engine::Result<Completion> runRequest(engine::Engine& engine, engine::GenerateRequest request,
                                      const std::function<void(const std::string&)>& show,
                                      const std::function<bool()>& stopped = {});

void addInfo(CLI::App& app);
void addTokenize(CLI::App& app);
void addDetokenize(CLI::App& app);
void addTemplate(CLI::App& app);
void addGenerate(CLI::App& app);
void addChat(CLI::App& app);
void addScore(CLI::App& app);
void addBench(CLI::App& app);
void addServeTrace(CLI::App& app);

}  // namespace cli
