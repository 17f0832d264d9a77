#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/dtype.h"

namespace engine::testing {

/// Writes small GGUF files for tests. Nothing is checked: a test may build a broken file on purpose.
///
///     GgufBuilder().set("general.architecture", "llama").set("llama.block_count", uint32_t{2})
///         .tensor("token_embd.weight", kernels::DType::F32, {64, 32}, bytes).write(path);
class GgufBuilder {
  public:
    // Scalars keep the C++ type they come in (uint32_t is what most keys want).
    GgufBuilder& set(std::string_view key, std::string_view value);
    GgufBuilder& set(std::string_view key, const char* value) { return set(key, std::string_view(value)); }
    GgufBuilder& set(std::string_view key, const std::string& value) {
        return set(key, std::string_view(value));
    }
    template <class T>
    requires std::integral<T> || std::floating_point<T> GgufBuilder& set(std::string_view key, T value) {
        return addValue(key, typeNumber<T>(),
                        std::string(reinterpret_cast<const char*>(&value), sizeof value));
    }

    GgufBuilder& set(std::string_view key, const std::vector<std::string>& values);
    template <class T>
    requires(std::integral<T> || std::floating_point<T>) &&
        (!std::same_as<T, bool>)GgufBuilder& set(std::string_view key, const std::vector<T>& values) {
        return addArray(key, typeNumber<T>(), values.size(),
                        std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)));
    }

    /// `shape` in ne order: the contiguous dimension first.
    GgufBuilder& tensor(std::string_view name, kernels::DType dtype, std::vector<uint64_t> shape,
                        std::span<const std::byte> bytes);
    GgufBuilder& tensor(std::string_view name, std::vector<uint64_t> shape, const std::vector<float>& values);
    /// With any type number and any offset from the start of the data (a broken file).
    GgufBuilder& rawTensor(std::string_view name, uint32_t type, std::vector<uint64_t> shape,
                           uint64_t offset);

    /// A value of any type number, its bytes as given (a broken file).
    GgufBuilder& addValue(std::string_view key, uint32_t type, std::string_view valueBytes);
    GgufBuilder& addArray(std::string_view key, uint32_t elementType, uint64_t count, std::string_view bytes);

    GgufBuilder& version(uint32_t version);      ///< 3 if not called
    GgufBuilder& alignment(uint32_t alignment);  ///< 32 if not called; also sets the key

    std::vector<std::byte> bytes() const;
    void write(const std::filesystem::path& path) const;

  private:
    template <class T>
    static constexpr uint32_t typeNumber() {
        if constexpr (std::same_as<T, bool>) return 7;
        if constexpr (std::same_as<T, float>) return 6;
        if constexpr (std::same_as<T, double>) return 12;
        constexpr bool isSigned = std::is_signed_v<T>;
        switch (sizeof(T)) {
            case 1:
                return isSigned ? 1 : 0;
            case 2:
                return isSigned ? 3 : 2;
            case 4:
                return isSigned ? 5 : 4;
            default:
                return isSigned ? 11 : 10;
        }
    }

    uint32_t version_ = 3;
    uint32_t alignment_ = 32;
    uint64_t keyCount_ = 0;
    uint64_t tensorCount_ = 0;
    std::string metadata_;
    std::string tensorInfos_;
    std::string data_;
};

}  // namespace engine::testing
