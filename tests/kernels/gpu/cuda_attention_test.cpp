// Attention and what goes into the cache on the GPU, against the CPU and against itself in other company.
// Needs a card; tests/gpu/run says how.
#include "tests/kernels/gpu/attention_world.h"

namespace kernels::testing {
namespace {

class AttentionTest : public ::testing::TestWithParam<AttentionCase> {
  public:
    /// The cache's own rounding is the same on both sides but where a value falls on a border.
    static double tolerance() {
        switch (GetParam().kvType) {
            case KvType::Q8_0:
                return 1e-4;
            case KvType::Q4_0:
                return 1e-3;
            default:
                return kHalfTolerance * 3;
        }
    }
    /// As both devices compute it.
    static void expectTheCpus(const std::vector<AttentionWorld::Sequence>& sequences, RowSplit split) {
        const AttentionWorld world(GetParam(), sequences, split);
        const auto tokens = world.makeTokens();
        EXPECT_LT(relativeError(world.run(gpu(), tokens), world.run(cpu(), tokens)), tolerance());
    }
};

TEST_P(AttentionTest, DecodeRowsMatchTheCpu) {
    expectTheCpus({{0, 1}, {1, 1}, {15, 1}, {16, 1}, {300, 1}, {1000, 1}}, {6, 0});
}

TEST_P(AttentionTest, PrefillRowsMatchTheCpu) {
    expectTheCpus({{0, 100}, {37, 70}, {700, 3}}, {0, 173});
}

TEST_P(AttentionTest, VerifyRowsBesideAPromptMatchTheCpu) {
    expectTheCpus({{500, 4}, {20, 1}, {0, 40}}, {5, 40});
}

TEST_P(AttentionTest, ADecodeRowIsTheSameBytesAloneAndInCompany) {
    const AttentionWorld together(GetParam(), {{700, 3}, {300, 1}, {5, 1}}, {5, 0});
    const auto tokens = together.makeTokens();
    const auto all = together.run(gpu(), tokens);
    const AttentionWorld alone(GetParam(), {{702, 1}}, {1, 0});
    const auto one = alone.run(gpu(), {tokens[0]});
    EXPECT_EQ(0, std::memcmp(one.data(), all.data() + 2 * one.size(), one.size() * sizeof(float)));
}

TEST_P(AttentionTest, APromptRowIsTheSameBytesForEveryChunking) {
    const AttentionWorld world(GetParam(), {{90, 60}, {33, 1}, {400, 1}}, {0, 62});
    const auto tokens = world.makeTokens();
    const std::vector<std::pair<const char*, std::vector<float>>> ways{
        {"chunks of 1, 2, 3, …", world.runChunks(gpu(), tokens, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11})},
        {"one by one", world.runChunks(gpu(), tokens, {1})},
        {"behind two decode rows", world.runChunks(gpu(), tokens, {17, 9, 23}, true)}};
    const auto whole = world.runChunks(gpu(), tokens, {60});
    for (const auto& [way, values] : ways)
        EXPECT_EQ(0, std::memcmp(whole.data(), values.data(), whole.size() * sizeof(float)))
            << way << ": they differ by " << relativeError(values, whole);
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, AttentionTest,
    ::testing::Values(AttentionCase{KvType::F16, 4, 4, 64}, AttentionCase{KvType::F16, 9, 3, 64},
                      AttentionCase{KvType::F16, 8, 1, 128},
                      AttentionCase{KvType::F16, 32, 8, 128, 0, 0.0F, RopePairs::Interleaved},
                      AttentionCase{KvType::F16, 14, 2, 64}, AttentionCase{KvType::F16, 4, 1, 256, 512},
                      AttentionCase{KvType::F16, 4, 2, 96, 40, 0.0F, RopePairs::Halves, true},
                      AttentionCase{KvType::F16, 4, 2, 64, 0, 20.0F}, AttentionCase{KvType::F16, 24, 2, 128},
                      AttentionCase{KvType::F16, 17, 1, 64}, AttentionCase{KvType::F16, 40, 2, 128, 300},
                      AttentionCase{KvType::F16, 6, 2, 32}, AttentionCase{KvType::F32, 4, 2, 64},
                      AttentionCase{KvType::Q8_0, 8, 2, 128}, AttentionCase{KvType::Q8_0, 4, 1, 64, 100},
                      AttentionCase{KvType::Q8_0, 4, 2, 96}, AttentionCase{KvType::Q8_0, 4, 1, 256, 33},
                      AttentionCase{KvType::Q8_0, 9, 3, 64, 0, 30.0F}, AttentionCase{KvType::Q4_0, 8, 2, 128},
                      AttentionCase{KvType::Q4_0, 3, 3, 64}, AttentionCase{KvType::Q4_0, 4, 2, 96, 50},
                      AttentionCase{KvType::Q4_0, 2, 1, 256},
                      AttentionCase{KvType::Q4_0, 16, 2, 64, 0, 0.0F, RopePairs::Interleaved, true}));

/// Contexts around the borders where a row's pieces become longer (attention_unit.cuh), and long prompts.
class LongAttentionTest : public AttentionTest {};

TEST_P(LongAttentionTest, DecodeRowsMatchTheCpuAroundEveryBorder) {
    expectTheCpus({{2046, 1}, {2047, 1}, {2048, 1}, {4095, 1}, {4096, 2}, {8300, 1}}, {7, 0});
    expectTheCpus({{16382, 3}}, {3, 0});
}

TEST_P(LongAttentionTest, PrefillRowsMatchTheCpu) {
    expectTheCpus({{3000, 130}, {4090, 20}}, {0, 150});
}

TEST_P(LongAttentionTest, APromptRowIsTheSameBytesForEveryChunkingAcrossTheBordersOfSplits) {
    for (const auto& [stored, rows] : {std::pair{2000, 120}, std::pair{6130, 70}, std::pair{8150, 70}}) {
        const AttentionWorld world(GetParam(), {{stored, rows}, {4000, 1}}, {0, rows + 1});
        const auto tokens = world.makeTokens();
        const auto whole = world.runChunks(gpu(), tokens, {rows});
        for (const std::vector<int>& chunks : {std::vector<int>{1, 2, 30, 7}, {48, 64}, {17}})
            for (const bool besideDecodes : {false, true}) {
                const auto parts = world.runChunks(gpu(), tokens, chunks, besideDecodes);
                EXPECT_EQ(0, std::memcmp(whole.data(), parts.data(), whole.size() * sizeof(float)))
                    << stored << " stored, chunks of " << chunks[0] << ", …: they differ by "
                    << relativeError(parts, whole);
            }
    }
}

TEST_P(LongAttentionTest, ADecodeRowIsTheSameBytesBesideAShortOne) {
    const AttentionWorld together(GetParam(), {{9, 1}, {5000, 1}, {2100, 2}}, {4, 0});
    const auto tokens = together.makeTokens();
    const auto all = together.run(gpu(), tokens);
    const AttentionWorld alone(GetParam(), {{5000, 1}}, {1, 0});
    const auto one = alone.run(gpu(), {tokens[1]});
    EXPECT_EQ(0, std::memcmp(one.data(), all.data() + one.size(), one.size() * sizeof(float)));
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, LongAttentionTest,
    ::testing::Values(AttentionCase{KvType::F16, 4, 2, 64}, AttentionCase{KvType::F16, 4, 1, 128, 4000},
                      AttentionCase{KvType::F16, 2, 1, 96}, AttentionCase{KvType::Q8_0, 3, 1, 128},
                      AttentionCase{KvType::Q8_0, 2, 1, 64, 1000}, AttentionCase{KvType::Q4_0, 4, 2, 128}));

TEST(PromptRows, AreTheSameBytesWhetherABlockTakesAllSplitsOrOne) {
    const AttentionWorld world({KvType::F16, 32, 8, 128}, {{0, 2700}}, {0, 2700});
    const auto tokens = world.makeTokens();
    const auto whole = world.runChunks(gpu(), tokens, {2700}),
               parts = world.runChunks(gpu(), tokens, {1000, 1000, 100, 300, 7});
    EXPECT_EQ(0, std::memcmp(whole.data(), parts.data(), whole.size() * sizeof(float)))
        << "they differ by " << relativeError(parts, whole);
}

/// Differences of one rounding in a float show in one of 65,536 values once those are halves or bytes, so
/// this looks at millions of values in random chunkings. ALCOVE_TEST_ROUNDS sets how many rounds (8).
TEST(PromptRows, AreTheSameBytesInManyRandomChunkings) {
    const char* asked = std::getenv("ALCOVE_TEST_ROUNDS");
    const int rounds = asked != nullptr ? std::atoi(asked) : 8;
    const AttentionCase shapes[] = {{KvType::F16, 9, 3, 64},
                                    {KvType::F16, 32, 8, 128},
                                    {KvType::Q8_0, 16, 4, 128, 70},
                                    {KvType::F16, 8, 2, 96},
                                    {KvType::Q4_0, 14, 2, 64, 0, 15.0F}};
    for (int round = 0; round < rounds; ++round)
        for (const AttentionCase& shape : shapes) {
            const int stored = static_cast<int>(random().next() % 200),
                      rows = 40 + static_cast<int>(random().next() % 90);
            const AttentionWorld world(shape, {{stored, rows}, {50, 1}}, {0, rows + 1});
            const auto tokens = world.makeTokens();
            std::vector<int> chunks;
            for (int i = 0; i < rows; ++i) chunks.push_back(1 + static_cast<int>(random().next() % 40));
            const auto whole = world.runChunks(gpu(), tokens, {rows}),
                       parts = world.runChunks(gpu(), tokens, chunks, round % 2 == 1);
            ASSERT_EQ(0, std::memcmp(whole.data(), parts.data(), whole.size() * sizeof(float)))
                << "round " << round << ", heads of " << shape.dim << ", " << stored << " stored, " << rows
                << " rows, first chunk " << chunks[0] << ": they differ by " << relativeError(parts, whole);
        }
}

struct RopeCase {
    RopePairs pairs;
    int dim, dimensions;
    float magnitude;
    bool norms;
};

TEST(RopeStoreOnTheCard, RotatesQueriesAsTheCpuDoesAtEveryPosition) {
    constexpr int kRows = 7, kHeads = 3;
    for (const RopeCase& c : {RopeCase{RopePairs::Halves, 64, 64, 1.0F, false},
                              {RopePairs::Interleaved, 128, 128, 1.0F, false},
                              {RopePairs::Halves, 96, 32, 1.3F, true},
                              {RopePairs::Interleaved, 80, 20, 0.9F, false},
                              {RopePairs::Halves, 256, 256, 1.0F, true}}) {
        const int width = (kHeads + 2) * c.dim;
        const auto rows = floats(static_cast<size_t>(kRows * width));
        const auto norm = floats(static_cast<size_t>(c.dim));
        std::vector<float> frequencies;
        for (int i = 0; i < c.dimensions / 2; ++i)
            frequencies.push_back(
                std::pow(500000.0F, -2.0F * static_cast<float>(i) / static_cast<float>(c.dimensions)));
        const std::vector<int32_t> positions{0, 1, 17, 4095, 32768, 131000, 1000003}, starts{0, kRows},
            lengths{1000004}, tableStart{0, 1}, table{0}, slots{0, 1, 2, 3, 4, 5, 6};
        std::vector<float> rotated[2];
        for (const int which : {0, 1}) {
            Ops& ops = which == 0 ? cpu() : gpu();
            KvLayer layer{nullptr, KvType::F16, 1, c.dim, c.dim, 16};
            const DeviceBuffer pool = ops.allocate(layer.blockBytes());
            layer.base = pool.as<std::byte>();
            const DeviceBuffer x = onDevice(ops, rows), p = onDevice(ops, positions),
                               r = onDevice(ops, starts), l = onDevice(ops, lengths),
                               ts = onDevice(ops, tableStart), tb = onDevice(ops, table),
                               sl = onDevice(ops, slots), f = onDevice(ops, frequencies),
                               n = onDevice(ops, norm);
            const StepRows step{{kRows, 0},      1,     p.as<int32_t>(), r.as<int32_t>(),
                                l.as<int32_t>(), kRows, 1000004};
            RopeStore store;
            store.query = x.as<float>();
            store.key = store.query + kHeads * c.dim;
            store.value = store.key + c.dim;
            store.queryStride = store.keyStride = store.valueStride = width;
            store.numHeads = kHeads;
            if (c.norms) store.queryNorm = store.keyNorm = n.as<float>();
            store.normEpsilon = 1e-6F;
            store.pairs = c.pairs;
            store.dimensions = c.dimensions;
            const DeviceBuffer rotations =
                ops.allocate(positions.size() * static_cast<size_t>(c.dimensions) * sizeof(float));
            ops.rotations(rotations.as<float>(), {c.pairs, c.dimensions, f.as<float>(), c.magnitude},
                          step.positions, kRows);
            store.rotations = rotations.as<float>();
            ops.ropeStore(store, layer, step, {ts.as<int32_t>(), tb.as<int32_t>(), sl.as<int32_t>()});
            const auto all = read(ops, x, rows.size());
            for (int row = 0; row < kRows; ++row)
                rotated[which].insert(rotated[which].end(), all.begin() + row * width,
                                      all.begin() + row * width + kHeads * c.dim);
        }
        EXPECT_LT(relativeError(rotated[1], rotated[0]), kFloatTolerance) << c.dim << ", " << c.dimensions;
    }
}

}  // namespace
}  // namespace kernels::testing
