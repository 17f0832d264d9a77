#include "tests/engine/support/gguf_builder.h"

#include <fstream>
#include <stdexcept>

#include "engine/gguf/element_types.h"

namespace engine::testing {
namespace {

constexpr uint32_t kString = 8;
constexpr uint32_t kArray = 9;

template <class T>
void put(std::string& out, T value) {
    out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void putString(std::string& out, std::string_view text) {
    put(out, uint64_t{text.size()});
    out.append(text);
}

void padTo(std::string& out, uint32_t alignment) {
    while (out.size() % alignment != 0) out.push_back('\0');
}

}  // namespace

GgufBuilder& GgufBuilder::set(std::string_view key, std::string_view value) {
    std::string bytes;
    putString(bytes, value);
    return addValue(key, kString, bytes);
}

GgufBuilder& GgufBuilder::set(std::string_view key, const std::vector<std::string>& values) {
    std::string bytes;
    for (const std::string& value : values) putString(bytes, value);
    return addArray(key, kString, values.size(), bytes);
}

GgufBuilder& GgufBuilder::addValue(std::string_view key, uint32_t type, std::string_view valueBytes) {
    putString(metadata_, key);
    put(metadata_, type);
    metadata_.append(valueBytes);
    ++keyCount_;
    return *this;
}

GgufBuilder& GgufBuilder::addArray(std::string_view key, uint32_t elementType, uint64_t count,
                                   std::string_view bytes) {
    std::string value;
    put(value, elementType);
    put(value, count);
    value.append(bytes);
    return addValue(key, kArray, value);
}

GgufBuilder& GgufBuilder::tensor(std::string_view name, kernels::DType dtype, std::vector<uint64_t> shape,
                                 std::span<const std::byte> bytes) {
    padTo(data_, alignment_);
    rawTensor(name, ggmlTypeNumber(dtype), std::move(shape), data_.size());
    data_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    padTo(data_, alignment_);
    return *this;
}

GgufBuilder& GgufBuilder::tensor(std::string_view name, std::vector<uint64_t> shape,
                                 const std::vector<float>& values) {
    return tensor(name, kernels::DType::F32, std::move(shape), std::as_bytes(std::span(values)));
}

GgufBuilder& GgufBuilder::rawTensor(std::string_view name, uint32_t type, std::vector<uint64_t> shape,
                                    uint64_t offset) {
    putString(tensorInfos_, name);
    put(tensorInfos_, static_cast<uint32_t>(shape.size()));
    for (uint64_t extent : shape) put(tensorInfos_, extent);
    put(tensorInfos_, type);
    put(tensorInfos_, offset);
    ++tensorCount_;
    return *this;
}

GgufBuilder& GgufBuilder::version(uint32_t version) {
    version_ = version;
    return *this;
}

GgufBuilder& GgufBuilder::alignment(uint32_t alignment) {
    alignment_ = alignment;
    return set("general.alignment", alignment);
}

std::vector<std::byte> GgufBuilder::bytes() const {
    std::string out = "GGUF";
    put(out, version_);
    put(out, tensorCount_);
    put(out, keyCount_);
    out += metadata_;
    out += tensorInfos_;
    padTo(out, alignment_);
    out += data_;
    const auto* first = reinterpret_cast<const std::byte*>(out.data());
    return {first, first + out.size()};
}

void GgufBuilder::write(const std::filesystem::path& path) const {
    const std::vector<std::byte> content = bytes();
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file.write(reinterpret_cast<const char*>(content.data()), static_cast<std::streamsize>(content.size()));
    if (!file.flush()) throw std::runtime_error("cannot write " + path.string());
}

}  // namespace engine::testing
