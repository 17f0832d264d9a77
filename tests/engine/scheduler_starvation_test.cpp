#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "engine/schedule/scheduler.h"
#include "tests/engine/support/small_pool.h"

namespace engine {
namespace {

using std::chrono::nanoseconds;

constexpr int kRequests = 10'000, kRowsAStep = 256;
constexpr double kLoad = 0.9;
constexpr nanoseconds kRow = std::chrono::microseconds(100);  ///< what a row of a prompt costs

struct Request {
    nanoseconds arrival{}, first{};  ///< of the request, and of its first token
    int tokens = 0;
    int priority = 0;
    bool isOverdue = false;
    nanoseconds bound{};  ///< once it is overdue: when its first token has to be there

    nanoseconds work() const { return tokens * kRow; }
    bool isShort() const { return tokens < 100; }
};

/// Prompts as a chat sees them, one in twenty a long document; Poisson arrivals. Of a thousand, `urgent` have
/// priority 4.
std::vector<Request> makeRequests(unsigned seed, unsigned urgent = 0) {
    std::mt19937 random(seed);
    std::vector<Request> requests(kRequests);
    double work = 0.0;
    for (Request& request : requests) {
        const bool isLong = random() % 20 == 0;
        request.tokens =
            isLong ? 1000 + static_cast<int>(random() % 2000) : 8 + static_cast<int>(random() % 48);
        work += static_cast<double>(request.work().count());
        if (urgent > 0 && random() % 1000 < urgent) request.priority = 4;
    }
    std::exponential_distribution<double> gap(kLoad * kRequests / work);
    double at = 0.0;
    for (Request& request : requests) {
        at += gap(random);
        request.arrival = nanoseconds(static_cast<int64_t>(at));
    }
    return requests;
}

/// Runs the real scheduler on a simulated clock; each reply is one token, so that prompts are all the work.
class Simulation {
  public:
    Simulation(std::vector<Request> requests, PolicyKind policy)
        : requests_(std::move(requests)),
          pools_({0}, 1 << 15),
          scheduler_(pools_.pools, nullptr, limits(), makePolicy(policy)) {}

    std::vector<Request> run() {
        for (size_t answered = 0; answered < requests_.size();) {
            while (next_ < requests_.size() && requests_[next_].arrival <= now_) submit(next_++);
            noteOverdue();
            const Scheduler::Plan plan = scheduler_.schedule(now_);
            EXPECT_TRUE(plan.impossible.empty());
            if (plan.empty()) {
                if (next_ == requests_.size()) ADD_FAILURE() << "the rest is never computed";
                if (next_ == requests_.size()) return requests_;
                now_ = requests_[next_].arrival;
                continue;
            }
            const nanoseconds took = scheduler_.chunk()->batch.rows.prefill * kRow;
            now_ += took;
            const auto chunk = scheduler_.advanced(plan.chunkLayers, took);
            for (const Scheduler::Part& part : chunk->parts) {
                if (part.logits == 0) continue;
                const uint64_t id = part.sequence->id;
                requests_[id].first = now_;
                scheduler_.remove(id, false);
                ++answered;
            }
        }
        return requests_;
    }

  private:
    static SchedulerLimits limits() {
        SchedulerLimits limits;
        limits.maxRows = kRowsAStep;
        limits.maxSequences = 4096;
        return limits;
    }

    void submit(size_t index) {
        auto sequence = std::make_unique<Sequence>();
        sequence->id = index;
        sequence->tokens.assign(static_cast<size_t>(requests_[index].tokens), 1);
        sequence->promptTokens = requests_[index].tokens;
        sequence->maxTokens = requests_[index].tokens + 1;
        sequence->submitted = requests_[index].arrival;
        sequence->priority = requests_[index].priority;
        scheduler_.add(std::move(sequence));
        waiting_.push_back(index);
    }

    nanoseconds workLeft(size_t index) {
        const Sequence* sequence = scheduler_.find(index);
        return sequence != nullptr ? sequence->remaining() * kRow : nanoseconds(0);
    }

    /// A request is overdue at the latest when it has waited (kOverdueRatio - 1) times its work. From then on
    /// only those that came before it go first.
    void noteOverdue() {
        std::erase_if(waiting_, [&](size_t index) { return requests_[index].first > nanoseconds(0); });
        nanoseconds before{};
        for (const size_t index : waiting_) {
            before += workLeft(index);
            Request& request = requests_[index];
            const auto patience = nanoseconds(
                static_cast<int64_t>((kOverdueRatio - 1.0) * static_cast<double>(request.work().count())));
            if (request.isOverdue || now_ - request.arrival < patience) continue;
            request.isOverdue = true;
            request.bound = now_ + before + kRowsAStep * kRow;
        }
    }

    std::vector<Request> requests_;
    testing::SmallPools pools_;
    Scheduler scheduler_;
    size_t next_ = 0;
    std::vector<size_t> waiting_;  ///< without a first token, in the order of arrival
    nanoseconds now_{};
};

double meanMillis(const std::vector<Request>& requests, bool isShort) {
    double sum = 0.0;
    int count = 0;
    for (const Request& request : requests) {
        if (request.isShort() != isShort) continue;
        sum += std::chrono::duration<double, std::milli>(request.first - request.arrival).count();
        ++count;
    }
    return sum / count;
}

TEST(Scheduler, NobodyWaitsLongerThanTheWrittenBound) {
    int overdue = 0;
    struct Trace {
        unsigned seed, urgent;
    };
    for (const auto& [seed, urgent] : {Trace{1, 0}, Trace{2, 0}, Trace{3, 300}, Trace{4, 800}}) {
        SCOPED_TRACE(seed);
        for (const Request& request :
             Simulation(makeRequests(seed, urgent), PolicyKind::ResponseRatio).run()) {
            ASSERT_GT(request.first, request.arrival) << "it was never answered";
            if (!request.isOverdue) {
                // The bound of those that never became overdue is the time at which they would have.
                ASSERT_LE((request.first - request.arrival).count(),
                          (kOverdueRatio * request.work()).count() + (kRowsAStep * kRow).count());
                continue;
            }
            ++overdue;
            ASSERT_LE(request.first, request.bound)
                << request.tokens << " tokens, waited "
                << std::chrono::duration<double>(request.first - request.arrival).count() << " s";
        }
    }
    EXPECT_GT(overdue, 100) << "the test meets what it is for";
}

TEST(Scheduler, ShortQuestionsDoNotWaitBehindLongOnes) {
    const auto fair = Simulation(makeRequests(3), PolicyKind::ResponseRatio).run();
    const auto inOrder = Simulation(makeRequests(3), PolicyKind::Fcfs).run();
    EXPECT_GE(meanMillis(inOrder, true), 5.0 * meanMillis(fair, true));
    EXPECT_LE(meanMillis(fair, false), 3.0 * meanMillis(inOrder, false)) << "and the long ones pay little";
}

TEST(Scheduler, WhatSomebodyLooksAtGoesFirstAmongItsEquals) {
    const auto meanWait = [](const std::vector<Request>& requests, int priority) {
        double sum = 0.0;
        int count = 0;
        for (const Request& request : requests) {
            if (request.priority != priority || request.isShort()) continue;
            sum += std::chrono::duration<double, std::milli>(request.first - request.arrival).count();
            ++count;
        }
        return sum / count;
    };
    const auto requests = Simulation(makeRequests(5, 300), PolicyKind::ResponseRatio).run();
    EXPECT_LT(2.0 * meanWait(requests, 4), meanWait(requests, 0)) << "long prompts";
}

}  // namespace
}  // namespace engine
