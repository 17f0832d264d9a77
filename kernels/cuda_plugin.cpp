#include "kernels/cuda_plugin.h"

#include <dlfcn.h>

#include <stdexcept>

#include "kernels/cuda/plugin_abi.h"

namespace kernels {
namespace {

struct Plugin {
    const CudaPluginTable* table = nullptr;
    std::string reason;
};

std::filesystem::path programFolder() {
    std::error_code error;
    const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
    return error ? std::filesystem::current_path() : program.parent_path();
}

Plugin openPlugin() {
    const std::filesystem::path folder = programFolder();
    std::string lastError;
    for (const auto& candidate : {folder / kCudaPluginFile, folder / "../lib/alcove" / kCudaPluginFile}) {
        if (!std::filesystem::exists(candidate)) continue;
        void* library = dlopen(candidate.c_str(), RTLD_NOW | RTLD_LOCAL);
        if (library == nullptr) {
            lastError = dlerror();
            continue;
        }
        auto* entry = reinterpret_cast<CudaPluginEntry>(dlsym(library, kCudaPluginEntryName));
        const CudaPluginTable* table = entry != nullptr ? entry() : nullptr;
        if (table == nullptr || table->abiVersion != kCudaPluginAbi)
            return {nullptr, "the CUDA plug-in " + candidate.string() +
                                 " belongs to another version of Alcove; reinstall"};
        return {table, {}};
    }
    if (!lastError.empty()) return {nullptr, "the CUDA plug-in cannot be opened (" + lastError + ")"};
    return {nullptr, "this build has no CUDA plug-in (libalcove_cuda.so)"};
}

const Plugin& plugin() {
    static const Plugin opened = openPlugin();
    return opened;
}

}  // namespace

CudaReport findCudaDevice() {
    CudaReport report;
    if (plugin().table == nullptr)
        report.reason = plugin().reason;
    else
        plugin().table->find(&report);
    return report;
}

std::unique_ptr<Ops> makeCudaOps() {
    const CudaReport report = findCudaDevice();
    if (!report.usable) throw std::runtime_error(report.reason);
    return std::unique_ptr<Ops>(plugin().table->makeOps());
}

}  // namespace kernels
