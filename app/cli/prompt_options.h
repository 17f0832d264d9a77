#pragma once

#include <optional>

#include "app/cli/cli.h"

namespace cli {

/// What one completion is asked with: the options of `generate`, each of which a line of `--prompts` may
/// override.
struct PromptOptions {
    std::optional<std::string> prompt, promptFile, messagesFile, system;
    std::optional<nlohmann::ordered_json> messages;  ///< given in place of a file by a `--prompts` line
    bool raw = false, ignoreEos = false;
    int newTokens = -1, topK = 0, penaltyWindow = 64;
    float temperature = 0.0F, topP = 1.0F, minP = 0.0F, repeatPenalty = 1.0F, presencePenalty = 0.0F;
    uint64_t seed = 0;
    std::vector<std::string> stop;
    SpeculationOptions speculation;

    void addText(CLI::App& verb);
    void addSampling(CLI::App& verb);

    engine::SamplingParams sampling() const;
    /// Reads the files that are named. Usage errors for options that contradict one another.
    engine::GenerateRequest request() const;
    /// These options with those of a `--prompts` line in their place. Names as on the command line, '_' or
    /// '-'.
    PromptOptions with(const nlohmann::ordered_json& line) const;
};

}  // namespace cli
