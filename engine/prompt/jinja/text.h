#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace engine::jinja {

/// Who wrote some bytes: the template itself (special tokens count in them) or its data (they do not), and
/// which message if it was one.
enum class Origin : uint32_t { Data, Template, FirstMessage };
constexpr Origin messageOrigin(size_t index) {
    return static_cast<Origin>(static_cast<uint32_t>(Origin::FirstMessage) + static_cast<uint32_t>(index));
}
/// Nothing when no message wrote it.
constexpr std::optional<size_t> messageOf(Origin origin) {
    if (origin < Origin::FirstMessage) return std::nullopt;
    return static_cast<size_t>(origin) - static_cast<size_t>(Origin::FirstMessage);
}

/// UTF-8 whose every byte knows its origin, kept as runs. Cutting and joining keep origins.
class Text {
  public:
    Text() = default;
    Text(std::string bytes, Origin origin);

    const std::string& bytes() const { return bytes_; }
    size_t size() const { return bytes_.size(); }
    bool empty() const { return bytes_.empty(); }
    /// Of the byte at `position`; of the last byte when beyond; Template for an empty text.
    Origin originAt(size_t position) const;

    void append(std::string_view bytes, Origin origin);
    void append(const Text& other) { append(other, 0, other.size()); }
    /// The bytes [begin, end) of `other`.
    void append(const Text& other, size_t begin, size_t end);
    Text slice(size_t begin, size_t end) const;
    void reserve(size_t bytes) { bytes_.reserve(bytes); }

    /// A maximal stretch of one origin, ending before byte `end`.
    struct Run {
        size_t end;
        Origin origin;
    };
    const std::vector<Run>& runs() const { return runs_; }

  private:
    std::string bytes_;
    std::vector<Run> runs_;  // ascending ends, the last one is size(); neighbours differ in origin
};

}  // namespace engine::jinja
