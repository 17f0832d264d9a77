#include "engine/kv/block_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "engine/durations.h"

namespace engine {
namespace {

constexpr std::array<char, 8> kMagic{'A', 'L', 'C', 'K', 'V', '0', '0', '1'};
static_assert(offsetof(BlockFileHeader, checksum) + 8 == sizeof(BlockFileHeader), "no bytes after the sum");

/// Closes what it holds.
class Descriptor {
  public:
    explicit Descriptor(int number) : number_(number) {}
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() {
        if (number_ >= 0) ::close(number_);
    }
    bool isOpen() const { return number_ >= 0; }

    bool read(void* to, size_t bytes) const {
        for (auto* at = static_cast<char*>(to); bytes > 0;) {
            const ssize_t got = ::read(number_, at, bytes);
            if (got <= 0) return false;
            at += got;
            bytes -= static_cast<size_t>(got);
        }
        return true;
    }
    bool write(const void* from, size_t bytes) const {
        for (const auto* at = static_cast<const char*>(from); bytes > 0;) {
            const ssize_t put = ::write(number_, at, bytes);
            if (put <= 0) return false;
            at += put;
            bytes -= static_cast<size_t>(put);
        }
        return true;
    }
    /// Has the system write what it holds of the file, and let go of it.
    bool forgetPages() const {
        return ::fdatasync(number_) == 0 && ::posix_fadvise(number_, 0, 0, POSIX_FADV_DONTNEED) == 0;
    }
    uint64_t size() const {
        struct stat status {};
        return ::fstat(number_, &status) == 0 && S_ISREG(status.st_mode)
                   ? static_cast<uint64_t>(status.st_size)
                   : 0;
    }

  private:
    int number_;
};

uint64_t checksumOf(const BlockFileHeader& header, const HostBytes& bytes) {
    XXH3_state_t state;
    XXH3_64bits_reset(&state);
    XXH3_64bits_update(&state, &header, offsetof(BlockFileHeader, checksum));
    XXH3_64bits_update(&state, bytes.data(), bytes.size());
    return XXH3_64bits_digest(&state);
}

std::optional<BlockFileHeader> readHeader(const Descriptor& file, uint64_t space) {
    BlockFileHeader header{};
    if (!file.isOpen() || !file.read(&header, sizeof header)) return std::nullopt;
    const bool isOurs = header.magic == kMagic && header.space == space && header.tokenCount >= 1 &&
                        header.tokenCount <= header.tokens.size() && file.size() >= sizeof header &&
                        header.byteCount == file.size() - sizeof header &&
                        header.parent.child(header.tokenList()) == header.key;
    return isOurs ? std::optional(header) : std::nullopt;
}

Descriptor openForReading(const std::filesystem::path& path) {
    return Descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
}

}  // namespace

std::optional<BlockFileHeader> readBlockHeader(const std::filesystem::path& path, uint64_t space) {
    return readHeader(openForReading(path), space);
}

std::optional<BlockContent> readBlockFile(const std::filesystem::path& path, uint64_t space,
                                          const HostMemory& memory) {
    const Descriptor file = openForReading(path);
    const auto header = readHeader(file, space);
    if (!header) return std::nullopt;
    BlockContent content{header->parent, header->tokenList(), header->groups, {}};
    content.bytes = memory ? memory(header->byteCount) : HostBytes(header->byteCount);
    if (!file.read(content.bytes.data(), content.bytes.size())) return std::nullopt;
    if (checksumOf(*header, content.bytes) != header->checksum) return std::nullopt;
    return content;
}

double measureFileReading(const std::filesystem::path& path, size_t bytes) {
    std::vector<std::byte> content(bytes, std::byte{0x5A});
    double micros = 0.0;
    {
        const Descriptor file(
            ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
        if (file.isOpen() && file.write(content.data(), bytes) && file.forgetPages()) {
            const auto start = std::chrono::steady_clock::now();
            const Descriptor again = openForReading(path);
            if (again.isOpen() && again.read(content.data(), bytes))
                micros = inMicros(std::chrono::steady_clock::now() - start);
        }
    }
    ::unlink(path.c_str());
    return bytes > 0 ? micros / static_cast<double>(bytes) : 0.0;
}

bool writeBlockFile(const std::filesystem::path& path, uint64_t space, const BlockContent& content) {
    BlockFileHeader header{};
    header.magic = kMagic;
    header.space = space;
    header.key = content.key();
    header.parent = content.parent;
    header.groups = content.groups;
    header.tokenCount = static_cast<uint32_t>(content.tokens.size());
    std::ranges::copy(content.tokens, header.tokens.begin());
    header.byteCount = content.bytes.size();
    header.checksum = checksumOf(header, content.bytes);
    const std::string beside = path.string() + "." + std::to_string(::getpid()) + ".new";
    bool isWritten = false;
    {
        const Descriptor file(
            ::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
        isWritten = file.isOpen() && file.write(&header, sizeof header) &&
                    file.write(content.bytes.data(), content.bytes.size());
    }
    isWritten = isWritten && ::rename(beside.c_str(), path.c_str()) == 0;
    if (!isWritten) ::unlink(beside.c_str());
    return isWritten;
}

}  // namespace engine
