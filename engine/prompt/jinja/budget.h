#pragma once

#include <fmt/format.h>
#include <cstddef>
#include <cstdint>

#include <string>

namespace engine::jinja {

/// Thrown inside the interpreter only: a failure may start twenty calls deep in an expression and always ends
/// the whole rendering. ChatTemplate turns it into a Result.
struct TemplateError {
    std::string message;
};

template <class... Args>
[[noreturn]] void raise(fmt::format_string<Args...> format, Args&&... args) {
    throw TemplateError{fmt::format(format, std::forward<Args>(args)...)};
}

inline constexpr int kMaxSyntaxDepth = 200;           ///< of nested expressions and statements
inline constexpr int kMaxCallDepth = 1000;            ///< nodes being evaluated at once, through macros too
inline constexpr int kMaxValueDepth = 200;            ///< of lists in lists
inline constexpr uint64_t kMaxValueWeight = 8 << 20;  ///< see Extent
inline constexpr size_t kMaxText = 64 << 20;          ///< bytes of one text
inline constexpr size_t kMaxItems = 1 << 20;          ///< of one list
inline constexpr size_t kMaxBuilt = 512 << 20;
inline constexpr uint64_t kMaxSteps = 10'000'000;  ///< about a second

/// What one rendering may still spend. A template is somebody else's program: it gets to run, not to stay.
class Budget {
  public:
    void step(uint64_t steps = 1) {
        steps_ += steps;
        if (steps_ > kMaxSteps) raise("the template runs for too long (more than {} steps)", kMaxSteps);
    }
    /// Before making a text of so many bytes (or reading one from end to end).
    void text(size_t bytes) {
        if (bytes > kMaxText) raise("the template builds a text of more than {} bytes", kMaxText);
        build(bytes);
    }
    /// Before making a list of so many items.
    void items(size_t count) {
        if (count > kMaxItems) raise("the template builds a list of more than {} items", kMaxItems);
        build(count * 48);
    }

    /// Counts evaluations in progress for as long as it lives.
    class Depth {
      public:
        explicit Depth(Budget& budget) : budget_(budget) {
            if (++budget_.depth_ > kMaxCallDepth) {
                --budget_.depth_;
                raise("the template recurses too deeply");
            }
        }
        ~Depth() { --budget_.depth_; }
        Depth(const Depth&) = delete;
        Depth& operator=(const Depth&) = delete;

      private:
        Budget& budget_;
    };

  private:
    void build(size_t bytes) {
        built_ += bytes;
        if (built_ > kMaxBuilt) raise("the template builds more than {} bytes", kMaxBuilt);
        step(bytes / 256);
    }

    uint64_t steps_ = 0;
    size_t built_ = 0;
    int depth_ = 0;
};

}  // namespace engine::jinja
