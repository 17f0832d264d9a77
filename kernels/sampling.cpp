#include "kernels/sampling.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "kernels/gumbel.h"

namespace kernels {
namespace {

void applyPenalties(std::span<float> logits, const SamplingRow& row) {
    if (row.repeatPenalty == 1.0F && row.presencePenalty == 0.0F) return;
    const auto apply = [&](int32_t id) {
        float& logit = logits[static_cast<size_t>(id)];
        logit = (logit > 0.0F ? logit / row.repeatPenalty : logit * row.repeatPenalty) - row.presencePenalty;
    };
    std::ranges::for_each(row.penalised, apply);
    const std::span<const int32_t> chain(row.chain, static_cast<size_t>(row.chained));
    for (size_t i = 0; i < chain.size(); ++i)
        if (std::ranges::find(row.penalised, chain[i]) == row.penalised.end() &&
            std::ranges::count(chain.first(i), chain[i]) == 0)
            apply(chain[i]);
}

int32_t likeliest(std::span<const float> logits) {
    return static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

/// Keeps the likeliest ids whose probabilities reach `topP` of what `ids` have together; the one that crosses
/// stays.
void keepTopP(std::vector<int32_t>& ids, std::span<const float> logits, float largest, float topP) {
    const auto mass = [&](int32_t id) {
        return std::exp(static_cast<double>(logits[static_cast<size_t>(id)] - largest));
    };
    double wanted = 0.0;
    for (const int32_t id : ids) wanted += mass(id);
    wanted *= static_cast<double>(topP);
    // Sorting in growing heads: the nucleus is nearly always a few tokens of a large vocabulary.
    size_t sorted = 0;
    double reached = 0.0;
    for (size_t head = 64; sorted < ids.size(); head *= 8) {
        const size_t end = std::min(head, ids.size());
        const auto likelier = [&](int32_t a, int32_t b) {
            const float x = logits[static_cast<size_t>(a)], y = logits[static_cast<size_t>(b)];
            return x > y || (x == y && a < b);
        };
        std::partial_sort(ids.begin() + static_cast<std::ptrdiff_t>(sorted),
                          ids.begin() + static_cast<std::ptrdiff_t>(end), ids.end(), likelier);
        for (; sorted < end; ++sorted) {
            reached += mass(ids[sorted]);
            if (reached >= wanted) {
                ids.resize(sorted + 1);
                return;
            }
        }
    }
}

}  // namespace

int32_t sampleToken(std::span<float> logits, const SamplingRow& row) {
    if (row.candidates > 0)
        logits = logits.first(std::min(logits.size(), static_cast<size_t>(row.candidates)));
    applyPenalties(logits, row);
    const int32_t best = likeliest(logits);
    if (row.temperature <= 0.0F) return best;
    const float largest = logits[static_cast<size_t>(best)];

    std::vector<int32_t> ids(logits.size());
    std::iota(ids.begin(), ids.end(), 0);
    if (row.minP > 0.0F) {
        // The likeliest token survives every filter, so this cut may come first and spare the others work.
        const float least = largest + std::log(row.minP);
        if (row.topP >= 1.0F)
            std::erase_if(ids, [&](int32_t id) { return logits[static_cast<size_t>(id)] < least; });
    }
    if (row.topK > 0 && static_cast<size_t>(row.topK) < ids.size()) {
        std::nth_element(ids.begin(), ids.begin() + row.topK - 1, ids.end(), [&](int32_t a, int32_t b) {
            const float x = logits[static_cast<size_t>(a)], y = logits[static_cast<size_t>(b)];
            return x > y || (x == y && a < b);
        });
        ids.resize(static_cast<size_t>(row.topK));
    }
    if (row.topP < 1.0F) keepTopP(ids, logits, largest, row.topP);
    const float least = row.minP > 0.0F ? largest + std::log(row.minP) : -INFINITY;

    const auto noise = [&](int32_t id) {
        return gumbelNoise(row.seed, row.drawIndex, static_cast<uint32_t>(id));
    };
    const auto temperature = static_cast<double>(row.temperature);
    // The likeliest token is never filtered out, and no noise is larger than kMostNoise (its uniform number
    // has 32 bits): of a large vocabulary few tokens can win at all, and only they need their noise computed.
    constexpr double kMostNoise = 23.0;
    int32_t drawn = best;
    double drawnValue = static_cast<double>(largest) / temperature + noise(best);
    for (const int32_t id : ids) {
        const float logit = logits[static_cast<size_t>(id)];
        const double scaled = static_cast<double>(logit) / temperature;
        if (logit < least || scaled + kMostNoise < drawnValue) continue;
        const double value = scaled + noise(id);
        if (value > drawnValue || (value == drawnValue && id < drawn)) {
            drawnValue = value;
            drawn = id;
        }
    }
    return drawn;
}

}  // namespace kernels
