#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/runtime/engine.h"
#include "tests/engine/support/tiny_chat_model.h"

namespace engine::testing {

/// An engine on the tiny chat model, stepped by hand, its events sorted by request.
struct EngineDriver {
    struct Outcome {
        std::string text;
        std::vector<TokenId> ids;
        bool isStarted = false, isFinished = false;
        FinishReason reason = FinishReason::Failed;
        RequestStats stats;
        std::string error;
        std::vector<ContextCut> cuts;
        int deltas = 0;
    };

    static EngineOptions options(const TinyChatModel& model) {
        EngineOptions options;
        options.model = model.path();
        options.device = DeviceChoice::Cpu;
        options.threads = 1;
        options.contextTokens = 512;
        return options;
    }

    EngineDriver(const EngineOptions& options, Engine::Clock clock = {}) {
        auto loaded = Engine::load(options, {}, std::move(clock));
        if (!loaded) throw std::runtime_error(loaded.error().message);
        engine = std::move(*loaded);
    }

    static GenerateRequest ask(const std::string& question, int newTokens = 24, float temperature = 0.0F) {
        GenerateRequest request;
        request.messages = nlohmann::ordered_json::array();
        request.messages.push_back({{"role", "user"}, {"content", question}});
        request.maxNewTokens = newTokens;
        request.sampling.temperature = temperature;
        request.sampling.ignoreEndOfGeneration = true;
        return request;
    }

    void take() {
        for (const EngineEvent& event : engine->takeEvents()) {
            if (const auto* started = std::get_if<Started>(&event)) outcomes[started->id].isStarted = true;
            if (const auto* cut = std::get_if<ContextCut>(&event)) outcomes[cut->id].cuts.push_back(*cut);
            if (const auto* delta = std::get_if<TextDelta>(&event)) {
                Outcome& outcome = outcomes[delta->id];
                outcome.text += delta->text;
                outcome.ids.insert(outcome.ids.end(), delta->ids.begin(), delta->ids.end());
                ++outcome.deltas;
            }
            if (const auto* finished = std::get_if<Finished>(&event)) {
                Outcome& outcome = outcomes[finished->id];
                outcome.isFinished = true;
                outcome.reason = finished->reason;
                outcome.stats = finished->stats;
            }
            if (const auto* failed = std::get_if<Failed>(&event)) {
                outcomes[failed->id].isFinished = true;
                outcomes[failed->id].error = failed->error.message;
            }
        }
    }

    bool step() {
        const bool worked = engine->step();
        take();
        return worked;
    }

    const Outcome& run(RequestId id) {
        for (int i = 0; i < 20000 && !outcomes[id].isFinished; ++i) step();
        EXPECT_TRUE(outcomes[id].isFinished);
        return outcomes[id];
    }
    const Outcome& run(GenerateRequest request) { return run(engine->submit(std::move(request))); }

    /// The next turn of a conversation: `request` with its answer and another question.
    static GenerateRequest next(GenerateRequest request, const Outcome& answer, const std::string& question) {
        request.generatedIds.resize(request.messages.size());
        request.messages.push_back({{"role", "assistant"}, {"content", answer.text}});
        request.generatedIds.push_back(answer.ids);
        request.messages.push_back({{"role", "user"}, {"content", question}});
        request.generatedIds.emplace_back();
        return request;
    }

    std::unique_ptr<Engine> engine;
    std::map<RequestId, Outcome> outcomes;
};

}  // namespace engine::testing
