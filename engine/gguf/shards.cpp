#include "engine/gguf/shards.h"

#include <cstring>
#include <optional>
#include <string>

namespace engine {
namespace {

constexpr std::string_view kExtension = ".gguf";
constexpr uint64_t kMaxShards = 99999;

/// The unsigned value of a split.* key (any integer type: converters differ), if it is there.
std::optional<uint64_t> splitValue(const GgufDirectory& directory, std::string_view key) {
    for (const GgufEntry& entry : directory.entries) {
        if (entry.key != key || entry.isArray) continue;
        const bool integral = entry.elementType != GgufType::F32 && entry.elementType != GgufType::F64 &&
                              entry.elementType != GgufType::String && entry.elementType != GgufType::Bool;
        if (!integral) return std::nullopt;
        uint64_t value = 0;  // little endian: the low bytes come first
        std::memcpy(&value, entry.first, ggufTypeBytes(entry.elementType));
        return value;
    }
    return std::nullopt;
}

/// "-00001-of-00003.gguf", as the tools that split files write it
std::string suffixOf(uint64_t number, uint64_t count) {
    return fmt::format("-{:05}-of-{:05}{}", number, count, kExtension);
}

}  // namespace

Result<std::vector<std::filesystem::path>> shardPaths(const std::filesystem::path& first,
                                                      const GgufDirectory& directory) {
    const uint64_t count = splitValue(directory, "split.count").value_or(0);
    if (count <= 1) return std::vector<std::filesystem::path>{first};
    const uint64_t number = splitValue(directory, "split.no").value_or(0);
    if (count > kMaxShards) {
        return fail(ErrorCode::InvalidFile, "'{}': split.count says {} shards", first.string(), count);
    }
    if (number != 0) {
        return fail(ErrorCode::InvalidFile,
                    "'{}' is shard {} of {}; open the first shard, its siblings follow", first.string(),
                    number + 1, count);
    }
    const std::string name = first.filename().string();
    const std::string suffix = suffixOf(1, count);
    if (name.size() <= suffix.size() || name.substr(name.size() - suffix.size()) != suffix) {
        return fail(
            ErrorCode::InvalidFile,
            "'{}' is the first of {} shards, whose name must end in '{}' so that the others can be found",
            first.string(), count, suffix);
    }
    const std::string stem = name.substr(0, name.size() - suffix.size());
    std::vector<std::filesystem::path> paths;
    for (uint64_t shard = 1; shard <= count; ++shard) {
        paths.push_back(first.parent_path() / (stem + suffixOf(shard, count)));
    }
    return paths;
}

Result<void> checkShard(const GgufDirectory& directory, const std::vector<std::filesystem::path>& paths,
                        size_t index) {
    if (paths.size() == 1) return {};
    const auto count = splitValue(directory, "split.count");
    const auto number = splitValue(directory, "split.no");
    if (count != paths.size() || number.value_or(0) != index) {
        return fail(ErrorCode::InvalidFile,
                    "'{}' should be shard {} of {} but its split.no and split.count disagree",
                    paths[index].string(), index + 1, paths.size());
    }
    return {};
}

}  // namespace engine
