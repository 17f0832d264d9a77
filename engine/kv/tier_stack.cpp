#include "engine/kv/tier_stack.h"

#include <chrono>
#include <utility>

namespace engine {
namespace {

double microsSince(std::chrono::steady_clock::time_point start) {
    return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

/// What was refused 64 times is tried again: a disk that was busy may no longer be.
bool TierStack::Cost::isWorth(double micros) {
    if (average_ <= micros) return true;
    if (++refused_ < 64) return false;
    refused_ = 0;
    return true;
}

void TierStack::Cost::observe(double micros) {
    average_ = average_ == 0.0 ? micros : average_ + 0.2 * (micros - average_);
}

TierStack::TierStack(std::unique_ptr<HostTier> host, std::unique_ptr<DiskTier> disk)
    : host_(std::move(host)), disk_(std::move(disk)) {}

TierStack::~TierStack() {
    // The least recently used first, so that a full disk gives up those.
    if (host_ != nullptr && disk_ != nullptr)
        while (host_->blocks() > 0) disk_->put(host_->takeOldest());
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
    for (const BlockContent& gone : host_->put(std::move(content)))
        if (disk_ != nullptr) disk_->put(gone);
}

bool TierStack::needsSaving(const BlockKey& key) const {
    return disk_ != nullptr && disk_->canWrite() && !disk_->contains(key);
}

void TierStack::save(const BlockContent& content) {
    if (disk_ != nullptr) disk_->put(content);
}

std::optional<BlockContent> TierStack::find(const BlockKey& parent, std::span<const TokenId> tokens,
                                            double worthMicros) {
    using Hit = std::pair<BlockKey, int>;
    const Hit inHost = host_ != nullptr ? host_->closest(parent, tokens) : Hit{{}, 0};
    const Hit onDisk = disk_ != nullptr ? disk_->closest(parent, tokens) : Hit{{}, 0};
    const auto start = std::chrono::steady_clock::now();
    if (inHost.second > 0 && inHost.second >= onDisk.second &&
        hostCost_.isWorth(worthMicros * inHost.second)) {
        BlockContent content = host_->get(inHost.first);
        hostCost_.observe(microsSince(start));
        return content;
    }
    if (onDisk.second > 0 && diskCost_.isWorth(worthMicros * onDisk.second)) {
        auto content = disk_->get(onDisk.first);
        diskCost_.observe(microsSince(start));
        return content;
    }
    return std::nullopt;
}

void TierStack::erase(const BlockKey& key) {
    if (host_ != nullptr) host_->erase(key);
    if (disk_ != nullptr) disk_->erase(key);
}

void TierStack::clear() {
    if (host_ != nullptr) host_->clear();
    if (disk_ != nullptr) disk_->clear();
}

std::vector<BlockTier::Child> TierStack::children(const BlockKey& parent) const {
    std::vector<Child> all;
    if (host_ != nullptr) host_->children(parent, all);
    if (disk_ != nullptr) disk_->children(parent, all);
    return all;
}

}  // namespace engine
