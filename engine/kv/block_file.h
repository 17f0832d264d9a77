#pragma once

#include <filesystem>
#include <optional>

#include "engine/kv/block_content.h"

/// One block as a file: a header of fixed size, then the bytes. Little endian, as every machine it runs on.
namespace engine {

struct BlockFileHeader {
    std::array<char, 8> magic;
    uint64_t space;
    BlockKey key, parent;
    uint32_t groups, tokenCount;
    std::array<TokenId, 16> tokens;
    uint64_t byteCount;
    uint64_t checksum;  ///< XXH3 of the header before it and of the bytes

    std::vector<TokenId> tokenList() const { return {tokens.begin(), tokens.begin() + tokenCount}; }
};

/// The header, if it can be one of `space` and the file has the size that it says.
std::optional<BlockFileHeader> readBlockHeader(const std::filesystem::path& path, uint64_t space);
/// The whole block, if the checksum holds.
std::optional<BlockContent> readBlockFile(const std::filesystem::path& path, uint64_t space,
                                          const HostMemory& memory = {});
/// Microseconds a byte of reading a file of `bytes` that is made at `path`, and removed; 0: it could not be.
double measureFileReading(const std::filesystem::path& path, size_t bytes);
/// Writes beside `path` and renames, mode 0600; false when the system refuses (nothing is left behind).
bool writeBlockFile(const std::filesystem::path& path, uint64_t space, const BlockContent& content);

}  // namespace engine
