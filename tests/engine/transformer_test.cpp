// A row's logits never depend on how its text was cut into steps or on what else a step computes: bit by bit.
#include <gtest/gtest.h>

#include <cstring>

#include "tests/engine/support/model_runner.h"
#include "tests/engine/support/tiny_shapes.h"

namespace engine::testing {
namespace {

struct Case {
    std::string name;
    TinyModel shape;
    RunnerOptions options;
};

std::vector<Case> cases() {
    std::vector<Case> all;
    for (const NamedShape& named : tinyShapes()) {
        if (named.name != "LlamaGqaTied" && named.name != "Qwen3Gqa" && named.name != "Gemma3Windows" &&
            named.name != "TypeQ4_K" && named.name != "TypeQ6_K" && named.name != "TypeQ4_1")
            continue;
        for (const KvType kv : {KvType::F32, KvType::F16, KvType::Q8_0, KvType::Q4_0}) {
            if (kv == KvType::Q4_0 && named.name != "TypeQ4_K") continue;
            const bool exact = kv == KvType::F32;
            RunnerOptions options;
            options.compute = exact ? kernels::Compute::Float : kernels::Compute::Int8;
            options.kvType = kv;
            const char* suffix = exact                ? "Float"
                                 : kv == KvType::F16  ? "F16"
                                 : kv == KvType::Q8_0 ? "Q8"
                                                      : "Q4";
            all.push_back({named.name + suffix, named.shape, options});
        }
    }
    return all;
}

void expectSameBits(const std::vector<float>& a, const std::vector<float>& b) {
    ASSERT_EQ(a.size(), b.size());
    ASSERT_EQ(std::memcmp(a.data(), b.data(), a.size() * sizeof(float)), 0);
}

class TransformerRows : public ::testing::TestWithParam<Case> {
  protected:
    ModelRunner runner(bool scatter, int threads) const {
        RunnerOptions options = GetParam().options;
        options.scatterBlocks = scatter;
        options.threads = threads;
        return {GetParam().shape, options};
    }
    std::vector<int32_t> ids(int count, uint64_t seed) const {
        return tinyIds(count, GetParam().shape.vocabulary, seed);
    }
};

TEST_P(TransformerRows, WholeChunkedAndRowByRowGiveTheSameBits) {
    const auto text = ids(83, 5);
    const auto whole = runner(false, 1).run(text);
    for (const int chunk : {1, 7, 16, 33}) {
        SCOPED_TRACE(chunk);
        expectSameBits(runner(false, 1).run(text, chunk), whole);
    }
    expectSameBits(runner(false, 3).run(text), whole);
}

TEST_P(TransformerRows, CompanyAndScatteredBlocksChangeNoBit) {
    const auto a = ids(60, 1), b = ids(45, 2), c = ids(30, 3);
    const auto aloneA = runner(false, 1).run(a), aloneB = runner(false, 1).run(b),
               aloneC = runner(false, 1).run(c);
    const auto part = [](const std::vector<int32_t>& all, int from, int to) {
        return std::vector<int32_t>(all.begin() + from, all.begin() + to);
    };
    ModelRunner together = runner(true, 2);
    std::vector<std::vector<float>> got(3);
    const auto step = [&](const std::vector<ModelRunner::Piece>& pieces) {
        const auto logits = together.step(pieces);
        auto from = logits.begin();
        for (const ModelRunner::Piece& piece : pieces) {
            const auto to = from + static_cast<std::ptrdiff_t>(piece.ids.size()) * together.vocabulary();
            auto& own = got[static_cast<size_t>(piece.sequence)];
            own.insert(own.end(), from, to);
            from = to;
        }
    };
    step({{0, part(a, 0, 20)}, {1, part(b, 0, 3)}});
    step({{1, part(b, 3, 4), true}, {0, part(a, 20, 41)}, {2, part(c, 0, 17)}});
    step({{0, part(a, 41, 42), true}, {1, part(b, 4, 8), true}, {2, part(c, 17, 29)}});
    step({{2, part(c, 29, 30), true}, {0, part(a, 42, 60)}});
    step({{1, part(b, 8, 45)}});
    expectSameBits(got[0], aloneA);
    expectSameBits(got[1], aloneB);
    expectSameBits(got[2], aloneC);
}

TEST_P(TransformerRows, PausesBetweenLayersChangeNoBit) {
    const auto prompt = ids(70, 1), other = ids(12, 2);
    const auto part = [](const std::vector<int32_t>& all, int from, int to) {
        return std::vector<int32_t>(all.begin() + from, all.begin() + to);
    };
    // The blocks are taken in the same order in both, so that the pools can be compared.
    ModelRunner whole = runner(false, 1), paused = runner(false, 2);
    for (ModelRunner* one : {&whole, &paused}) {
        one->step({{0, part(other, 0, 6)}});
        one->step({{1, part(prompt, 0, 20)}});
    }
    const auto expected = whole.step({{1, part(prompt, 20, 70)}});
    paused.begin({{1, part(prompt, 20, 70)}});
    std::optional<std::vector<float>> got;
    for (int at = 6; !got; ++at) {
        got = paused.advance(1);
        if (at >= 12) continue;
        // Somebody else's decode step goes through between two layers.
        expectSameBits(paused.step({{0, part(other, at, at + 1), true}}),
                       whole.step({{0, part(other, at, at + 1), true}}));
    }
    expectSameBits(*got, expected);
    EXPECT_TRUE(whole.kv() == paused.kv());
}

INSTANTIATE_TEST_SUITE_P(Models, TransformerRows, ::testing::ValuesIn(cases()),
                         [](const auto& instance) { return instance.param.name; });

}  // namespace
}  // namespace engine::testing
