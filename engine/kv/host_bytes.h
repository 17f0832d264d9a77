#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <vector>

#include "kernels/ops.h"

namespace engine {

/// Bytes of a block in host memory. Copies share them: whoever made them writes them before the first copy.
class HostBytes {
  public:
    HostBytes() = default;
    /// Memory of its own, from the heap; zeros.
    explicit HostBytes(size_t bytes)
        : memory_(new std::byte[bytes](), std::default_delete<std::byte[]>()), size_(bytes) {}
    /// `memory` gives itself back.
    HostBytes(std::shared_ptr<std::byte> memory, size_t bytes) : memory_(std::move(memory)), size_(bytes) {}

    std::byte* data() const { return memory_.get(); }
    size_t size() const { return size_; }
    const std::byte& operator[](size_t at) const { return memory_.get()[at]; }
    friend bool operator==(const HostBytes& a, const HostBytes& b) {
        return a.size_ == b.size_ && std::equal(a.data(), a.data() + a.size_, b.data());
    }

  private:
    std::shared_ptr<std::byte> memory_;
    size_t size_ = 0;
};

/// Host memory that a device copies from and to fastest, in pieces of some megabytes cut into equal slots:
/// locking pages is slow, and is done seldom. What is given back is used again for bytes of the same number.
/// Engine thread only; slots keep the memory alive, which must not outlive the Ops.
class HostArena {
  public:
    explicit HostArena(kernels::Ops& ops) : state_(std::make_shared<State>(State{ops, {}, {}})) {}

    /// Of the heap where the system refuses more page-locked memory. Its contents are anything.
    HostBytes take(size_t bytes);

  private:
    struct Size {
        size_t bytes;
        std::vector<std::byte*> free;
    };
    struct State {
        kernels::Ops& ops;
        std::vector<kernels::HostBuffer> pieces;
        std::vector<Size> sizes;  ///< few: blocks have one size for each set of groups
        Size& ofSize(size_t bytes);
    };
    std::shared_ptr<State> state_;
};

}  // namespace engine
