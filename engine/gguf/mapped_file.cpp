#include "engine/gguf/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace engine {

Result<MappedFile> MappedFile::open(const std::filesystem::path& path) {
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0) {
        const int reason = errno;
        return fail(reason == ENOENT ? ErrorCode::NotFound : ErrorCode::Io, "cannot open '{}': {}",
                    path.string(), std::strerror(reason));
    }
    struct stat facts {};
    const bool regular = ::fstat(descriptor, &facts) == 0 && S_ISREG(facts.st_mode);
    if (!regular || facts.st_size == 0) {
        ::close(descriptor);
        if (!regular) return fail(ErrorCode::Io, "cannot read '{}': it is not a regular file", path.string());
        return fail(ErrorCode::InvalidFile, "'{}' is empty", path.string());
    }
    const auto size = static_cast<size_t>(facts.st_size);
    void* start = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, descriptor, 0);
    const int reason = errno;
    ::close(descriptor);
    if (start == MAP_FAILED) {
        return fail(ErrorCode::Io, "cannot map the {} bytes of '{}': {}", size, path.string(),
                    std::strerror(reason));
    }
    MappedFile file;
    file.bytes_ = {static_cast<const std::byte*>(start), size};
    return file;
}

MappedFile MappedFile::fromBytes(std::vector<std::byte> bytes) {
    MappedFile file;
    file.owned_ = std::move(bytes);
    file.bytes_ = file.owned_;
    return file;
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : bytes_(std::exchange(other.bytes_, {})), owned_(std::move(other.owned_)) {
    other.owned_.clear();
}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
    if (this != &other) {
        release();
        bytes_ = std::exchange(other.bytes_, {});
        owned_ = std::move(other.owned_);
        other.owned_.clear();
    }
    return *this;
}

MappedFile::~MappedFile() {
    release();
}

void MappedFile::release() {
    if (owned_.empty() && !bytes_.empty()) {
        ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
    }
    bytes_ = {};
    owned_.clear();
}

}  // namespace engine
