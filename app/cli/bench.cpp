#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "app/cli/cli.h"
#include "engine/gguf/gguf_file.h"
#include "engine/runtime/bandwidth.h"

namespace cli {
namespace {

using Clock = std::chrono::steady_clock;

struct BenchOptions {
    CommonOptions common;
    std::vector<int> prompts{512}, depths{0}, batches{1};
    std::vector<int> replies{128};
    int repetitions = 3;
    /// Off unless asked for: plain speed is what benchmarks compare, and the prompts here are random ids.
    SpeculationOptions speculation{"off", ""};
    std::string output = "md";
};

/// One row of the table: `prompt` tokens computed after `depth`, or `reply` tokens drawn by each of `batch`
/// sequences.
struct Test {
    int prompt = 0, reply = 0, depth = 0, batch = 1;

    /// Repetitions of decoding far in a context go on from one another: computing the context again for each
    /// would take most of the time, and a few hundred tokens more change little.
    bool goesOn() const { return reply > 0 && depth >= 2048; }

    std::string name() const {
        std::string text = prompt > 0 ? fmt::format("pp{}", prompt) : fmt::format("tg{}", reply);
        if (batch > 1) text += fmt::format("@b{}", batch);
        if (depth > 0) text += fmt::format("@d{}", depth);
        return text;
    }
};

struct Measured {
    double tokensPerSecond = 0.0, bytesPerSecond = 0.0;
};

constexpr int kLeastRows = 64;  ///< a step computes at least so many rows of a prompt

/// Steps that prefilling a test's sequences can take; those that are done draw meanwhile.
int prefillSteps(const Test& test) {
    return test.batch * (test.depth / kLeastRows + 2);
}
int tokensOf(const Test& test, int repetitions) {
    const int replies = test.goesOn() ? repetitions + 1 : 1;
    return test.depth + (test.prompt > 0 ? test.prompt : test.reply * replies + prefillSteps(test)) + 2;
}

std::vector<engine::TokenId> randomIds(int count, int vocabulary, uint64_t seed) {
    std::vector<engine::TokenId> ids(static_cast<size_t>(count));
    uint64_t state = seed * 2654435761U + 12345;
    for (engine::TokenId& id : ids) {
        state = state * 6364136223846793005U + 1442695040888963407U;
        id = static_cast<engine::TokenId>((state >> 33) % static_cast<uint64_t>(vocabulary));
    }
    return ids;
}

double secondsSince(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

class Bench {
  public:
    explicit Bench(engine::Engine& engine) : engine_(engine) {}

    /// One warming run, then so many that count.
    std::vector<Measured> run(const Test& test, int repetitions) {
        std::vector<Measured> runs;
        if (test.goesOn()) {
            std::vector<engine::RequestId> ids;
            begin(test, repetitions + 1, 0, ids);
            for (int i = 0; i <= repetitions; ++i) runs.push_back(decodeOn(test));
            end(ids);
        } else {
            for (int i = 0; i <= repetitions; ++i) {
                const auto seed = static_cast<uint64_t>(i) * 1000;
                runs.push_back(test.prompt > 0 ? prefill(test, seed) : decode(test, seed));
            }
        }
        runs.erase(runs.begin());  // the first run meets cold caches
        return runs;
    }

  private:
    engine::RequestId submit(int tokens, int replyTokens, int border, uint64_t seed) {
        engine::GenerateRequest request;
        request.promptIds = randomIds(tokens, engine_.tokenizer().vocabularySize(), seed);
        request.promptBorder = border;
        request.maxNewTokens = replyTokens;
        request.sampling.ignoreEndOfGeneration = true;
        return engine_.submit(std::move(request));
    }

    /// One step's news: prompt tokens done so far by any sequence, replies' tokens, and how many requests
    /// have ended.
    struct News {
        int promptDone = 0, drawn = 0, ended = 0;
    };
    News step() {
        engine_.step();
        News news;
        for (const engine::EngineEvent& event : engine_.takeEvents()) {
            if (const auto* failed = std::get_if<engine::Failed>(&event)) failWith(failed->error);
            if (const auto* progress = std::get_if<engine::PromptProgress>(&event))
                news.promptDone = std::max(news.promptDone, progress->tokensDone);
            if (const auto* delta = std::get_if<engine::TextDelta>(&event))
                news.drawn += static_cast<int>(delta->ids.size());
            if (std::holds_alternative<engine::Finished>(event)) ++news.ended;
        }
        return news;
    }

    Measured prefill(const Test& test, uint64_t seed) {
        submit(test.depth + test.prompt, 1, test.depth, seed);
        for (int done = 0; done < test.depth;) done = std::max(done, step().promptDone);
        double bytes = 0.0;
        const auto start = Clock::now();
        for (bool ended = false; !ended;) {
            ended = step().ended > 0;
            bytes += bytesOfStep();
        }
        const double seconds = secondsSince(start);
        return {test.prompt / seconds, bytes / seconds};
    }

    Measured decode(const Test& test, uint64_t seed) {
        std::vector<engine::RequestId> ids;
        begin(test, 1, seed, ids);
        const Measured measured = decodeOn(test);
        end(ids);
        return measured;
    }

    /// The test's sequences, computed to where all of them decode, with room for so many repetitions.
    void begin(const Test& test, int repetitions, uint64_t seed, std::vector<engine::RequestId>& ids) {
        for (int i = 0; i < test.batch; ++i)
            ids.push_back(submit(std::max(1, test.depth), test.reply * repetitions + prefillSteps(test), 0,
                                 seed + static_cast<uint64_t>(i)));
        // From the step on that draws a token for every sequence, all of them decode.
        while (step().drawn < test.batch) continue;
    }
    void end(const std::vector<engine::RequestId>& ids) {
        for (const engine::RequestId id : ids) engine_.cancel(id);
        step();
    }

    Measured decodeOn(const Test& test) {
        double bytes = 0.0;
        int drawn = 0;
        const auto start = Clock::now();
        // Without drafts test.reply steps; with them, until as many tokens came or every reply is full.
        for (int ended = 0; drawn < test.reply * test.batch && ended < test.batch;) {
            const News news = step();
            drawn += news.drawn;
            ended += news.ended;
            bytes += bytesOfStep();
        }
        const double seconds = secondsSince(start);
        return {drawn / seconds, bytes / seconds};
    }

    double bytesOfStep() const {
        const engine::EngineStats stats = engine_.stats();
        return static_cast<double>(stats.weightBytes + stats.kvBytesUsed);
    }

    engine::Engine& engine_;
};

std::vector<Test> testsOf(const BenchOptions& options) {
    std::vector<Test> tests;
    for (const int depth : options.depths)
        for (const int prompt : options.prompts)
            if (prompt > 0) tests.push_back({prompt, 0, depth, 1});
    for (const int depth : options.depths)
        for (const int batch : options.batches)
            for (const int reply : options.replies)
                if (reply > 0) tests.push_back({0, reply, depth, batch});
    return tests;
}

/// Room for the largest test, whatever the model's own context is planned to.
engine::EngineOptions optionsFor(const BenchOptions& options, const std::vector<Test>& tests) {
    engine::EngineOptions result = options.common.engineOptions();
    // What is measured is computing: nothing found in a cache, whole chunks.
    result.prefixCache = false;
    result.prefillMicros = result.prefillShare = 0.0;
    const auto file = valueOr(engine::GgufFile::open(result.model));
    const auto layout = engine::KvLayout::of(valueOr(engine::ModelConfig::read(file)), result.kvType);
    int context = 0;
    size_t tokens = 0;
    for (const Test& test : tests) {
        const int each = tokensOf(test, options.repetitions);
        context = std::max(context, each);
        tokens = std::max(tokens, static_cast<size_t>(test.batch) * static_cast<size_t>(each + 16));
        result.maxLogitRows = std::max(result.maxLogitRows, test.batch);
    }
    if (result.contextTokens == 0) result.contextTokens = context;
    if (result.contextTokens < context)
        usageError(fmt::format("the tests need {} tokens of context, but --context says {}", context,
                               result.contextTokens));
    if (result.kvBytes == 0) result.kvBytes = tokens * layout.bytesPerToken();
    return result;
}

struct Row {
    std::string model, test, device;
    double tokensPerSecond = 0.0, deviation = 0.0, gigabytesPerSecond = 0.0, share = 0.0, readable = 0.0;
    size_t plannedBytes = 0, peakBytes = 0;
};

Row measure(Bench& bench, const Test& test, int repetitions, double bandwidth) {
    const std::vector<Measured> runs = bench.run(test, repetitions);
    const auto count = static_cast<double>(runs.size());
    Row row;
    row.test = test.name();
    for (const Measured& run : runs) {
        row.tokensPerSecond += run.tokensPerSecond / count;
        row.gigabytesPerSecond += run.bytesPerSecond / count / 1e9;
    }
    double squares = 0.0;
    for (const Measured& run : runs) squares += std::pow(run.tokensPerSecond - row.tokensPerSecond, 2);
    row.deviation = runs.size() > 1 ? std::sqrt(squares / (count - 1.0)) : 0.0;
    row.share = bandwidth > 0.0 ? row.gigabytesPerSecond * 1e9 / bandwidth : 0.0;
    return row;
}

void print(const Row& row, bool json) {
    if (json) {
        const nlohmann::ordered_json line{{"model", row.model},
                                          {"test", row.test},
                                          {"tok_s", row.tokensPerSecond},
                                          {"tok_s_sd", row.deviation},
                                          {"gb_s", row.gigabytesPerSecond},
                                          {"bandwidth_share", row.share},
                                          {"device", row.device},
                                          {"read_gb_s", row.readable},
                                          {"planned_device_bytes", row.plannedBytes},
                                          {"peak_device_bytes", row.peakBytes}};
        fmt::print("{}\n", line.dump());
    } else {
        fmt::print("| {} | {} | {:.2f} ± {:.2f} | {:.2f} | {:.1f} % | {} |\n", row.model, row.test,
                   row.tokensPerSecond, row.deviation, row.gigabytesPerSecond, row.share * 100.0, row.device);
    }
    std::fflush(stdout);
}

void runBench(const BenchOptions& options) {
    const std::vector<Test> tests = testsOf(options);
    if (tests.empty()) usageError("there is nothing to measure: give -p or -n a number above 0");
    engine::EngineOptions engineOptions = optionsFor(options, tests);
    options.speculation.applyTo(engineOptions);
    const double bandwidth =
        valueOr(engine::measureReadBandwidth(engineOptions.device, engineOptions.threads));
    const auto engine = loadEngine(engineOptions);
    const std::string device = engine->stats().device, model = engine->model().name;
    const bool json = options.output == "jsonl";
    if (!json) {
        fmt::print("Read bandwidth measured in this run: {:.1f} GB/s\n\n", bandwidth / 1e9);
        fmt::print(
            "| model | test | tok/s | GB/s | of read bandwidth | device |\n|---|---|---|---|---|---|\n");
    }
    Bench bench(*engine);
    for (const Test& test : tests) {
        Row row = measure(bench, test, options.repetitions, bandwidth);
        row.model = model;
        row.device = device;
        row.readable = bandwidth / 1e9;
        row.plannedBytes = engine->stats().plannedDeviceBytes;
        row.peakBytes = engine->stats().peakDeviceBytes;
        print(row, json);
    }
    if (!json)
        fmt::print("\nDevice memory: {} MiB planned, {} MiB at most\n",
                   engine->stats().plannedDeviceBytes >> 20, engine->stats().peakDeviceBytes >> 20);
}

}  // namespace

void addBench(CLI::App& app) {
    auto options = std::make_shared<BenchOptions>();
    CLI::App* verb = app.add_subcommand("bench", "Prefill and decode speed, at depths and batch sizes");
    options->common.addDevice(*verb);
    verb->add_option("-p", options->prompts, "Prompt lengths to prefill; 0 for none")
        ->delimiter(',')
        ->check(CLI::Range(0, 1 << 22));
    verb->add_option("-n", options->replies, "Tokens to decode; 0 for none")
        ->delimiter(',')
        ->check(CLI::Range(0, 1 << 20));
    verb->add_option("-d", options->depths, "Tokens already in the context")
        ->delimiter(',')
        ->check(CLI::Range(0, 1 << 22));
    verb->add_option("-b", options->batches, "Sequences that decode together")
        ->delimiter(',')
        ->check(CLI::Range(1, 64));
    verb->add_option("-r", options->repetitions, "Repetitions of each test")->check(CLI::Range(1, 1000));
    options->speculation.add(*verb);
    verb->add_option("-o", options->output, "md (a table) or jsonl")->check(CLI::IsMember({"md", "jsonl"}));
    verb->callback([options] { runBench(*options); });
}

}  // namespace cli
