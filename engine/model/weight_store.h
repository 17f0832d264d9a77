#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/gguf/gguf_file.h"
#include "engine/model/transformer.h"

namespace engine {

/// Brings a file's tensors to a device by name, checking their shapes, and counts what has been brought.
/// Problems are remembered, the first one wins, so that a list of tensors can be asked for without a check at
/// each.
class WeightStore {
  public:
    WeightStore(const GgufFile& file, kernels::Ops& ops, const LoadProgress& progress);

    /// A matrix [rows, columns]; null (and a problem) when missing or misshapen.
    std::unique_ptr<kernels::Weight> matrix(const std::string& name, int rows, int columns);
    bool has(const std::string& name) const { return file_.tensor(name) != nullptr; }
    /// A vector of `size` floats, whatever its stored type; empty and a problem when missing.
    kernels::DeviceBuffer vector(const std::string& name, int size);
    kernels::DeviceBuffer optionalVector(const std::string& name, int size);
    /// The values of a vector on the host; empty when missing.
    std::vector<float> hostVector(const std::string& name) const;

    size_t bytesDone() const { return bytesDone_; }
    const std::optional<Error>& problem() const { return problem_; }

  private:
    void note(ErrorCode code, std::string message);
    const GgufFile& file_;
    kernels::Ops& ops_;
    const LoadProgress& progress_;
    size_t bytesDone_ = 0, bytesTotal_ = 0;
    std::optional<Error> problem_;
};

}  // namespace engine
