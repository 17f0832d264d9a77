#pragma once

#include <memory>

#include "engine/kv/disk_tier.h"
#include "engine/kv/host_tier.h"

namespace engine {

/// What moving blocks costs, in microseconds a byte; 0: unknown, so it is tried.
struct TierCosts {
    double upload = 0.0;  ///< from host memory to the device
    double read = 0.0;    ///< from a file to host memory
};

/// Host memory, then disk: what the device evicts goes to the host, what the host gives up goes to the disk,
/// and when there is time everything does. A block is brought back only where that was measured to be faster
/// than computing its tokens. Either tier may be missing. Engine thread only.
class TierStack final : public BlockTier {
  public:
    /// `arena` (may be null) has the memory that blocks are kept in.
    TierStack(std::unique_ptr<HostTier> host, std::unique_ptr<DiskTier> disk,
              std::unique_ptr<HostArena> arena = nullptr);
    ~TierStack() override;

    void setCosts(const TierCosts& measured);
    /// Writes up to `blocks` blocks of host memory to the disk, those that came last first; false when all
    /// are there, or nothing can be written.
    bool saveSome(int blocks);

    bool wants(const BlockKey& key) const override;
    void put(BlockContent content) override;
    bool needsSaving(const BlockKey& key) const override;
    void save(const BlockContent& content) override;
    std::optional<BlockContent> find(const BlockKey& parent, int depth, std::span<const TokenId> tokens,
                                     const RecomputeCost& recompute) override;
    void noteUpload(size_t bytes, double micros) override;
    HostBytes memory(size_t bytes) override;
    void erase(const BlockKey& key) override;
    void clear() override;
    std::vector<Child> children(const BlockKey& parent) const override;

    const HostTier* host() const { return host_.get(); }
    const DiskTier* disk() const { return disk_.get(); }

  private:
    /// What a byte cost lately, in microseconds.
    class Rate {
      public:
        void set(double microsPerByte) { average_ = microsPerByte; }
        double of(size_t bytes) const { return average_ * static_cast<double>(bytes); }
        void observe(size_t bytes, double micros);

      private:
        double average_ = 0.0;
    };
    bool isWorth(double cost, double worth);

    std::unique_ptr<HostArena> arena_;
    std::unique_ptr<HostTier> host_;
    std::unique_ptr<DiskTier> disk_;
    std::vector<BlockKey>
        unsaved_;  ///< came into host memory since they were last written; the last one last
    Rate upload_, read_;
    int refused_ = 0;
};

}  // namespace engine
