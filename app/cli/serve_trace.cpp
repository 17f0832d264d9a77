#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <fstream>
#include <map>
#include <mutex>
#include <numeric>
#include <random>

#include "app/cli/prompt_options.h"

namespace cli {
namespace {

using Clock = std::chrono::steady_clock;
using Json = nlohmann::ordered_json;

struct TraceOptions {
    CommonOptions common;
    PromptOptions prompt;
    std::string trace, policy = "response-ratio", arrivals, cache;
    bool noPrefixCache = false;
    size_t hostBytes = 0;
};

struct Turn {
    int number = 0, maxNewTokens = -1, priority = 0;
    double atMillis = 0.0;
    Json messages;
};

struct Conversation {
    std::string name;
    std::vector<Turn> turns;
    size_t next = 0;
    double readyMillis = 0.0;  ///< when the turn before ended
    Json messages = Json::array();
    std::vector<std::vector<engine::TokenId>> generatedIds;
    bool running = false;

    bool isDone() const { return next == turns.size(); }
    double startMillis() const { return std::max(turns[next].atMillis, readyMillis); }
};

/// A turn that the engine is answering.
struct Running {
    Conversation* conversation = nullptr;
    double startMillis = 0.0;
    std::vector<double> tokenMillis;  ///< when each token arrived
    std::string text;
    std::vector<engine::TokenId> ids;
};

double percentile(std::vector<double> values, double share) {
    if (values.empty()) return 0.0;
    std::ranges::sort(values);
    return values[std::min(values.size() - 1,
                           static_cast<size_t>(share * static_cast<double>(values.size())))];
}

double mean(const std::vector<double>& values) {
    return values.empty()
               ? 0.0
               : std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

std::vector<Conversation> readTrace(const std::string& path) {
    std::ifstream file(path);
    if (!file)
        throw Failure{1, fmt::format("the trace '{}' cannot be read; check its name and permissions", path)};
    std::vector<Conversation> conversations;
    std::string text;
    for (int number = 1; std::getline(file, text); ++number) {
        if (text.find_first_not_of(" \t\r") == std::string::npos) continue;
        try {
            const Json line = Json::parse(text);
            const auto name = line.at("conversation").is_string() ? line["conversation"].get<std::string>()
                                                                  : line["conversation"].dump();
            auto found = std::ranges::find(conversations, name, &Conversation::name);
            if (found == conversations.end())
                found = conversations.insert(found, Conversation{name, {}, 0, 0.0, Json::array(), {}, false});
            found->turns.push_back({line.value("turn", static_cast<int>(found->turns.size())),
                                    line.value("max_new_tokens", -1), line.value("priority", 0),
                                    line.value("at_ms", 0.0), line.at("messages")});
        } catch (const nlohmann::json::exception& problem) {
            throw Failure{
                1, fmt::format("line {} of the trace '{}' is not a turn ({})", number, path, problem.what())};
        }
    }
    for (Conversation& conversation : conversations)
        std::ranges::stable_sort(conversation.turns, {}, &Turn::number);
    return conversations;
}

/// Conversations begin as a Poisson process of `rate` a second, in the trace's order.
void drawArrivals(std::vector<Conversation>& conversations, double rate, uint64_t seed) {
    std::mt19937_64 random(seed);
    std::exponential_distribution<double> gap(rate);
    double at = 0.0;
    for (Conversation& conversation : conversations) {
        at += gap(random) * 1000.0;
        const double shift = at - conversation.turns.front().atMillis;
        for (Turn& turn : conversation.turns) turn.atMillis += shift;
    }
}

class Replay {
  public:
    Replay(engine::Engine& engine, std::vector<Conversation> conversations, const TraceOptions& options)
        : engine_(engine), conversations_(std::move(conversations)), options_(options) {}

    void run() {
        engine_.start([this] {
            const std::lock_guard lock(mutex_);
            woken_ = true;
            wake_.notify_one();
        });
        start_ = Clock::now();
        while (std::ranges::any_of(conversations_, [](const Conversation& c) { return !c.isDone(); })) {
            submitDue();
            wait();
            for (engine::EngineEvent& event : engine_.takeEvents()) handle(event);
            sampleBlocks();
        }
        engine_.stop();
        sampleBlocks();
        printSummary();
    }

  private:
    double now() const { return std::chrono::duration<double, std::milli>(Clock::now() - start_).count(); }

    void submitDue() {
        for (Conversation& conversation : conversations_) {
            if (conversation.running || conversation.isDone() || conversation.startMillis() > now()) continue;
            const Turn& turn = conversation.turns[conversation.next];
            for (const Json& message : turn.messages) {
                conversation.messages.push_back(message);
                conversation.generatedIds.emplace_back();
            }
            engine::GenerateRequest request;
            request.messages = conversation.messages;
            request.generatedIds = conversation.generatedIds;
            request.maxNewTokens = turn.maxNewTokens;
            request.priority = turn.priority;
            request.sampling = options_.prompt.sampling();
            const double start = conversation.startMillis();
            conversation.running = true;
            running_[engine_.submit(std::move(request))] = {&conversation, start, {}, {}, {}};
        }
    }

    /// Until the engine has news or the next turn is due.
    void wait() {
        double next = now() + 1000.0;
        for (const Conversation& conversation : conversations_)
            if (!conversation.running && !conversation.isDone())
                next = std::min(next, conversation.startMillis());
        std::unique_lock lock(mutex_);
        wake_.wait_until(lock,
                         start_ + std::chrono::duration_cast<Clock::duration>(
                                      std::chrono::duration<double, std::milli>(next)),
                         [this] { return woken_; });
        woken_ = false;
    }

    void handle(engine::EngineEvent& event) {
        if (auto* delta = std::get_if<engine::TextDelta>(&event)) {
            Running& turn = running_.at(delta->id);
            turn.text += delta->text;
            turn.ids.insert(turn.ids.end(), delta->ids.begin(), delta->ids.end());
            turn.tokenMillis.insert(turn.tokenMillis.end(), delta->ids.size(), now());
        } else if (const auto* finished = std::get_if<engine::Finished>(&event)) {
            end(finished->id, finished->stats);
        } else if (const auto* failed = std::get_if<engine::Failed>(&event)) {
            failWith(failed->error);
        }
    }

    void end(engine::RequestId id, const engine::RequestStats& stats) {
        const auto found = running_.find(id);
        Running& turn = found->second;
        Conversation& conversation = *turn.conversation;
        std::vector<double> gaps;
        for (size_t i = 1; i < turn.tokenMillis.size(); ++i)
            gaps.push_back(turn.tokenMillis[i] - turn.tokenMillis[i - 1]);
        const double first = turn.tokenMillis.empty() ? now() : turn.tokenMillis.front();
        const double ttft = first - turn.startMillis;
        const Json line{{"conversation", conversation.name},
                        {"turn", conversation.turns[conversation.next].number},
                        {"prompt_tokens", stats.promptTokens},
                        {"cached_tokens", stats.cachedTokens},
                        {"prefill_tokens", stats.prefillTokens},
                        {"rewritten_replies", stats.rewrittenReplies},
                        {"new_tokens", stats.newTokens},
                        {"drafted_tokens", stats.draftedTokens},
                        {"accepted_tokens", stats.acceptedTokens},
                        {"queue_ms", stats.queueMillis},
                        {"ttft_ms", ttft},
                        {"itl_p50_ms", percentile(gaps, 0.5)},
                        {"itl_p99_ms", percentile(gaps, 0.99)},
                        {"decode_tok_s", stats.decodeTokensPerSecond},
                        {"text", turn.text}};
        fmt::print("{}\n", oneLine(line));
        std::fflush(stdout);
        ++turns_;
        promptTokens_ += stats.promptTokens;
        cachedTokens_ += stats.cachedTokens;
        prefillTokens_ += stats.prefillTokens;
        newTokens_ += stats.newTokens;
        firstTokens_.push_back(ttft);
        queues_.push_back(stats.queueMillis);
        gaps_.insert(gaps_.end(), gaps.begin(), gaps.end());

        conversation.messages.push_back({{"role", "assistant"}, {"content", turn.text}});
        conversation.generatedIds.push_back(std::move(turn.ids));
        conversation.readyMillis = now();
        conversation.running = false;
        ++conversation.next;
        running_.erase(found);
    }

    void sampleBlocks() {
        const engine::EngineStats stats = engine_.stats();
        peakBlocks_ = std::max(peakBlocks_, stats.kvBlocksUsed);
        last_ = stats;
        if (stats.kvBlocksUsed > 0) waste_.push_back(stats.kvWaste);
    }

    void printSummary() const {
        const double seconds = now() / 1000.0;
        const Json summary{{"turns", turns_},
                           {"prompt_tokens", promptTokens_},
                           {"prefill_tokens", prefillTokens_},
                           {"hit_rate", promptTokens_ > 0 ? static_cast<double>(cachedTokens_) /
                                                                static_cast<double>(promptTokens_)
                                                          : 0.0},
                           {"ttft_mean_ms", mean(firstTokens_)},
                           {"ttft_p99_ms", percentile(firstTokens_, 0.99)},
                           {"itl_p99_ms", percentile(gaps_, 0.99)},
                           {"tok_s", seconds > 0.0 ? static_cast<double>(newTokens_) / seconds : 0.0},
                           {"peak_blocks", peakBlocks_},
                           {"waste", mean(waste_)},
                           {"tokens_saved", cachedTokens_},
                           {"queue_mean_ms", mean(queues_)},
                           {"itl_p50_ms", percentile(gaps_, 0.5)},
                           {"kv_blocks_cached", last_.kvBlocksCached},
                           {"host_blocks", last_.hostBlocks},
                           {"disk_blocks", last_.diskBlocks},
                           {"rewritten_prompts", last_.rewrittenPrompts},
                           {"restored_blocks", last_.restoredBlocks},
                           {"evicted_blocks", last_.evictedBlocks},
                           {"preemptions", last_.preemptions},
                           {"cache_share", last_.cacheShare}};
        fmt::print("{}\n", Json{{"summary", summary}}.dump());
    }

    engine::Engine& engine_;
    std::vector<Conversation> conversations_;
    const TraceOptions& options_;
    std::map<engine::RequestId, Running> running_;
    Clock::time_point start_;
    std::mutex mutex_;
    std::condition_variable wake_;
    bool woken_ = false;
    int turns_ = 0, peakBlocks_ = 0;
    int64_t promptTokens_ = 0, cachedTokens_ = 0, prefillTokens_ = 0, newTokens_ = 0;
    std::vector<double> firstTokens_, gaps_, queues_, waste_;
    engine::EngineStats last_;
};

void runTrace(const TraceOptions& options) {
    std::vector<Conversation> conversations = readTrace(options.trace);
    if (!options.arrivals.empty()) {
        constexpr std::string_view kPoisson = "poisson:";
        const double rate = options.arrivals.starts_with(kPoisson)
                                ? std::strtod(options.arrivals.c_str() + kPoisson.size(), nullptr)
                                : 0.0;
        if (!(rate > 0.0)) usageError("--arrivals takes poisson:RATE with a rate above 0 a second");
        drawArrivals(conversations, rate, options.prompt.seed);
    }
    engine::EngineOptions engineOptions = options.common.engineOptions();
    engineOptions.policy = options.policy == "fcfs"       ? engine::PolicyKind::Fcfs
                           : options.policy == "priority" ? engine::PolicyKind::Priority
                                                          : engine::PolicyKind::ResponseRatio;
    engineOptions.prefixCache = !options.noPrefixCache;
    engineOptions.hostCacheBytes = options.hostBytes;
    engineOptions.diskCache = options.cache;
    engineOptions.saveAtEnd = std::chrono::minutes(10);  // the next run is to find everything
    options.prompt.speculation.applyTo(engineOptions);
    const auto engine = loadEngine(engineOptions);
    Replay(*engine, std::move(conversations), options).run();
}

}  // namespace

void addServeTrace(CLI::App& app) {
    auto options = std::make_shared<TraceOptions>();
    CLI::App* verb =
        app.add_subcommand("serve-trace", "Replays interleaved conversations against the engine's thread");
    options->common.addDevice(*verb);
    verb->add_option("--trace", options->trace, "JSON lines, one a turn")->required()->type_name("F.jsonl");
    verb->add_option("--policy", options->policy, "response-ratio (default), fcfs or priority")
        ->check(CLI::IsMember({"fcfs", "priority", "response-ratio"}));
    verb->add_option("--arrivals", options->arrivals,
                     "poisson:RATE draws when conversations begin, RATE a second");
    verb->add_option("--cache", options->cache, "Folder of the cache on disk")->type_name("DIR");
    verb->add_flag("--no-prefix-cache", options->noPrefixCache, "Compute every prompt from its start");
    verb->add_option("--host-bytes", options->hostBytes, "Bound of the cache in host memory");
    options->prompt.speculation.add(*verb);
    verb->add_option("--temp", options->prompt.temperature, "Temperature; 0 takes the likeliest token")
        ->check(CLI::NonNegativeNumber);
    verb->add_option("--seed", options->prompt.seed, "Seed of the draws");
    verb->callback([options] { runTrace(*options); });
}

}  // namespace cli
