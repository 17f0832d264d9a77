#pragma once

#include <cstring>
#include <deque>
#include <vector>

#include "tests/engine/support/failing_ops.h"

namespace engine::testing {

/// How uploads aside went, for a test to see and to set.
struct Lateness {
    int questions = 20;   ///< isThere says no so many times for each upload
    int underway = 0;     ///< uploads that have not taken effect
    int64_t begun = 0;    ///< so far
    int64_t awaited = 0;  ///< of these, that somebody could not wait for
};

/// A CPU whose uploads aside take effect late, as a card's do: their bytes are garbage until then.
class LateOps final : public FailingOps {
  public:
    LateOps(std::unique_ptr<kernels::Ops> real, Fault& fault, Lateness& lateness)
        : FailingOps(std::move(real), fault), lateness_(lateness) {}

    uint64_t uploadAside(std::span<const kernels::HostCopy> copies) override {
        for (const kernels::HostCopy& copy : copies) std::memset(copy.device, 0xEE, copy.bytes);
        uploads_.push_back({{copies.begin(), copies.end()}, lateness_.questions});
        lateness_.underway = static_cast<int>(uploads_.size());
        ++lateness_.begun;
        return ++count_;
    }
    bool isThere(uint64_t uploads) override {
        while (!uploads_.empty() && count_ - uploads_.size() + 1 <= uploads) {
            if (uploads_.front().questions-- > 0) return false;
            finishOldest();
        }
        return true;
    }
    void awaitUploads() override {
        lateness_.awaited += static_cast<int64_t>(uploads_.size());
        while (!uploads_.empty()) finishOldest();
    }

  private:
    struct Upload {
        std::vector<kernels::HostCopy> copies;
        int questions;
    };
    void finishOldest() {
        for (const kernels::HostCopy& copy : uploads_.front().copies)
            std::memcpy(copy.device, copy.host, copy.bytes);
        uploads_.pop_front();
        lateness_.underway = static_cast<int>(uploads_.size());
    }

    Lateness& lateness_;
    std::deque<Upload> uploads_;
    uint64_t count_ = 0;
};

}  // namespace engine::testing
