// Draws on the GPU are the CPU's. Needs a card; tests/gpu/run says how.
#include "tests/kernels/gpu/cuda_harness.h"

namespace kernels::testing {
namespace {

TEST(CudaSampling, DrawsTheCpusToken) {
    for (const int vocabulary : {40, 1000, 32000, 128256}) {
        std::vector<SamplingRow> rows;
        const std::vector<int32_t> penalised{3, 9, 17};
        const auto add = [&](float temperature, int topK, float topP, float minP, float repeat) {
            SamplingRow row;
            row.temperature = temperature;
            row.topK = topK;
            row.topP = topP;
            row.minP = minP;
            row.repeatPenalty = repeat;
            if (repeat != 1.0F) row.penalised = penalised;
            row.seed = random().next();
            row.drawIndex = rows.size();
            rows.push_back(row);
        };
        add(0.0F, 0, 1.0F, 0.0F, 1.0F);
        add(0.0F, 0, 1.0F, 0.0F, 1.3F);
        for (int i = 0; i < 4; ++i) {
            add(0.8F, 0, 1.0F, 0.0F, 1.0F);
            add(1.3F, 40, 1.0F, 0.0F, 1.0F);
            add(0.8F, 0, 0.9F, 0.0F, 1.0F);
            add(1.0F, 0, 1.0F, 0.05F, 1.1F);
            add(0.7F, 20, 0.95F, 0.02F, 1.1F);
        }
        const size_t count = rows.size() * static_cast<size_t>(vocabulary);
        const auto logits = floats(count, 3.0F);
        std::vector<int32_t> drawn[2];
        for (const int which : {0, 1}) {
            Ops& ops = which == 0 ? cpu() : gpu();
            const DeviceBuffer device = onDevice(ops, logits);
            drawn[which].assign(rows.size(), -1);
            ops.sample(device.as<float>(), vocabulary, rows, drawn[which]);
        }
        EXPECT_EQ(drawn[1], drawn[0]) << "vocabulary " << vocabulary;
    }
}

TEST(CudaSampling, ChainsOfDrawsAreTheOnesOfTheCpu) {
    constexpr int kVocabulary = 3000, kDraws = 9, kRows = 3;
    const std::vector<int32_t> known{3, 7, 2999};
    std::vector<int32_t> chains[2];
    std::vector<std::vector<float>> logits;
    for (int draw = 0; draw < kDraws; ++draw)
        logits.push_back(draw % 3 == 0 ? floats(size_t{kRows} * kVocabulary, 3.0F) : logits.back());
    for (const int which : {0, 1}) {
        Ops& ops = which == 0 ? cpu() : gpu();
        chains[which].assign(size_t{kRows} * kDraws, -1);
        const DeviceBuffer chain = onDevice(ops, chains[which]);
        for (int draw = 0; draw < kDraws; ++draw) {
            const DeviceBuffer device = onDevice(ops, logits[static_cast<size_t>(draw)]);
            std::vector<SamplingRow> rows(kRows);
            for (int r = 0; r < kRows; ++r) {
                SamplingRow& row = rows[static_cast<size_t>(r)];
                row.temperature = r == 0 ? 0.0F : 0.8F;
                row.topP = r == 2 ? 0.9F : 1.0F;
                row.presencePenalty = r == 1 ? -3.0F : 1.0F;
                row.repeatPenalty = 1.1F;
                row.candidates = r == 2 ? 2500 : 0;
                row.penalised = known;
                row.seed = 11;
                row.drawIndex = static_cast<uint64_t>(draw);
                row.chain = chain.as<int32_t>() + r * kDraws;
                row.chained = draw;
                if (r == 2) row.drawn = row.chain + draw;  // the same place, said outright
            }
            ops.draw(device.as<float>(), kVocabulary, rows);
        }
        ops.download(chains[which].data(), chain.data(), chains[which].size() * sizeof(int32_t));
    }
    EXPECT_EQ(chains[1], chains[0]);
}

TEST(CudaSampling, EqualLogitsGoToTheLowestId) {
    std::vector<float> logits(5000, -1.0F);
    logits[1234] = logits[4321] = logits[777] = 2.5F;
    const DeviceBuffer device = onDevice(gpu(), logits);
    const SamplingRow row;
    std::vector<int32_t> ids{-1};
    gpu().sample(device.as<float>(), 5000, {&row, 1}, ids);
    EXPECT_EQ(ids[0], 777);
}

}  // namespace
}  // namespace kernels::testing
