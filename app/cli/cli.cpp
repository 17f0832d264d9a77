#include "app/cli/cli.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>

namespace cli {

void failWith(const engine::Error& error) {
    throw Failure{1, error.message};
}
void usageError(const std::string& message) {
    throw Failure{2, message};
}

std::filesystem::path modelPath(const std::string& model) {
    namespace fs = std::filesystem;
    std::error_code ignored;  // what cannot be looked at is not there
    if (fs::exists(model, ignored)) return model;
    const char* data = std::getenv("XDG_DATA_HOME");
    const char* home = std::getenv("HOME");
    const fs::path folder =
        (data != nullptr && *data != '\0' ? fs::path(data)
                                          : fs::path(home != nullptr ? home : ".") / ".local/share") /
        "alcove/models";
    for (const fs::path& candidate : {folder / model, folder / (model + ".gguf")})
        if (fs::exists(candidate, ignored)) return candidate;
    throw Failure{
        1, fmt::format("there is no model '{}', neither as a path nor in {}; give the path of a .gguf file",
                       model, folder.string())};
}

std::string readFile(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::string content;
    std::array<char, size_t{1} << 16> part;
    while (file.read(part.data(), part.size()) || file.gcount() > 0)
        content.append(part.data(), static_cast<size_t>(file.gcount()));
    if (!file.is_open() || file.bad())
        throw Failure{1, fmt::format("the file '{}' cannot be read; check its name and permissions", path)};
    return content;
}

nlohmann::ordered_json readJson(const std::string& path) {
    auto json = nlohmann::ordered_json::parse(readFile(path), nullptr, false);
    if (json.is_discarded()) throw Failure{1, fmt::format("the file '{}' is not valid JSON", path)};
    return json;
}

void CommonOptions::addModel(CLI::App& verb) {
    verb.add_option("model", model, "Path of a GGUF file, or the name of an installed model")
        ->required()
        ->type_name("MODEL");
}

void CommonOptions::addDevice(CLI::App& verb) {
    addModel(verb);
    verb.add_option("--device", device, "cpu or cuda (default: the best there is)")
        ->check(CLI::IsMember({"cpu", "cuda", "best"}));
    verb.add_option("--threads", threads, "CPU threads (default: one a core)")->check(CLI::Range(1, 1024));
    verb.add_option("--context", context,
                    "Tokens of one conversation (default: the model's, as far as memory goes)")
        ->check(CLI::Range(16, 1 << 24));
    verb.add_option("--kv-type", kvType, "How keys and values are kept: f16, q8_0 or q4_0")
        ->check(CLI::IsMember({"f16", "q8_0", "q4_0"}));
    verb.add_option("--kv-bytes", kvBytes, "Bound of the device memory for keys and values");
}

engine::EngineOptions CommonOptions::engineOptions() const {
    engine::EngineOptions options;
    options.model = modelPath(model);
    options.device = device == "cpu"    ? engine::DeviceChoice::Cpu
                     : device == "cuda" ? engine::DeviceChoice::Cuda
                                        : engine::DeviceChoice::Best;
    options.threads = threads;
    options.contextTokens = context;
    options.kvType = kvType == "q8_0"   ? engine::KvType::Q8_0
                     : kvType == "q4_0" ? engine::KvType::Q4_0
                                        : engine::KvType::F16;
    options.kvBytes = kvBytes;
    options.compute = compute == "float" ? engine::ComputeChoice::Float : engine::ComputeChoice::Int8;
    return options;
}

std::unique_ptr<engine::Engine> CommonOptions::load() const {
    return loadEngine(engineOptions());
}

std::unique_ptr<engine::Engine> loadEngine(const engine::EngineOptions& options) {
    const bool terminal = isatty(STDERR_FILENO) != 0;
    const engine::LoadProgress progress = [terminal](size_t done, size_t total) {
        if (terminal) fmt::print(stderr, "\rloading {} %", total > 0 ? done * 100 / total : 100);
        return true;
    };
    auto engine = engine::Engine::load(options, progress);
    if (terminal) fmt::print(stderr, "\r\x1b[K");
    return valueOr(std::move(engine));
}

void SpeculationOptions::add(CLI::App& verb) {
    verb.add_option("--draft", draft, "A smaller model of the same vocabulary that guesses ahead")
        ->type_name("MODEL");
    verb.add_option("--speculate", speculate,
                    "Guess ahead: off, ngram, draft or auto (when it is faster). Never changes the text")
        ->check(CLI::IsMember({"off", "ngram", "draft", "auto"}));
}

engine::SpeculationMode SpeculationOptions::mode() const {
    const auto mode = engine::speculationMode(speculate);
    if (!mode) usageError(fmt::format("--speculate takes off, ngram, draft or auto, not '{}'", speculate));
    return *mode;
}

void SpeculationOptions::applyTo(engine::EngineOptions& options) const {
    options.speculate = mode();
    if (!draft.empty()) options.draftModel = modelPath(draft);
    if (options.speculate == engine::SpeculationMode::Draft && draft.empty())
        usageError("--speculate draft needs a draft model; give one with --draft");
}

std::string oneLine(const nlohmann::ordered_json& json) {
    return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

nlohmann::ordered_json statsJson(const engine::RequestStats& stats, engine::FinishReason reason,
                                 const engine::EngineStats& engineStats) {
    return {{"prompt_tokens", stats.promptTokens},
            {"cached_tokens", stats.cachedTokens},
            {"prefill_tokens", stats.prefillTokens},
            {"rewritten_replies", stats.rewrittenReplies},
            {"new_tokens", stats.newTokens},
            {"finish", engine::toString(reason)},
            {"queue_ms", stats.queueMillis},
            {"ttft_ms", stats.ttftMillis},
            {"prefill_tok_s", stats.prefillTokensPerSecond},
            {"decode_tok_s", stats.decodeTokensPerSecond},
            {"drafted_tokens", stats.draftedTokens},
            {"accepted_tokens", stats.acceptedTokens},
            {"speculation_gain", stats.speculationGain},
            {"device", engineStats.device},
            {"planned_device_bytes", engineStats.plannedDeviceBytes},
            {"peak_device_bytes", engineStats.peakDeviceBytes},
            {"load_ms", engineStats.loadMillis},
            {"weights_ms", engineStats.weightsMillis},
            {"kv_blocks_used", stats.kvBlocks},
            {"kv_blocks_total", engineStats.kvBlocksTotal},
            {"kv_blocks_cached", engineStats.kvBlocksCached},
            {"host_blocks", engineStats.hostBlocks},
            {"disk_blocks", engineStats.diskBlocks},
            {"tokens_saved", engineStats.cachedTokens},
            {"hit_rate", engineStats.hitRate()},
            {"itl_p50_ms", engineStats.itlP50Millis},
            {"itl_p99_ms", engineStats.itlP99Millis}};
}

engine::Result<Completion> runRequest(engine::Engine& engine, engine::GenerateRequest request,
                                      const std::function<void(const std::string&)>& show,
                                      const std::function<bool()>& stopped) {
    const engine::RequestId id = engine.submit(std::move(request));
    Completion completion;
    for (;;) {
        if (stopped && stopped()) engine.cancel(id);
        engine.step();
        for (const engine::EngineEvent& event : engine.takeEvents()) {
            if (const auto* delta = std::get_if<engine::TextDelta>(&event)) {
                completion.text += delta->text;
                completion.ids.insert(completion.ids.end(), delta->ids.begin(), delta->ids.end());
                if (show) show(delta->text);
            } else if (const auto* finished = std::get_if<engine::Finished>(&event)) {
                completion.reason = finished->reason;
                completion.stats = finished->stats;
                return completion;
            } else if (const auto* failed = std::get_if<engine::Failed>(&event)) {
                return tl::unexpected<engine::Error>(failed->error);
            }
        }
    }
}

}  // namespace cli
