#pragma once

#include <filesystem>
#include <list>
#include <unordered_map>

#include "engine/kv/block_content.h"

namespace engine {

/// Blocks as files, kept across runs: `folder`/<namespace>/<key>.kv, readable by their owner alone. A file
/// carries its namespace (model, KV type, device, kernels), tokens, and an XXH3 checksum over everything; one
/// that is damaged or belongs elsewhere is removed and never used. All files of `folder` together stay under
/// `capacityBytes`; the least recently used go first. A disk that refuses to write ends the writing for this
/// run. Engine thread only.
class DiskTier {
  public:
    /// Makes the folder and reads what is there (headers only). A folder that cannot be used keeps nothing.
    DiskTier(std::filesystem::path folder, uint64_t space, size_t capacityBytes);

    bool canWrite() const { return canWrite_; }
    bool contains(const BlockKey& key) const { return entries_.count(key) != 0; }
    void put(const BlockContent& content);
    std::pair<BlockKey, int> closest(const BlockKey& parent, std::span<const TokenId> tokens) const;
    /// Reads a block; nothing (and the file is gone) when it is not what it was.
    std::optional<BlockContent> get(const BlockKey& key, const HostMemory& memory = {});
    size_t bytesOf(const BlockKey& key) const;  ///< of its file; 0: not here
    /// Writes and reads a file of `bytes`, from the disk itself where the system lets go of what it keeps in
    /// memory. Microseconds a byte; 0: it could not be told.
    double measureReading(size_t bytes) const;
    void erase(const BlockKey& key);
    /// Removes the blocks of all namespaces.
    void clear();
    /// Removes all blocks below `folder`, and the folders that only held blocks.
    static void eraseAll(const std::filesystem::path& folder);
    /// The namespaces that have a folder beside this one's.
    std::vector<uint64_t> otherSpaces() const;
    const std::filesystem::path& root() const { return root_; }
    size_t capacityBytes() const { return capacity_; }
    void children(const BlockKey& parent, std::vector<BlockTier::Child>& out) const;

    size_t bytes() const { return bytes_; }  ///< of this namespace
    int blocks() const { return static_cast<int>(entries_.size()); }

  private:
    struct Entry {
        BlockKey key, parent;
        std::vector<TokenId> tokens;
        size_t fileBytes = 0;
    };
    using Order = std::list<Entry>;  // the least recently used first

    void readFolder();
    void trimOthers();
    void add(Entry entry);
    void remove(Order::iterator entry);
    std::filesystem::path pathOf(const BlockKey& key) const;

    std::filesystem::path root_, folder_;
    uint64_t space_;
    size_t capacity_, bytes_ = 0, otherBytes_ = 0;
    bool canWrite_ = true;
    Order order_;
    std::unordered_map<BlockKey, Order::iterator, BlockKeyHash> entries_;
    std::unordered_multimap<BlockKey, Order::iterator, BlockKeyHash> byParent_;
};

}  // namespace engine
