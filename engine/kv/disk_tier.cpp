#include "engine/kv/disk_tier.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <system_error>
#include <utility>

#include "engine/kv/block_file.h"

namespace engine {

namespace fs = std::filesystem;

namespace {

/// The namespace whose folder this is: 16 hexadecimal digits.
std::optional<uint64_t> spaceOf(const fs::path& folder) {
    const std::string name = folder.filename().string();
    uint64_t space = 0;
    const auto [end, problem] = std::from_chars(name.data(), name.data() + name.size(), space, 16);
    if (name.size() != 16 || problem != std::errc() || end != name.data() + name.size()) return std::nullopt;
    return space;
}

/// A block, or one that was being written when the program ended.
bool isBlockName(const fs::path& file) {
    const std::string extension = file.extension().string();
    return extension == ".kv" || extension == ".new";
}

}  // namespace

DiskTier::DiskTier(fs::path folder, uint64_t space, size_t capacityBytes)
    : root_(std::move(folder)),
      folder_(root_ / fmt::format("{:016x}", space)),
      space_(space),
      capacity_(capacityBytes) {
    std::error_code problem;
    fs::create_directories(folder_, problem);
    for (const fs::path& made : {root_, folder_}) fs::permissions(made, fs::perms::owner_all, problem);
    canWrite_ = fs::is_directory(folder_, problem);
    if (!canWrite_) return;
    trimOthers();
    readFolder();
}

fs::path DiskTier::pathOf(const BlockKey& key) const {
    return folder_ / fmt::format("{:016x}{:016x}.kv", key.high, key.low);
}

void DiskTier::add(Entry entry) {
    bytes_ += entry.fileBytes;
    order_.push_back(std::move(entry));
    const auto at = std::prev(order_.end());
    entries_.emplace(at->key, at);
    byParent_.emplace(at->parent, at);
}

void DiskTier::remove(Order::iterator entry) {
    std::error_code ignored;
    fs::remove(pathOf(entry->key), ignored);
    entries_.erase(entry->key);
    const auto range = byParent_.equal_range(entry->parent);
    byParent_.erase(
        std::find_if(range.first, range.second, [&](const auto& item) { return item.second == entry; }));
    bytes_ -= entry->fileBytes;
    order_.erase(entry);
}

/// The headers of all files, the longest unused first; what is no block of ours is removed.
void DiskTier::readFolder() {
    std::vector<std::pair<fs::file_time_type, Entry>> found;
    std::error_code problem;
    for (const fs::directory_entry& file : fs::directory_iterator(folder_, problem)) {
        const auto header = readBlockHeader(file.path(), space_);
        if (!header || file.path() != pathOf(header->key)) {
            if (!file.is_directory(problem)) fs::remove(file.path(), problem);
            continue;
        }
        found.push_back(
            {file.last_write_time(problem),
             {header->key, header->parent, header->tokenList(), sizeof *header + header->byteCount}});
    }
    std::ranges::sort(found, [](const auto& a, const auto& b) { return a.first < b.first; });
    for (auto& [time, entry] : found) add(std::move(entry));
    while (bytes_ + otherBytes_ > capacity_ && !order_.empty()) remove(order_.begin());
}

/// Files of other models (and of older versions of this one) share the bound; they leave this one half of it.
void DiskTier::trimOthers() {
    struct Other {
        fs::path path;
        fs::file_time_type time;
        size_t bytes;
    };
    std::vector<Other> others;
    std::error_code problem;
    size_t ours = 0;
    for (const fs::directory_entry& file : fs::recursive_directory_iterator(root_, problem)) {
        if (!file.is_regular_file(problem)) continue;
        const auto bytes = static_cast<size_t>(file.file_size(problem));
        if (file.path().parent_path() == folder_)
            ours += bytes;
        else if (file.path().extension() == ".kv")
            others.push_back({file.path(), file.last_write_time(problem), bytes});
    }
    for (const Other& other : others) otherBytes_ += other.bytes;
    std::ranges::sort(others, [](const Other& a, const Other& b) { return a.time < b.time; });
    for (const Other& other : others) {
        if (ours + otherBytes_ <= capacity_ && otherBytes_ <= capacity_ / 2) break;
        if (fs::remove(other.path, problem)) otherBytes_ -= other.bytes;
    }
}

void DiskTier::put(const BlockContent& content) {
    const BlockKey key = content.key();
    const size_t fileBytes = sizeof(BlockFileHeader) + content.bytes.size();
    if (!canWrite_ || contains(key) || fileBytes + otherBytes_ > capacity_) return;
    while (bytes_ + otherBytes_ + fileBytes > capacity_) remove(order_.begin());
    if (!writeBlockFile(pathOf(key), space_, content)) {
        canWrite_ = false;
        return;
    }
    add({key, content.parent, content.tokens, fileBytes});
}

std::pair<BlockKey, int> DiskTier::closest(const BlockKey& parent, std::span<const TokenId> tokens) const {
    std::pair<BlockKey, int> best{{}, 0};
    const auto range = byParent_.equal_range(parent);
    for (auto item = range.first; item != range.second; ++item) {
        const auto& own = item->second->tokens;
        const auto common = static_cast<int>(
            std::mismatch(own.begin(), own.end(), tokens.begin(), tokens.end()).first - own.begin());
        if (common > best.second) best = {item->second->key, common};
    }
    return best;
}

size_t DiskTier::bytesOf(const BlockKey& key) const {
    const auto found = entries_.find(key);
    return found != entries_.end() ? found->second->fileBytes : 0;
}

double DiskTier::measureReading(size_t bytes) const {
    return canWrite_ ? measureFileReading(folder_ / fmt::format("{}.new", ::getpid()), bytes) : 0.0;
}

std::optional<BlockContent> DiskTier::get(const BlockKey& key, const HostMemory& memory) {
    const auto found = entries_.find(key);
    if (found == entries_.end()) return std::nullopt;
    auto content = readBlockFile(pathOf(key), space_, memory);
    if (!content || !(content->key() == key)) {
        remove(found->second);
        return std::nullopt;
    }
    order_.splice(order_.end(), order_, found->second);
    std::error_code ignored;
    fs::last_write_time(pathOf(key), fs::file_time_type::clock::now(), ignored);
    return content;
}

void DiskTier::erase(const BlockKey& key) {
    if (const auto found = entries_.find(key); found != entries_.end()) remove(found->second);
}

void DiskTier::clear() {
    while (!order_.empty()) remove(order_.begin());
    eraseAll(root_);
    otherBytes_ = 0;
    std::error_code ignored;
    fs::create_directories(folder_, ignored);
    fs::permissions(folder_, fs::perms::owner_all, ignored);
}

void DiskTier::eraseAll(const fs::path& folder) {
    std::error_code problem;
    std::vector<fs::path> folders;
    for (const fs::directory_entry& space : fs::directory_iterator(folder, problem))
        if (spaceOf(space.path()) && !space.is_symlink(problem)) folders.push_back(space.path());
    for (const fs::path& space : folders) {
        std::vector<fs::path> files;
        for (const fs::directory_entry& file : fs::directory_iterator(space, problem))
            if (isBlockName(file.path())) files.push_back(file.path());
        for (const fs::path& file : files) fs::remove(file, problem);
        fs::remove(space, problem);  // stays while something else is in it
    }
}

std::vector<uint64_t> DiskTier::otherSpaces() const {
    std::vector<uint64_t> spaces;
    std::error_code problem;
    for (const fs::directory_entry& folder : fs::directory_iterator(root_, problem))
        if (const auto space = spaceOf(folder.path());
            space && *space != space_ && !folder.is_symlink(problem))
            spaces.push_back(*space);
    return spaces;
}

void DiskTier::children(const BlockKey& parent, std::vector<BlockTier::Child>& out) const {
    const auto range = byParent_.equal_range(parent);
    for (auto item = range.first; item != range.second; ++item)
        out.push_back({item->second->key, item->second->tokens});
}

}  // namespace engine
