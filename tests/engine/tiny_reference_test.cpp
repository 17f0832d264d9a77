// The forward pass against a float64 evaluation of the same dequantised weights (tests/tools/tiny_golden.py).
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/engine/support/model_runner.h"
#include "tests/engine/support/tiny_shapes.h"

namespace engine::testing {
namespace {

/// Of each position's negative log-likelihood, in nats.
constexpr double kFloatTolerance = 1e-4;
/// Of the mean and of the mean absolute difference, with int8 activations and KV in halves. Random weights
/// amplify more than trained ones.
constexpr double kInt8MeanTolerance = 0.05, kInt8AbsoluteTolerance = 0.2;

uint32_t crc32(const std::vector<std::byte>& bytes) {
    uint32_t crc = 0xFFFFFFFFU;
    for (const std::byte byte : bytes) {
        crc ^= static_cast<uint32_t>(byte);
        for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1U) != 0 ? 0xEDB88320U : 0U);
    }
    return ~crc;
}

const nlohmann::json& goldenModels() {
    static const nlohmann::json golden = [] {
        std::ifstream file(std::string(ALCOVE_TEST_DATA) + "/data/reference/tiny_golden.json");
        return nlohmann::json::parse(file, nullptr, false);
    }();
    return golden["models"];
}

/// What tests/tools/tiny_golden.py reads.
void writeForTheOracle(const std::string& folder, const NamedShape& named) {
    const auto bytes = tinyModelFile(named.shape);
    std::ofstream(folder + "/" + named.name + ".gguf", std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    std::ofstream(folder + "/" + named.name + ".ids") << nlohmann::json(tinyGoldenIds(named.shape)).dump();
}

class TinyReference : public ::testing::TestWithParam<NamedShape> {
  protected:
    void SetUp() override {
        if (const char* folder = std::getenv("ALCOVE_WRITE_TINY_MODELS"))
            writeForTheOracle(folder, GetParam());
        ASSERT_TRUE(goldenModels().contains(GetParam().name)) << "run tests/tools/tiny_golden.py";
        golden_ = goldenModels()[GetParam().name];
        ASSERT_EQ(golden_["crc32"].get<uint32_t>(), crc32(tinyModelFile(GetParam().shape)))
            << "the golden scores are of another file; run tests/tools/tiny_golden.py";
        ids_ = tinyGoldenIds(GetParam().shape);
    }
    nlohmann::json golden_;
    std::vector<int32_t> ids_;
};

TEST_P(TinyReference, FloatPathEqualsTheFloat64Evaluation) {
    ModelRunner runner(GetParam().shape, {});
    const auto logits = runner.run(ids_);
    const auto nll = negativeLogLikelihoods(logits, ids_, runner.vocabulary());
    const auto expected = golden_["nll"].get<std::vector<double>>();
    ASSERT_EQ(nll.size(), expected.size());
    for (size_t i = 0; i < nll.size(); ++i) ASSERT_NEAR(nll[i], expected[i], kFloatTolerance) << i;
    const auto top1 = golden_["top1"].get<std::vector<int>>();
    int equal = 0;
    for (size_t i = 0; i < top1.size(); ++i)
        equal += likeliest(logits.data() + i * static_cast<size_t>(runner.vocabulary()),
                           runner.vocabulary()) == top1[i];
    EXPECT_GE(equal, static_cast<int>(top1.size()) - 1);  // two logits may lie closer than a float tells
}

TEST_P(TinyReference, Int8PathStaysNearTheFloat64Evaluation) {
    RunnerOptions options;
    options.compute = kernels::Compute::Int8;
    options.kvType = KvType::F16;
    options.threads = 2;
    ModelRunner runner(GetParam().shape, options);
    const auto nll = negativeLogLikelihoods(runner.run(ids_), ids_, runner.vocabulary());
    const auto expected = golden_["nll"].get<std::vector<double>>();
    double sum = 0.0, absolute = 0.0;
    for (size_t i = 0; i < nll.size(); ++i) {
        sum += nll[i] - expected[i];
        absolute += std::abs(nll[i] - expected[i]);
    }
    const auto count = static_cast<double>(nll.size());
    RecordProperty("meanDifference", std::to_string(sum / count));
    RecordProperty("meanAbsoluteDifference", std::to_string(absolute / count));
    EXPECT_LT(std::abs(sum) / count, kInt8MeanTolerance);
    EXPECT_LT(absolute / count, kInt8AbsoluteTolerance);
}

INSTANTIATE_TEST_SUITE_P(Shapes, TinyReference, ::testing::ValuesIn(tinyShapes()),
                         [](const auto& instance) { return instance.param.name; });

}  // namespace
}  // namespace engine::testing
