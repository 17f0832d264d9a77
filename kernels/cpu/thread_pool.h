#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

namespace kernels::detail {

/// Runs the parts of one operation on a fixed number of threads, the caller among them. Parts are handed out
/// one by one, so which thread runs a part is open; a part's result must not depend on it. Workers spin for
/// some microseconds between operations, since the next one of a step comes at once, and then sleep. One
/// caller at a time.
class ThreadPool {
  public:
    explicit ThreadPool(int threads);
    ~ThreadPool();
    ThreadPool(const ThreadPool&) = delete;
    ThreadPool& operator=(const ThreadPool&) = delete;

    int threads() const { return static_cast<int>(workers_.size()) + 1; }

    /// Calls part(0) .. part(parts - 1), each once, and returns when all are done. Parts must not throw.
    void run(int parts, const std::function<void(int)>& part);

  private:
    void work();
    void takeParts();

    const std::function<void(int)>* part_ =
        nullptr;  ///< of the operation under way; published by generation_
    int parts_ = 0;
    std::atomic<int> next_{0};
    std::atomic<uint32_t> generation_{0};  ///< counts operations; workers wait for it to change
    std::atomic<int> busy_{0};             ///< workers that have not finished the operation under way
    std::atomic<bool> stopping_{false};
    std::vector<std::jthread> workers_;
};

}  // namespace kernels::detail
