#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/error.h"
#include "kernels/dtype.h"

namespace engine {

/// One tensor of a file. `data` points into the mapping and lives as long as its GgufFile.
struct GgufTensor {
    std::string name;
    kernels::DType dtype = kernels::DType::F32;
    std::vector<uint64_t> shape;  ///< ne order, 1 to 4 entries: shape[0] is the contiguous (column) dimension
    const std::byte* data = nullptr;  ///< aligned to the file's alignment (32 bytes by default)
    size_t bytes = 0;

    uint64_t cols() const { return shape.empty() ? 0 : shape[0]; }
    /// Product of every dimension but the first.
    uint64_t rows() const;
    uint64_t elements() const { return rows() * cols(); }
};

/// A GGUF model file (version 2 or 3, little endian), memory-mapped read-only, with its further shards.
///
/// Everything in the file is distrusted: each offset, size, count and string is checked against the file's
/// end before it is used, and counts are bounded by the bytes that could hold them, so a hostile file costs
/// an error that names the field, never memory or a crash. The tensors' own values are not checked.
///
/// Views returned here (strings, tensors) live as long as the GgufFile. Immutable once open: any thread.
/// A file that another program shortens while it is mapped raises SIGBUS on access, as every mapping does.
///
/// Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
class GgufFile {
  public:
    /// Opens `path`; when it is the first of `NAME-00001-of-000NN.gguf`, the other shards too (tensors of
    /// all, metadata of the first). Fails: NotFound, Io, InvalidFile, Unsupported (version, byte order,
    /// element type).
    static Result<GgufFile> open(const std::filesystem::path& path);

    /// The same checks on bytes in memory (tests, fuzzing); always one shard. `name` stands in for the path.
    static Result<GgufFile> fromBytes(std::vector<std::byte> bytes, std::string_view name);

    GgufFile(GgufFile&&) noexcept;
    GgufFile& operator=(GgufFile&&) noexcept;
    GgufFile(const GgufFile&) = delete;
    GgufFile& operator=(const GgufFile&) = delete;
    ~GgufFile();

    bool has(std::string_view key) const;
    /// All keys in the file's order.
    std::vector<std::string_view> keys() const;

    // Typed access. Nothing when the key is missing or its value has another kind; integers are accepted from
    // any integer type that holds the value (u8 ... i64, bool not), reals from f32, f64 and integers.
    std::optional<std::string_view> string(std::string_view key) const;
    std::optional<uint64_t> unsignedInteger(std::string_view key) const;  ///< negative values: nothing
    std::optional<int64_t> integer(std::string_view key) const;
    std::optional<double> real(std::string_view key) const;
    std::optional<bool> boolean(std::string_view key) const;

    // Arrays: linear in their length. A scalar reads as an array of one, as `head_count_kv` may be either.
    std::optional<std::vector<std::string_view>> strings(std::string_view key) const;
    std::optional<std::vector<int64_t>> integers(std::string_view key) const;  ///< a u64 over 2^63-1: nothing
    std::optional<std::vector<double>> reals(std::string_view key) const;
    std::optional<std::vector<bool>> booleans(std::string_view key) const;

    /// Null when there is none. Constant time.
    const GgufTensor* tensor(std::string_view name) const;
    /// In the file's order, shard after shard. Empty for vocabulary-only files.
    const std::vector<GgufTensor>& tensors() const;

    /// Bytes on disk, all shards together.
    uint64_t fileBytes() const;
    /// The file that was asked for (the first shard).
    const std::filesystem::path& path() const;
    /// 2 or 3.
    uint32_t version() const;

  private:
    struct Content;
    explicit GgufFile(std::unique_ptr<Content> content);
    std::unique_ptr<Content> content_;
};

}  // namespace engine
