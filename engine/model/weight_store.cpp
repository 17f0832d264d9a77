#include "engine/model/weight_store.h"

namespace engine {

WeightStore::WeightStore(const GgufFile& file, kernels::Ops& ops, const LoadProgress& progress)
    : file_(file), ops_(ops), progress_(progress) {
    for (const GgufTensor& tensor : file.tensors()) bytesTotal_ += tensor.bytes;
}

void WeightStore::note(ErrorCode code, std::string message) {
    if (!problem_) problem_ = Error{code, fmt::format("{}: {}", file_.path().string(), std::move(message))};
}

std::unique_ptr<kernels::Weight> WeightStore::matrix(const std::string& name, int rows, int columns) {
    if (problem_) return nullptr;
    const GgufTensor* tensor = file_.tensor(name);
    if (tensor == nullptr) {
        note(ErrorCode::InvalidFile, fmt::format("the tensor '{}' is missing", name));
        return nullptr;
    }
    if (tensor->rows() != static_cast<uint64_t>(rows) || tensor->cols() != static_cast<uint64_t>(columns)) {
        note(ErrorCode::InvalidFile,
             fmt::format("the tensor '{}' is {} x {}, but the metadata asks for {} x {}", name,
                         tensor->rows(), tensor->cols(), rows, columns));
        return nullptr;
    }
    auto weight = ops_.loadWeight({tensor->dtype, tensor->rows(), tensor->cols(), tensor->data});
    bytesDone_ += tensor->bytes;
    if (progress_ && !progress_(bytesDone_, bytesTotal_)) note(ErrorCode::Cancelled, "loading was given up");
    return weight;
}

std::vector<float> WeightStore::hostVector(const std::string& name) const {
    const GgufTensor* tensor = file_.tensor(name);
    if (tensor == nullptr) return {};
    std::vector<float> values(tensor->elements());
    for (uint64_t row = 0; row < tensor->rows(); ++row)
        kernels::dequantizeRow(tensor->dtype,
                               tensor->data + row * kernels::rowBytes(tensor->dtype, tensor->cols()),
                               values.data() + row * tensor->cols(), tensor->cols());
    return values;
}

kernels::DeviceBuffer WeightStore::vector(const std::string& name, int size) {
    if (problem_) return {};
    const std::vector<float> values = hostVector(name);
    if (values.size() != static_cast<size_t>(size)) {
        note(ErrorCode::InvalidFile,
             values.empty() ? fmt::format("the tensor '{}' is missing", name)
                            : fmt::format("the tensor '{}' has {} values, but the metadata asks for {}", name,
                                          values.size(), size));
        return {};
    }
    kernels::DeviceBuffer buffer = ops_.allocate(values.size() * sizeof(float));
    ops_.upload(buffer.data(), values.data(), buffer.bytes());
    return buffer;
}

kernels::DeviceBuffer WeightStore::optionalVector(const std::string& name, int size) {
    return has(name) ? vector(name, size) : kernels::DeviceBuffer{};
}

}  // namespace engine
