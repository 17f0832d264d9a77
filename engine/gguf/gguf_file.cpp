#include "engine/gguf/gguf_file.h"

#include <cstring>
#include <limits>
#include <unordered_map>
#include <utility>

#include "engine/gguf/gguf_parser.h"
#include "engine/gguf/mapped_file.h"
#include "engine/gguf/shards.h"

namespace engine {

struct GgufFile::Content {
    std::filesystem::path path;
    std::vector<MappedFile> files;    ///< shard after shard
    std::vector<GgufEntry> entries;   ///< of the first shard
    std::vector<GgufTensor> tensors;  ///< of all
    std::unordered_map<std::string_view, size_t> entryIndex;
    std::unordered_map<std::string_view, size_t>
        tensorIndex;  ///< views into `tensors`, which no longer changes
    uint64_t fileBytes = 0;
    uint32_t version = 0;

    const GgufEntry* find(std::string_view key) const {
        const auto found = entryIndex.find(key);
        return found == entryIndex.end() ? nullptr : &entries[found->second];
    }
    const GgufEntry* findScalar(std::string_view key) const {
        const GgufEntry* entry = find(key);
        return entry == nullptr || entry->isArray ? nullptr : entry;
    }
    /// Takes over one shard.
    void add(MappedFile file, GgufDirectory directory);
    Result<void> indexTensors();
};

namespace {

template <class T>
T load(const std::byte* from) {
    T value;
    std::memcpy(&value, from, sizeof(T));
    return value;
}

std::optional<int64_t> integerAt(GgufType type, const std::byte* at) {
    switch (type) {
        case GgufType::U8:
            return load<uint8_t>(at);
        case GgufType::I8:
            return load<int8_t>(at);
        case GgufType::U16:
            return load<uint16_t>(at);
        case GgufType::I16:
            return load<int16_t>(at);
        case GgufType::U32:
            return load<uint32_t>(at);
        case GgufType::I32:
            return load<int32_t>(at);
        case GgufType::I64:
            return load<int64_t>(at);
        case GgufType::U64: {
            const auto value = load<uint64_t>(at);
            if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return std::nullopt;
            return static_cast<int64_t>(value);
        }
        default:
            return std::nullopt;
    }
}

std::optional<double> realAt(GgufType type, const std::byte* at) {
    if (type == GgufType::F32) return load<float>(at);
    if (type == GgufType::F64) return load<double>(at);
    if (type == GgufType::U64) return static_cast<double>(load<uint64_t>(at));
    if (const auto value = integerAt(type, at)) return static_cast<double>(*value);
    return std::nullopt;
}

std::string_view stringAt(const std::byte* at) {
    return {reinterpret_cast<const char*>(at + sizeof(uint64_t)), static_cast<size_t>(load<uint64_t>(at))};
}

/// Reads every element of a number array (or the one scalar) with `readOne`; nothing if one of them will not
/// do.
template <class T, class ReadOne>
std::optional<std::vector<T>> readAll(const GgufEntry* entry, ReadOne readOne) {
    if (entry == nullptr) return std::nullopt;
    const size_t stride = ggufTypeBytes(entry->elementType);
    if (stride == 0) return std::nullopt;
    std::vector<T> values;
    values.reserve(static_cast<size_t>(entry->count));
    for (size_t i = 0; i < entry->count; ++i) {
        const auto value = readOne(entry->elementType, entry->first + i * stride);
        if (!value) return std::nullopt;
        values.push_back(*value);
    }
    return values;
}

std::optional<bool> booleanAt(GgufType type, const std::byte* at) {
    if (type != GgufType::Bool) return std::nullopt;
    return load<uint8_t>(at) != 0;
}

}  // namespace

uint64_t GgufTensor::rows() const {
    uint64_t product = shape.empty() ? 0 : 1;
    for (size_t d = 1; d < shape.size(); ++d) product *= shape[d];
    return product;
}

void GgufFile::Content::add(MappedFile file, GgufDirectory directory) {
    if (files.empty()) {
        entries = std::move(directory.entries);
        version = directory.version;
        for (size_t i = 0; i < entries.size(); ++i) entryIndex.emplace(entries[i].key, i);
    }
    fileBytes += file.bytes().size();
    for (GgufTensor& tensor : directory.tensors) tensors.push_back(std::move(tensor));
    files.push_back(std::move(file));
}

Result<void> GgufFile::Content::indexTensors() {
    tensorIndex.reserve(tensors.size());
    for (size_t i = 0; i < tensors.size(); ++i) {
        if (!tensorIndex.emplace(tensors[i].name, i).second) {
            return fail(ErrorCode::InvalidFile, "'{}': two of its shards hold the tensor '{}'", path.string(),
                        tensors[i].name);
        }
    }
    return {};
}

Result<GgufFile> GgufFile::open(const std::filesystem::path& path) {
    auto content = std::make_unique<Content>();
    content->path = path;
    std::vector<std::filesystem::path> paths = {path};
    for (size_t i = 0; i < paths.size(); ++i) {
        auto file = MappedFile::open(paths[i]);
        if (!file) return tl::unexpected(file.error());
        auto directory = parseGguf(file->bytes(), paths[i].string());
        if (!directory) return tl::unexpected(directory.error());
        if (i == 0) {
            auto all = shardPaths(path, *directory);
            if (!all) return tl::unexpected(all.error());
            paths = std::move(*all);
        }
        if (auto checked = checkShard(*directory, paths, i); !checked) return tl::unexpected(checked.error());
        content->add(std::move(*file), std::move(*directory));
    }
    if (auto done = content->indexTensors(); !done) return tl::unexpected(done.error());
    return GgufFile(std::move(content));
}

Result<GgufFile> GgufFile::fromBytes(std::vector<std::byte> bytes, std::string_view name) {
    auto file = MappedFile::fromBytes(std::move(bytes));
    auto directory = parseGguf(file.bytes(), name);
    if (!directory) return tl::unexpected(directory.error());
    auto content = std::make_unique<Content>();
    content->path = name;
    content->add(std::move(file), std::move(*directory));
    if (auto done = content->indexTensors(); !done) return tl::unexpected(done.error());
    return GgufFile(std::move(content));
}

GgufFile::GgufFile(std::unique_ptr<Content> content) : content_(std::move(content)) {}
GgufFile::GgufFile(GgufFile&&) noexcept = default;
GgufFile& GgufFile::operator=(GgufFile&&) noexcept = default;
GgufFile::~GgufFile() = default;

bool GgufFile::has(std::string_view key) const {
    return content_->find(key) != nullptr;
}

std::vector<std::string_view> GgufFile::keys() const {
    std::vector<std::string_view> keys;
    keys.reserve(content_->entries.size());
    for (const GgufEntry& entry : content_->entries) keys.push_back(entry.key);
    return keys;
}

std::optional<std::string_view> GgufFile::string(std::string_view key) const {
    const GgufEntry* entry = content_->findScalar(key);
    if (entry == nullptr || entry->elementType != GgufType::String) return std::nullopt;
    return stringAt(entry->first);
}

std::optional<uint64_t> GgufFile::unsignedInteger(std::string_view key) const {
    const GgufEntry* entry = content_->findScalar(key);
    if (entry == nullptr) return std::nullopt;
    if (entry->elementType == GgufType::U64) return load<uint64_t>(entry->first);
    const auto value = integerAt(entry->elementType, entry->first);
    if (!value || *value < 0) return std::nullopt;
    return static_cast<uint64_t>(*value);
}

std::optional<int64_t> GgufFile::integer(std::string_view key) const {
    const GgufEntry* entry = content_->findScalar(key);
    return entry == nullptr ? std::nullopt : integerAt(entry->elementType, entry->first);
}

std::optional<double> GgufFile::real(std::string_view key) const {
    const GgufEntry* entry = content_->findScalar(key);
    return entry == nullptr ? std::nullopt : realAt(entry->elementType, entry->first);
}

std::optional<bool> GgufFile::boolean(std::string_view key) const {
    const GgufEntry* entry = content_->findScalar(key);
    return entry == nullptr ? std::nullopt : booleanAt(entry->elementType, entry->first);
}

std::optional<std::vector<std::string_view>> GgufFile::strings(std::string_view key) const {
    const GgufEntry* entry = content_->find(key);
    if (entry == nullptr || entry->elementType != GgufType::String) return std::nullopt;
    std::vector<std::string_view> values;
    values.reserve(static_cast<size_t>(entry->count));
    const std::byte* at = entry->first;
    for (uint64_t i = 0; i < entry->count; ++i) {
        values.push_back(stringAt(at));
        at += sizeof(uint64_t) + values.back().size();
    }
    return values;
}

std::optional<std::vector<int64_t>> GgufFile::integers(std::string_view key) const {
    return readAll<int64_t>(content_->find(key), integerAt);
}

std::optional<std::vector<double>> GgufFile::reals(std::string_view key) const {
    return readAll<double>(content_->find(key), realAt);
}

std::optional<std::vector<bool>> GgufFile::booleans(std::string_view key) const {
    return readAll<bool>(content_->find(key), booleanAt);
}

const GgufTensor* GgufFile::tensor(std::string_view name) const {
    const auto found = content_->tensorIndex.find(name);
    return found == content_->tensorIndex.end() ? nullptr : &content_->tensors[found->second];
}

const std::vector<GgufTensor>& GgufFile::tensors() const {
    return content_->tensors;
}
uint64_t GgufFile::fileBytes() const {
    return content_->fileBytes;
}
const std::filesystem::path& GgufFile::path() const {
    return content_->path;
}
uint32_t GgufFile::version() const {
    return content_->version;
}

}  // namespace engine
