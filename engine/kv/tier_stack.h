#pragma once

#include <memory>

#include "engine/kv/disk_tier.h"
#include "engine/kv/host_tier.h"

namespace engine {

/// Host memory, then disk: what the device evicts goes to the host, what the host gives up goes to the disk,
/// and at the end everything does. A block is brought back only where that was measured to be faster than
/// computing its tokens. Either tier may be missing. Engine thread only.
class TierStack final : public BlockTier {
  public:
    TierStack(std::unique_ptr<HostTier> host, std::unique_ptr<DiskTier> disk);
    ~TierStack() override;

    bool wants(const BlockKey& key) const override;
    void put(BlockContent content) override;
    bool needsSaving(const BlockKey& key) const override;
    void save(const BlockContent& content) override;
    std::optional<BlockContent> find(const BlockKey& parent, std::span<const TokenId> tokens,
                                     double worthMicros) override;
    void erase(const BlockKey& key) override;
    void clear() override;
    std::vector<Child> children(const BlockKey& parent) const override;

    const HostTier* host() const { return host_.get(); }
    const DiskTier* disk() const { return disk_.get(); }

  private:
    /// What bringing back a block cost lately, in microseconds.
    class Cost {
      public:
        bool isWorth(double micros);
        void observe(double micros);

      private:
        double average_ = 0.0;  ///< 0: unknown, so it is tried
        int refused_ = 0;
    };
    std::unique_ptr<HostTier> host_;
    std::unique_ptr<DiskTier> disk_;
    Cost hostCost_, diskCost_;
};

}  // namespace engine
