#include <cuda_runtime.h>

#include "kernels/cuda/cuda_ops.h"
#include "kernels/cuda/plugin_abi.h"

namespace kernels {
namespace {

void findDevice(CudaReport* report) {
    cudaDriverGetVersion(&report->driverVersion);
    cudaRuntimeGetVersion(&report->runtimeVersion);
    if (report->driverVersion == 0) {
        report->reason = "no NVIDIA driver is installed";
        return;
    }
    int devices = 0;
    const cudaError_t status = cudaGetDeviceCount(&devices);
    if (status == cudaErrorInsufficientDriver) {
        report->reason = "the NVIDIA driver supports CUDA " + std::to_string(report->driverVersion / 1000) +
                         "." + std::to_string(report->driverVersion % 1000 / 10) + ", but Alcove needs " +
                         std::to_string(report->runtimeVersion / 1000) + ".0 or later; update the driver";
        return;
    }
    if (status != cudaSuccess || devices == 0) {
        report->reason = std::string("no NVIDIA GPU can be used (") + cudaGetErrorString(status) + ")";
        return;
    }
    cudaDeviceProp properties{};
    if (const cudaError_t read = cudaGetDeviceProperties(&properties, 0); read != cudaSuccess) {
        report->reason = std::string("the NVIDIA GPU does not answer (") + cudaGetErrorString(read) + ")";
        return;
    }
    report->deviceName = properties.name;
    report->computeMajor = properties.major;
    report->computeMinor = properties.minor;
    if (properties.major * 10 + properties.minor < 75) {
        report->reason = report->deviceName + " has compute capability " + std::to_string(properties.major) +
                         "." + std::to_string(properties.minor) + ", but Alcove needs 7.5";
        return;
    }
    if (const cudaError_t asked = cudaMemGetInfo(&report->freeBytes, &report->totalBytes);
        asked != cudaSuccess) {
        report->reason = report->deviceName + " cannot be opened (" + cudaGetErrorString(asked) + ")";
        return;
    }
    report->usable = true;
}

}  // namespace
}  // namespace kernels

extern "C" __attribute__((visibility("default"))) const kernels::CudaPluginTable* alcoveCudaPlugin() {
    static const kernels::CudaPluginTable table{kernels::kCudaPluginAbi, kernels::findDevice,
                                                kernels::newCudaOps};
    return &table;
}
