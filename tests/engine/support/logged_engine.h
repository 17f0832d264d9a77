#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <random>
#include <utility>

#include "tests/engine/support/engine_driver.h"

namespace engine::testing {

/// An engine, and all its events in the order they came. Its clock stands still, so that no plan depends on
/// how fast the machine is.
class LoggedEngine {
  public:
    explicit LoggedEngine(const EngineOptions& options)
        : driver_(options, [] { return std::chrono::nanoseconds(0); }) {}

    struct Record {
        std::vector<TokenId> ids;
        std::string log;  ///< its own events
        bool isFinished = false;
    };

    RequestId submit(GenerateRequest request) { return driver_.engine->submit(std::move(request)); }
    bool step() {
        const bool worked = driver_.engine->step();
        for (const EngineEvent& event : driver_.engine->takeEvents()) take(event);
        return worked;
    }
    void finish() {
        for (int i = 0; i < 20000 && step(); ++i) driver_.engine->checkIntegrity();
    }
    const Record& run(GenerateRequest request) {
        const RequestId id = submit(std::move(request));
        finish();
        EXPECT_TRUE(records[id].isFinished);
        return records[id];
    }
    Engine* operator->() { return driver_.engine.get(); }
    int64_t stepsAhead() { return driver_.engine->stats().stepsAhead; }

    std::map<RequestId, Record> records;
    std::string log;
    bool tellsBlocks = true;  ///< and what was cached: not where eviction and preemption have a say

  private:
    void note(RequestId id, const std::string& line) {
        log += fmt::format("{} {}\n", id, line);
        records[id].log += line + '\n';
    }
    void take(const EngineEvent& event) {
        if (const auto* started = std::get_if<Started>(&event))
            note(started->id, fmt::format("started {} {}", started->promptTokens,
                                          tellsBlocks ? started->cachedTokens : 0));
        if (const auto* delta = std::get_if<TextDelta>(&event)) {
            Record& record = records[delta->id];
            record.ids.insert(record.ids.end(), delta->ids.begin(), delta->ids.end());
            note(delta->id, fmt::format("'{}' {}", delta->text, delta->ids.empty() ? -1 : delta->ids[0]));
        }
        if (const auto* finished = std::get_if<Finished>(&event)) {
            const RequestStats& s = finished->stats;
            records[finished->id].isFinished = true;
            note(finished->id, fmt::format("finished {} of {} new {} context {} drafted {} accepted {}",
                                           toString(finished->reason), s.promptTokens, s.newTokens,
                                           s.contextTokens, s.draftedTokens, s.acceptedTokens));
            if (tellsBlocks)
                note(finished->id, fmt::format("cached {} computed {} blocks {}", s.cachedTokens,
                                               s.prefillTokens, s.kvBlocks));
        }
        if (const auto* failed = std::get_if<Failed>(&event)) {
            records[failed->id].isFinished = true;
            note(failed->id, "failed: " + failed->error.message);
        }
    }

    EngineDriver driver_;
};

inline GenerateRequest ask(int number, int newTokens, float temperature = 0.9F) {
    GenerateRequest request =
        EngineDriver::ask("question number " + std::to_string(number), newTokens, temperature);
    request.sampling.seed = static_cast<uint64_t>(number);
    return request;
}

/// Requests of all kinds. Stop strings of a letter or two end some replies at tokens that nobody foresees.
inline GenerateRequest anyRequest(std::mt19937& random, int number) {
    const auto oneOf = [&](auto... values) {
        const std::array all{values...};
        return all[random() % all.size()];
    };
    GenerateRequest request = ask(number, oneOf(1, 2, 3, 20, 33, 70), oneOf(0.0F, 0.8F, 2.0F));
    SamplingParams& sampling = request.sampling;
    sampling.seed = random();
    sampling.ignoreEndOfGeneration = random() % 2 == 0;
    if (random() % 3 == 0) sampling.repeatPenalty = oneOf(0.7F, 1.3F);
    if (random() % 3 == 0) sampling.presencePenalty = oneOf(-4.0F, 1.5F);
    sampling.penaltyWindow = oneOf(-1, 0, 1, 2, 64);
    if (random() % 4 == 0) sampling.topK = 12;
    if (random() % 4 == 0) sampling.topP = 0.8F;
    if (random() % 4 == 0) sampling.minP = 0.1F;
    if (random() % 3 == 0) sampling.stop = {oneOf("e", "th", " a", "x")};
    request.priority = oneOf(0, 0, 1);
    return request;
}

/// Waves of requests that begin together; some are cancelled after so many tokens, and half the questions of
/// a wave go on from replies of the one before. Returns the ids of all.
inline std::vector<RequestId> runWaves(LoggedEngine& engine, uint32_t seed, int waves, int most) {
    std::mt19937 random(seed);
    std::vector<RequestId> all;
    std::vector<std::pair<GenerateRequest, RequestId>> before;
    for (int wave = 0; wave < waves; ++wave) {
        std::map<RequestId, size_t> cancelAfter;
        std::vector<std::pair<GenerateRequest, RequestId>> now;
        const int count = 1 + static_cast<int>(random() % static_cast<uint32_t>(most));
        for (int i = 0; i < count; ++i) {
            GenerateRequest request = anyRequest(random, wave * 100 + i);
            if (i % 2 == 1 && !before.empty()) {
                const auto& [earlier, id] = before[random() % before.size()];
                EngineDriver::Outcome answer;
                answer.ids = engine.records[id].ids;
                for (const TokenId token : answer.ids) answer.text += engine->tokenizer().pieceBytes(token);
                const SamplingParams sampling = request.sampling;
                request = EngineDriver::next(earlier, answer, "and then?");
                request.sampling = sampling;
            }
            const RequestId id = engine.submit(request);
            if (random() % 4 == 0) cancelAfter[id] = random() % 20;
            now.emplace_back(std::move(request), id);
            all.push_back(id);
        }
        for (int i = 0; i < 20000 && engine.step(); ++i) {
            for (const auto& [id, tokens] : cancelAfter)
                if (engine.records[id].ids.size() >= tokens) engine->cancel(id);
            std::erase_if(cancelAfter, [&](const auto& entry) {
                return engine.records[entry.first].ids.size() >= entry.second;
            });
        }
        engine->checkIntegrity();
        before = std::move(now);
    }
    return all;
}

}  // namespace engine::testing
