#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "engine/error.h"
#include "engine/kv/kv_layout.h"
#include "engine/model/transformer.h"
#include "engine/sampling/sampling_params.h"
#include "engine/schedule/scheduling_policy.h"
#include "engine/speculate/speculation.h"
#include "engine/tokenizer/tokenizer.h"

/// The engine: one loaded model, many sequences, one thread. Plain C++; only values cross to other threads.
namespace engine {

enum class DeviceChoice : uint8_t { Best, Cpu, Cuda };
enum class ComputeChoice : uint8_t { Int8, Float };

struct EngineOptions {
    std::filesystem::path model;
    DeviceChoice device = DeviceChoice::Best;
    int threads = 0;        ///< CPU threads; 0: one for each core
    int contextTokens = 0;  ///< of one sequence; 0: what the model was made for, as far as memory goes
    KvType kvType = KvType::F16;
    size_t kvBytes = 0;                           ///< bound of the KV pools; 0: planned from free memory
    ComputeChoice compute = ComputeChoice::Int8;  ///< Float implies KvType::F32
    int maxRows = 0;        ///< rows of a step, i.e. the largest prefill chunk; 0: what suits the device
    int maxLogitRows = 64;  ///< rows of a step whose logits are wanted; `score` likes more

    PolicyKind policy = PolicyKind::ResponseRatio;
    /// Time that a chunk of prompts may take from its first layer to its last, other replies' steps in
    /// between included: how long a new question may have to wait before it is looked at. 0: as long as
    /// maxRows rows take.
    double prefillMicros = 250'000;
    /// While replies are written, the share of a decode step's time that prompts may add to it; a chunk
    /// pauses between layers where it would take more. 0: no bound.
    double prefillShare = 0.6;

    bool prefixCache = true;    ///< keep computed prefixes on the device while there is room
    size_t hostCacheBytes = 0;  ///< bound of the prefix cache in host memory, for what the device evicts
    /// Folder of the prefix cache on disk, kept across runs; empty: none. It is made if missing.
    std::filesystem::path diskCache;
    size_t diskCacheBytes = size_t{4} << 30;  ///< bound of the files there
    /// How long the engine may take at its end to write what is not there yet. Most is: an idle engine
    /// writes.
    std::chrono::milliseconds saveAtEnd{4000};

    /// How requests speculate that do not say. No reply depends on it.
    SpeculationMode speculate = SpeculationMode::Auto;
    std::filesystem::path draftModel;         ///< a smaller model of the same vocabulary; empty: none
    std::optional<DeviceChoice> draftDevice;  ///< where it runs; the target's device when not given
    bool draftFromOtherChats = false;         ///< n-gram drafts may come from text of other chats

