#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <vector>

#include "engine/error.h"

namespace engine {

/// The bytes of a whole file, mapped read-only (or, for tests and fuzzing, held in memory). Moving keeps the
/// bytes where they are. Any thread may read.
class MappedFile {
  public:
    /// Fails: NotFound, Io (also for directories and devices), InvalidFile (empty).
    static Result<MappedFile> open(const std::filesystem::path& path);
    static MappedFile fromBytes(std::vector<std::byte> bytes);

    MappedFile(MappedFile&& other) noexcept;
    MappedFile& operator=(MappedFile&& other) noexcept;
    MappedFile(const MappedFile&) = delete;
    MappedFile& operator=(const MappedFile&) = delete;
    ~MappedFile();

    std::span<const std::byte> bytes() const { return bytes_; }

  private:
    MappedFile() = default;
    void release();

    std::span<const std::byte> bytes_;
    std::vector<std::byte> owned_;  ///< empty for a mapping
};

}  // namespace engine
