#include <gtest/gtest.h>

#include <cstdio>

#include "kernels/cuda_plugin.h"
#include "tests/engine/support/engine_driver.h"
#include "tests/engine/support/failing_ops.h"

/// A card that is really lost: a kernel reads an address that is not its own, after which every call of this
/// process to the card fails. So that other tests keep theirs, it happens in a process of its own.
namespace engine {
namespace {

using testing::EngineDriver;
using testing::Fault;
using testing::TinyChatModel;

/// The card, which a wild read kills when told to.
class DyingCard final : public testing::FailingOps {
  public:
    DyingCard(std::unique_ptr<kernels::Ops> real, Fault& fault, bool& dies)
        : FailingOps(std::move(real), fault), dies_(dies) {}

    void embed(float* out, const kernels::Weight& table, const int32_t* ids, float scale, int rows) override {
        const auto* wild = reinterpret_cast<const int32_t*>(uintptr_t{0x10});
        FailingOps::embed(out, table, dies_ ? wild : ids, scale, rows);
    }

  private:
    bool& dies_;
};

/// 0: as it should be.
int loseTheCard() {
    const auto wrong = [](const std::string& what) {
        std::fprintf(stderr, "%s\n", what.c_str());
        return 1;
    };
    const TinyChatModel model;
    Fault fault;
    bool dies = false;
    EngineOptions options = EngineDriver::options(model);
    options.device = DeviceChoice::Cuda;
    options.hostCacheBytes = size_t{1} << 20;
    options.wrapDevice = [&](std::unique_ptr<kernels::Ops> ops) {
        return std::make_unique<DyingCard>(std::move(ops), fault, dies);
    };
    EngineDriver driver(options);
    if (driver.run(EngineDriver::ask("hello", 8)).ids.size() != 8) return wrong("it does not run");
    const RequestId running = driver.engine->submit(EngineDriver::ask("a long story", 200));
    while (driver.outcomes[running].ids.size() < 5) driver.step();
    dies = true;
    const std::string first = driver.run(running).error;
    if (first.find("CUDA") == std::string::npos || first.find("the CPU") == std::string::npos)
        return wrong("the running request ends with: " + first);
    dies = false;
    const std::string second = driver.run(EngineDriver::ask("and now?", 4)).error;
    if (second.find("the CPU") == std::string::npos) return wrong("the next one ends with: " + second);
    const kernels::CudaReport report = kernels::findCudaDevice();
    if (report.usable || report.reason.empty()) return wrong("the card counts as usable");
    auto again = Engine::load(options);
    if (again || again.error().message.find("--device cpu") == std::string::npos)
        return wrong("loading again says: " + (again ? "nothing" : again.error().message));
    EngineDriver onCpu(EngineDriver::options(model));
    if (onCpu.run(EngineDriver::ask("hello", 8)).ids.size() != 8) return wrong("the CPU does not run");
    return 0;
}

TEST(LostCardDeathTest, EndsItsRequestsAndTheSameProgramGoesOnOnTheCpu) {
    ::testing::GTEST_FLAG(death_test_style) = "threadsafe";  // the child must not inherit a card
    EXPECT_EXIT(std::exit(loseTheCard()), ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace engine
