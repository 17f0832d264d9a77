#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace engine {

/// Finds the first of some stop strings in text that comes in pieces. Text that could still become a stop
/// string is held back, so that none of it is ever shown. One sequence, one thread.
class StopMatcher {
  public:
    explicit StopMatcher(std::vector<std::string> stops);

    /// Text that may be shown now. Once `stopped()`, nothing more comes.
    std::string push(std::string_view text);
    /// The reply ended otherwise: what was held back may be shown after all.
    std::string flush();
    bool stopped() const { return stopped_; }

  private:
    size_t heldLength() const;
    std::vector<std::string> stops_;
    std::string pending_;
    bool stopped_ = false;
};

}  // namespace engine
