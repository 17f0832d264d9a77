#include "engine/kv/tier_stack.h"

#include <chrono>
#include <utility>

#include "engine/durations.h"

namespace engine {

void TierStack::Rate::observe(size_t bytes, double micros) {
    if (bytes == 0 || micros <= 0.0) return;
    const double rate = micros / static_cast<double>(bytes);
    average_ = average_ == 0.0 ? rate : average_ + 0.2 * (rate - average_);
}

TierStack::TierStack(std::unique_ptr<HostTier> host, std::unique_ptr<DiskTier> disk,
                     std::unique_ptr<HostArena> arena)
    : arena_(std::move(arena)), host_(std::move(host)), disk_(std::move(disk)) {}

TierStack::~TierStack() = default;

void TierStack::setCosts(const TierCosts& measured) {
    upload_.set(measured.upload);
    read_.set(measured.read);
}

/// What was refused 64 times is tried again: a disk that was busy may no longer be.
bool TierStack::isWorth(double cost, double worth) {
    if (cost <= worth) return true;
    if (++refused_ < 64) return false;
    refused_ = 0;
    return true;
}

bool TierStack::wants(const BlockKey& key) const {
    if (host_ != nullptr) return !host_->contains(key);
    return disk_ != nullptr && disk_->canWrite() && !disk_->contains(key);
}

void TierStack::put(BlockContent content) {
    if (host_ == nullptr) {
        if (disk_ != nullptr) disk_->put(content);
        return;
    }
    if (disk_ != nullptr) unsaved_.push_back(content.key());
    for (const BlockContent& gone : host_->put(std::move(content)))
        if (disk_ != nullptr) disk_->put(gone);
}

bool TierStack::saveSome(int blocks) {
    int saved = 0;
    while (saved < blocks && !unsaved_.empty()) {
        const BlockKey key = unsaved_.back();
        unsaved_.pop_back();
        const BlockContent* content = host_->peek(key);
        if (content == nullptr || !needsSaving(key)) continue;
        disk_->put(*content);
        ++saved;
    }
    return saved > 0;
}

bool TierStack::needsSaving(const BlockKey& key) const {
    return disk_ != nullptr && disk_->canWrite() && !disk_->contains(key);
}

void TierStack::save(const BlockContent& content) {
    if (disk_ != nullptr) disk_->put(content);
}

std::optional<BlockContent> TierStack::find(const BlockKey& parent, int depth,
                                            std::span<const TokenId> tokens, const RecomputeCost& recompute) {
    using Hit = std::pair<BlockKey, int>;
    const Hit inHost = host_ != nullptr ? host_->closest(parent, tokens) : Hit{{}, 0};
    const Hit onDisk = disk_ != nullptr ? disk_->closest(parent, tokens) : Hit{{}, 0};
    if (inHost.second > 0 && inHost.second >= onDisk.second) {
        const BlockContent& content = host_->get(inHost.first);
        if (isWorth(upload_.of(content.bytes.size()), recompute.of(depth, inHost.second))) return content;
    }
    if (onDisk.second == 0) return std::nullopt;
    const size_t bytes = disk_->bytesOf(onDisk.first);
    if (!isWorth(read_.of(bytes) + upload_.of(bytes), recompute.of(depth, onDisk.second)))
        return std::nullopt;
    const auto start = std::chrono::steady_clock::now();
    auto content = disk_->get(onDisk.first, [this](size_t size) { return memory(size); });
    read_.observe(bytes, inMicros(std::chrono::steady_clock::now() - start));
    return content;
}

void TierStack::noteUpload(size_t bytes, double micros) {
    upload_.observe(bytes, micros);
}

HostBytes TierStack::memory(size_t bytes) {
    return arena_ != nullptr ? arena_->take(bytes) : HostBytes(bytes);
}

void TierStack::erase(const BlockKey& key) {
    if (host_ != nullptr) host_->erase(key);
    if (disk_ != nullptr) disk_->erase(key);
}

void TierStack::clear() {
    if (host_ != nullptr) host_->clear();
    if (disk_ != nullptr) disk_->clear();
    unsaved_.clear();
}

std::vector<BlockTier::Child> TierStack::children(const BlockKey& parent) const {
    std::vector<Child> all;
    if (host_ != nullptr) host_->children(parent, all);
    if (disk_ != nullptr) disk_->children(parent, all);
    return all;
}

}  // namespace engine
