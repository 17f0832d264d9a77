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
constexpr int kSpinsBeforeYield = 2000;

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
    done_.store(0, std::memory_order_relaxed);
    tickets_.store(static_cast<uint64_t>(parts) << 32, std::memory_order_release);
    generation_.fetch_add(1, std::memory_order_release);
    generation_.notify_all();
    takeParts();
    // What is left is in the hands of workers. One that lost its processor needs ours.
    for (int spins = 0; done_.load(std::memory_order_acquire) != parts; ++spins)
        if (spins < kSpinsBeforeYield)
            relax();
        else
            std::this_thread::yield();
}

void ThreadPool::takeParts() {
    uint64_t tickets = tickets_.load(std::memory_order_acquire);
    while ((tickets & 0xFFFFFFFFU) < tickets >> 32) {
        if (!tickets_.compare_exchange_weak(tickets, tickets + 1, std::memory_order_acq_rel,
                                            std::memory_order_acquire))
            continue;
        (*part_)(static_cast<int>(tickets & 0xFFFFFFFFU));
        done_.fetch_add(1, std::memory_order_release);
        tickets = tickets_.load(std::memory_order_acquire);
    }
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
    }
}

}  // namespace kernels::detail
