#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace engine {

/// Which drafters a request uses. Whatever it is, the reply is the same, byte for byte. `Auto` drafts only
/// while that is measured to be faster; `Ngram` and `Draft` always draft when they can.
enum class SpeculationMode : uint8_t { Off, Ngram, Draft, Auto };

const char* toString(SpeculationMode mode);  ///< "off", "ngram", "draft", "auto"
std::optional<SpeculationMode> speculationMode(std::string_view name);

/// Counts since the engine was loaded.
struct SpeculationStats {
    int64_t draftedTokens = 0;
    int64_t acceptedTokens = 0;
    /// How many times faster decoding was than without drafts, by the measured costs of plain steps.
    double gain = 1.0;
    int64_t preparedTokens = 0;  ///< read by the draft model while nothing else was to do
    int64_t keptTokens = 0;      ///< of conversations, whose KV the draft model's prefix cache has
};

}  // namespace engine
