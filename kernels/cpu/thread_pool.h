#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

namespace kernels::detail {

/// Runs the parts of one operation on a fixed number of threads, the caller among them. Parts are handed out
/// one by one, so which thread runs a part is open; a part's result must not depend on it. Nobody waits for a
/// worker that has taken no part, so a busy machine that lets some workers sleep costs only their help.
/// Workers spin for some microseconds between operations, since the next one of a step comes at once, and
/// then sleep. One caller at a time.
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

    /// Of the operation under way: (parts << 32) | next part to hand out. Published last by `run`; whoever
    /// advances it holds a part, so `part_` cannot change before that part is done.
    std::atomic<uint64_t> tickets_{0};
    const std::function<void(int)>* part_ = nullptr;
    std::atomic<int> done_{0};             ///< parts that are done
    std::atomic<uint32_t> generation_{0};  ///< counts operations; workers wait for it to change
    std::atomic<bool> stopping_{false};
    std::vector<std::jthread> workers_;
};

}  // namespace kernels::detail
