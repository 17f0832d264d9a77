#include "engine/runtime/device.h"

#include "kernels/cpu/cpu_ops.h"
#include "kernels/cuda_plugin.h"

namespace engine {

Result<std::unique_ptr<kernels::Ops>> openDevice(DeviceChoice choice, int threads, ComputeChoice compute) {
    if (choice == DeviceChoice::Cuda || (choice == DeviceChoice::Best && compute == ComputeChoice::Int8)) {
        const kernels::CudaReport report = kernels::findCudaDevice();
        if (report.usable) {
            try {
                return kernels::makeCudaOps();
            } catch (const std::exception& problem) {
                if (choice == DeviceChoice::Cuda)
                    return fail(ErrorCode::OutOfMemory, "--device cuda: {}; use --device cpu",
                                problem.what());
            }
        } else if (choice == DeviceChoice::Cuda) {
            return fail(ErrorCode::NotFound, "--device cuda: {}; use --device cpu", report.reason);
        }
    }
    kernels::CpuOptions options;
    options.threads = threads;
    options.compute = compute == ComputeChoice::Float ? kernels::Compute::Float : kernels::Compute::Int8;
    return kernels::makeCpuOps(options);
}

}  // namespace engine
