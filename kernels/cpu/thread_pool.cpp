#include "kernels/cpu/thread_pool.h"

#include <chrono>

namespace kernels::detail {
namespace {

void relax() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#else
    std::this_thread::yield();
#endif
}

constexpr auto kSpinFor = std::chrono::microseconds(100);
constexpr int kSpinsPerLook = 64;

}  // namespace

ThreadPool::ThreadPool(int threads) {
    for (int i = 1; i < threads; ++i) workers_.emplace_back([this] { work(); });
}

ThreadPool::~ThreadPool() {
    stopping_ = true;
    ++generation_;
    generation_.notify_all();
}

void ThreadPool::run(int parts, const std::function<void(int)>& part) {
    if (workers_.empty() || parts <= 1) {
        for (int i = 0; i < parts; ++i) part(i);
        return;
    }
    part_ = &part;
    parts_ = parts;
    next_.store(0, std::memory_order_relaxed);
    busy_.store(static_cast<int>(workers_.size()), std::memory_order_relaxed);
    generation_.fetch_add(1, std::memory_order_release);
    generation_.notify_all();
    takeParts();
    while (busy_.load(std::memory_order_acquire) != 0) relax();
}

void ThreadPool::takeParts() {
    for (int i = next_.fetch_add(1, std::memory_order_relaxed); i < parts_;
         i = next_.fetch_add(1, std::memory_order_relaxed))
        (*part_)(i);
}

void ThreadPool::work() {
    uint32_t seen = 0;
    for (;;) {
        const auto deadline = std::chrono::steady_clock::now() + kSpinFor;
        while (generation_.load(std::memory_order_acquire) == seen) {
            for (int i = 0; i < kSpinsPerLook && generation_.load(std::memory_order_relaxed) == seen; ++i)
                relax();
            if (std::chrono::steady_clock::now() > deadline)
                generation_.wait(seen, std::memory_order_acquire);
        }
        seen = generation_.load(std::memory_order_acquire);
        if (stopping_) return;
        takeParts();
        busy_.fetch_sub(1, std::memory_order_release);
    }
}

}  // namespace kernels::detail
