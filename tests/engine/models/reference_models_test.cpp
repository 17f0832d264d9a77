// Real models against float64 evaluations of the same dequantised weights (tests/tools/reference_score.py),
// pooled over English, code, other scripts and emoji. Needs $ALCOVE_MODELS, a folder with the files named
// below.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "engine/runtime/engine.h"

namespace engine {
namespace {

constexpr size_t kLeastPositions = 2000;  ///< of each text; four of Gemma's windows
constexpr double kInt8NllTolerance = 0.01, kFloatNllTolerance = 0.0005;
constexpr double kFloatTop1 = 0.995;

struct ReferenceModel {
    const char* name;
    const char* file;    ///< in $ALCOVE_MODELS
    const char* golden;  ///< in tests/data/reference/golden
    double int8Top1;     ///< least share of positions with the same likeliest token
};

void PrintTo(const ReferenceModel& model, std::ostream* out) {
    *out << model.name;
}

nlohmann::json readGolden(const std::string& name) {
    const std::string command =
        "gzip -dc '" + std::string(ALCOVE_TEST_DATA) + "/data/reference/golden/" + name + "'";
    std::string text;
    if (std::FILE* pipe = popen(command.c_str(), "r")) {
        char part[65536];
        while (const size_t count = std::fread(part, 1, sizeof part, pipe)) text.append(part, count);
        pclose(pipe);
    }
    return nlohmann::json::parse(text, nullptr, false);
}

/// How far scores lie from the reference.
class Distance {
  public:
    void addScore(double difference) {
        ++scores_;
        difference_ += difference;
        absolute_ += std::abs(difference);
    }
    void addLikeliest(bool equal) {
        ++positions_;
        equal_ += equal ? 1 : 0;
    }
    Distance& operator+=(const Distance& other) {
        scores_ += other.scores_;
        positions_ += other.positions_;
        equal_ += other.equal_;
        difference_ += other.difference_;
        absolute_ += other.absolute_;
        return *this;
    }
    double meanDifference() const { return difference_ / static_cast<double>(scores_); }
    double sameLikeliest() const { return static_cast<double>(equal_) / static_cast<double>(positions_); }
    void print(const std::string& name) const {
        std::printf(
            "  %-8s %6zu positions: mean difference %+.5f nats, absolute %.5f, same likeliest %.2f %%\n",
            name.c_str(), positions_, meanDifference(), absolute_ / static_cast<double>(scores_),
            sameLikeliest() * 100.0);
    }

  private:
    size_t scores_ = 0, positions_ = 0, equal_ = 0;
    double difference_ = 0.0, absolute_ = 0.0;  ///< sums, nats
};

class ReferenceModels : public ::testing::TestWithParam<ReferenceModel> {
  protected:
    void SetUp() override {
        const char* folder = std::getenv("ALCOVE_MODELS");
        ASSERT_NE(folder, nullptr) << "set ALCOVE_MODELS to the folder with " << GetParam().file;
        model_ = std::filesystem::path(folder) / GetParam().file;
        golden_ = readGolden(GetParam().golden);
        ASSERT_TRUE(golden_.is_object()) << "the golden scores cannot be read";
    }

    std::unique_ptr<Engine> load(ComputeChoice compute) const {
        EngineOptions options;
        options.model = model_;
        options.device = DeviceChoice::Cpu;
        options.compute = compute;
        options.contextTokens = 8192;
        options.maxLogitRows = 128;
        auto engine = Engine::load(options);
        if (!engine) throw std::runtime_error(engine.error().message);
        return std::move(*engine);
    }

    /// Over all texts together: mean difference of the negative log-likelihoods, share of equal tokens.
    void expectNear(ComputeChoice compute, double nllTolerance, double leastTop1) {
        const auto engine = load(compute);
        Distance all;
        for (const auto& [name, text] : golden_["texts"].items()) {
            const auto ids = text["ids"].get<std::vector<TokenId>>();
            EXPECT_GE(ids.size(), kLeastPositions) << name;
            const auto score = engine->score(ids, 0);
            ASSERT_TRUE(score) << score.error().message;
            const auto nll = text["nll"].get<std::vector<double>>();
            const auto top1 = text["top1"].get<std::vector<TokenId>>();
            ASSERT_EQ(score->nll.size(), nll.size());
            ASSERT_EQ(score->likeliest.size(), top1.size());
            Distance one;
            for (size_t i = 0; i < nll.size(); ++i) one.addScore(score->nll[i] - nll[i]);
            for (size_t i = 0; i < top1.size(); ++i) one.addLikeliest(score->likeliest[i] == top1[i]);
            one.print(name);
            all += one;
        }
        all.print("all");
        EXPECT_LT(std::abs(all.meanDifference()), nllTolerance);
        EXPECT_GE(all.sameLikeliest(), leastTop1);
    }

    std::filesystem::path model_;
    nlohmann::json golden_;
};

TEST_P(ReferenceModels, Int8ActivationsStayNearTheFloat64Evaluation) {
    expectNear(ComputeChoice::Int8, kInt8NllTolerance, GetParam().int8Top1);
}

TEST_P(ReferenceModels, FloatPathIsTheFloat64Evaluation) {
    expectNear(ComputeChoice::Float, kFloatNllTolerance, kFloatTop1);
}

TEST_P(ReferenceModels, RowsAtATimeChangeNoBitOfAScore) {
    const auto engine = load(ComputeChoice::Int8);
    auto ids = golden_["texts"]["code"]["ids"].get<std::vector<TokenId>>();
    ids.resize(300);
    const auto whole = engine->score(ids, 0);
    ASSERT_TRUE(whole);
    for (const int rows : {1, 7}) {
        const auto parts = engine->score(ids, rows);
        ASSERT_TRUE(parts);
        EXPECT_EQ(parts->nll, whole->nll) << rows;
        EXPECT_EQ(parts->likeliest, whole->likeliest) << rows;
    }
}

INSTANTIATE_TEST_SUITE_P(
    Real, ReferenceModels,
    ::testing::Values(ReferenceModel{"SmolLM2", "smollm2.gguf", "smollm2.json.gz", 0.95},
                      ReferenceModel{"Qwen05B", "qwen-draft.gguf", "qwen2.5-coder-0.5b.json.gz", 0.97},
                      ReferenceModel{"Gemma270M", "gemma3.gguf", "gemma-3-270m.json.gz", 0.95}),
    [](const auto& instance) { return std::string(instance.param.name); });

}  // namespace
}  // namespace engine
