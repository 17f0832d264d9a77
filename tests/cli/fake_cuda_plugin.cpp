// A CUDA plug-in for machines without a card: the CPU under a card's name, misbehaving as $ALCOVE_FAKE_CARD
// asks. tests/cli/device_failures_test.py puts it beside a copy of alcove-cli.
#include <cstdlib>
#include <string>

#include "kernels/cpu/cpu_ops.h"
#include "kernels/cuda/plugin_abi.h"
#include "tests/engine/support/pretend_card.h"

namespace {

std::string behaviour() {
    const char* asked = std::getenv("ALCOVE_FAKE_CARD");
    return asked != nullptr ? asked : "";
}

void find(kernels::CudaReport* report) {
    report->deviceName = "Fake Card";
    if (behaviour() == "old-driver") {
        report->reason =
            "the NVIDIA driver supports CUDA 11.4, but Alcove needs 13.0 or later; update the driver";
        return;
    }
    report->usable = true;
}

kernels::Ops* makeOps() {
    if (behaviour() == "full") throw kernels::OutOfDeviceMemory("the GPU has no room for its workspace");
    if (behaviour() == "dead") throw std::runtime_error("CUDA: making a stream: unknown error");
    static engine::testing::CardMemory memory;
    static engine::testing::Fault fault;
    if (behaviour() == "small") memory.freeBytes = size_t{1} << 20;
    if (behaviour() == "filled") memory.failAfter = 12;
    if (behaviour().rfind("lost-", 0) == 0) fault.lostAfter = std::atoi(behaviour().c_str() + 5);
    return new engine::testing::PretendCard(kernels::makeCpuOps({}), memory, fault);
}

}  // namespace

extern "C" __attribute__((visibility("default"))) const kernels::CudaPluginTable* alcoveCudaPlugin() {
    static const kernels::CudaPluginTable table{
        behaviour() == "other-version" ? kernels::kCudaPluginAbi + 1 : kernels::kCudaPluginAbi, find,
        makeOps};
    return &table;
}
