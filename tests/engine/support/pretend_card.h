#pragma once

#include <map>
#include <string>
#include <utility>

#include "tests/engine/support/failing_ops.h"

namespace engine::testing {

/// What a PretendCard was asked for, and how it is to behave.
struct CardMemory {
    size_t freeBytes = size_t{1} << 30;  ///< when the engine opens it
    size_t othersBytes = size_t{1} << 30;
    int failAfter = -1;  ///< allocations that succeed before another program has taken the rest; -1: all
    size_t used = 0, peak = 0;
    int allocations = 0;
};

/// The CPU, saying that it is a card with so much memory and keeping count of it: buffers as they are,
/// weights and activations as planned for.
class PretendCard final : public FailingOps {
  public:
    PretendCard(std::unique_ptr<kernels::Ops> real, CardMemory& memory, Fault& fault)
        : FailingOps(std::move(real), fault), memory_(memory) {}

    kernels::DeviceInfo info() const override {
        return {"cuda", "Pretend Card", memory_.freeBytes + memory_.othersBytes,
                memory_.freeBytes - memory_.used};
    }
    kernels::DeviceBuffer allocate(size_t bytes) override {
        take(bytes);
        kernels::DeviceBuffer buffer = FailingOps::allocate(bytes);
        void* data = buffer.data();
        held_[data] = std::move(buffer);
        return {this, data, bytes};
    }
    std::unique_ptr<kernels::Weight> loadWeight(const kernels::HostMatrix& source) override {
        take(weightBytes(source.dtype, source.rows, source.columns));
        return FailingOps::loadWeight(source);
    }
    std::unique_ptr<kernels::Activations> makeActivations(int rows, int width) override {
        take(activationBytes(rows, width));
        return FailingOps::makeActivations(rows, width);
    }
    size_t peakBytes() override { return memory_.peak; }

  protected:
    void release(void* data, size_t bytes) noexcept override {
        held_.erase(data);
        memory_.used -= bytes;
    }

  private:
    void take(size_t bytes) {
        const bool isTaken = memory_.failAfter >= 0 && memory_.allocations >= memory_.failAfter;
        ++memory_.allocations;
        if (isTaken || memory_.used + bytes > memory_.freeBytes)
            throw kernels::OutOfDeviceMemory("the pretend card has no " + std::to_string(bytes >> 20) +
                                             " MiB free");
        memory_.used += bytes;
        memory_.peak = std::max(memory_.peak, memory_.used);
    }

    CardMemory& memory_;
    std::map<void*, kernels::DeviceBuffer> held_;
};

}  // namespace engine::testing