    /// For tests: puts something between the engine and its device.
    std::function<std::unique_ptr<kernels::Ops>(std::unique_ptr<kernels::Ops>)> wrapDevice;
};

/// What to do when a conversation no longer fits into the context. Never silent: Stop fails with the figures;
/// DropOldestTurns leaves out the oldest whole turns, until the prompt takes 60 % of the context, and says so
/// in a ContextCut. The system message stays.
enum class WhenFull : uint8_t { Stop, DropOldestTurns };

using RequestId = uint64_t;

/// What to answer. Exactly one of `promptIds`, `prompt`, `messages` is used, in this order of precedence:
/// `messages` goes through the model's chat template (contents are data: no special token is recognised in
/// them), `prompt` is taken as it stands (special tokens recognised, BOS as the model asks).
struct GenerateRequest {
    nlohmann::ordered_json messages;  ///< [{"role":…, "content":…}, …]
    std::optional<std::string> prompt;
    /// For each message, the ids the model generated for it, if it did: spliced into the rendered prompt
    /// where the text equals their decoding, since sampled text often encodes differently. Empty: none.
    std::vector<std::vector<TokenId>> generatedIds;
    SamplingParams sampling;
    int maxNewTokens = -1;                     ///< -1: to the end of the context
    int priority = 0;                          ///< larger goes first; see SchedulingPolicy
    std::optional<SpeculationMode> speculate;  ///< the engine's own setting when not given
    WhenFull whenFull = WhenFull::Stop;        ///< of `messages`; prompts and ids are never cut
    /// Ids in place of `messages` and `prompt`, taken as they are.
    std::vector<TokenId> promptIds;
    /// A step ends when so many tokens of the prompt are computed, so that a benchmark can measure from
    /// there; 0: none.
    int promptBorder = 0;
};

enum class FinishReason : uint8_t { Stop, Length, Cancelled, Failed };
const char* toString(FinishReason reason);  ///< "stop", "length", "cancelled", "failed"

struct RequestStats {
    int promptTokens = 0;
    int cachedTokens = 0;  ///< of the prompt, found in the prefix cache
    /// Earlier replies whose own ids do not stand whole in the prompt, because the template rewrites history
    /// or a stop string was taken off: from the first of them on the prompt is computed anew.
    int rewrittenReplies = 0;
    int prefillTokens = 0;  ///< rows computed before the first token
    int newTokens = 0;      ///< the end token counts
    int draftedTokens = 0;
    int acceptedTokens = 0;
    double speculationGain = 1.0;  ///< times faster than without drafts, by the measured cost of plain steps
    double queueMillis = 0;        ///< from submit to the first step that had rows of it
    double ttftMillis = 0;         ///< from submit to the first token
    double prefillTokensPerSecond = 0;
    double decodeTokensPerSecond = 0;  ///< (newTokens - 1) / time from first to last
    int contextTokens = 0;             ///< tokens of the sequence at the end
    int contextLimit = 0;
    int kvBlocks = 0;  ///< most blocks held at once, all groups together
};

struct Started {
    RequestId id;
    int promptTokens;
    int cachedTokens;
};
/// Messages were left out of the prompt because the context was full. The caller does well to leave them out
/// of its next requests too, so that the prompt begins the same way.
struct ContextCut {
    RequestId id;
    int firstMessage;  ///< index in the request's messages of the first one left out
    int messages;      ///< how many were left out
    int tokensBefore, tokensAfter;
};
struct PromptProgress {
    RequestId id;
    int tokensDone;
    int tokensTotal;
};
/// New text (whole UTF-8) and the ids behind it; either may be empty when the other runs ahead.
struct TextDelta {
    RequestId id;
    std::string text;
    std::vector<TokenId> ids;
};
struct Finished {
    RequestId id;
    FinishReason reason;
    RequestStats stats;
};
struct Failed {
    RequestId id;
    Error error;
};
using EngineEvent = std::variant<Started, ContextCut, PromptProgress, TextDelta, Finished, Failed>;

/// A snapshot for people.
struct EngineStats {
    std::string device;
    int running = 0, waiting = 0;
    int kvBlocksUsed = 0, kvBlocksTotal = 0;
    size_t kvBytesUsed = 0, kvBytesTotal = 0;
    double cacheShare = 0;   ///< of the time of all steps, what the prefix cache and its tiers took
    double kvWaste = 0;      ///< share of the rows in used blocks that hold no token, 0 to 1
    int kvBlocksCached = 0;  ///< of those used, kept by the prefix cache and free for the taking
    int hostBlocks = 0, diskBlocks = 0;
    size_t hostBytes = 0, diskBytes = 0;
    int64_t promptTokens = 0;      ///< of all requests so far
    int64_t cachedTokens = 0;      ///< of these, not computed: found in the prefix cache
    int64_t rewrittenPrompts = 0;  ///< prompts that did not begin as what was computed before
    int64_t restoredBlocks = 0, evictedBlocks = 0, preemptions = 0;
    int64_t stepsAhead = 0;  ///< decode steps enqueued before the tokens of the step before were known
    double queueMillis = 0, ttftMillis = 0;     ///< means over the last requests
    double itlP50Millis = 0, itlP99Millis = 0;  ///< time between tokens of a reply, over the last thousand
    double hitRate() const {
        return promptTokens > 0 ? static_cast<double>(cachedTokens) / static_cast<double>(promptTokens) : 0.0;
    }
    SpeculationStats speculation;
    size_t weightBytes = 0;
    size_t plannedDeviceBytes = 0;  ///< by the MemoryPlan, a draft model's included if it runs there too
    size_t peakDeviceBytes = 0;     ///< the most that was gone from a card meanwhile; on the CPU the planned
    double loadMillis = 0;          ///< Engine::load
    double weightsMillis = 0;       ///< of it, bringing the weights to the device and taking workspace
    double decodeTokensPerSecond = 0;  ///< of the last second, all sequences together
};

/// What a window needs to know of a loaded model.
struct LoadedModel {
    std::string name;
    std::string architecture;
    int contextLimit = 0;  ///< tokens of one sequence
    int trainedContext = 0;
    bool hasChatTemplate = false;
    uint64_t vocabularyHash = 0;
};

/// Erases the blocks of all models below the folder of a disk cache that no engine has open.
void eraseDiskCache(const std::filesystem::path& folder);

class Engine {
  public:
    using Clock = std::function<std::chrono::nanoseconds()>;

    /// Loads a model; takes seconds, so call it off the GUI thread. `clock` is steady time unless a test
    /// gives one.
    static Result<std::unique_ptr<Engine>> load(const EngineOptions& options,
                                                const LoadProgress& progress = {}, Clock clock = {});
    /// Stops the thread, drops what runs, saves the prefix cache to disk as far as EngineOptions::saveAtEnd
    /// goes.
    virtual ~Engine() = default;

    // --- any thread ---
    virtual RequestId submit(GenerateRequest request) = 0;
    /// The request ends within one step with Finished{Cancelled}; unknown or ended ids are ignored.
    virtual void cancel(RequestId id) = 0;
    /// Changes how urgent a request is, from the next step on; unknown or ended ids are ignored.
    virtual void setPriority(RequestId id, int priority) = 0;
    /// Erases the KV of a conversation that is gone from every place where it is kept, as far as no other
    /// conversation shares it: `conversation` has its messages and generated ids. If it ends with a reply,
    /// that is the sequence which wrote it. Each branch of a conversation is one of its own. What engines
    /// with the same vocabulary (another device or KV type) left on disk goes too. A template that asks for
    /// the date renders the same messages differently another day: with one, everything is forgotten. One
    /// conversation is forgotten a step.
    virtual void forget(GenerateRequest conversation) = 0;
    /// Erases all KV but that of running requests, from every place, also what other models left on disk.
    virtual void forgetEverything() = 0;
    /// Everything since the last call, in order.
    virtual std::vector<EngineEvent> takeEvents() = 0;
    virtual EngineStats stats() const = 0;
    virtual const LoadedModel& model() const = 0;
    virtual const Tokenizer& tokenizer() const = 0;
    /// Ids of a conversation as a request with these messages would send them (for a context meter).
    virtual Result<std::vector<TokenId>> promptTokens(const GenerateRequest& request) const = 0;

    /// Starts the engine's own thread. `wake` is called on it when the event queue turns from empty to
    /// non-empty; it must only post a notice.
    virtual void start(std::function<void()> wake) = 0;
    virtual void stop() = 0;

    // --- with no thread started: the caller's thread ---
    /// One step: takes commands, schedules, runs the model once, emits events; with nothing to run, saves a
    /// few blocks of the prefix cache to its tiers, or lets the draft model read what it has not. False when
    /// nothing was to do.
    virtual bool step() = 0;
    /// Log-likelihoods of a text, for `score`: for each position the negative log-likelihood in nats of the
    /// next id and the likeliest next id. Feeds `rowsAtATime` ids a step (0: as many as fit), as rows of a
    /// prompt or as the rows of a reply, which a card computes by other kernels.
    enum class ScoreRows : uint8_t { Prompt, Reply };
    struct Score {
        std::vector<double> nll;
        std::vector<TokenId> likeliest;
    };
    virtual Result<Score> score(const std::vector<TokenId>& ids, int rowsAtATime,
                                ScoreRows kind = ScoreRows::Prompt) = 0;
    /// Aborts with the reason when pools or sequences disagree. Only between steps.
    virtual void checkIntegrity() const = 0;
};

}  // namespace engine
