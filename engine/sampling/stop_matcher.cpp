#include "engine/sampling/stop_matcher.h"

#include <algorithm>
#include <utility>

namespace engine {

StopMatcher::StopMatcher(std::vector<std::string> stops) : stops_(std::move(stops)) {
    std::erase_if(stops_, [](const std::string& stop) { return stop.empty(); });
}

std::string StopMatcher::push(std::string_view text) {
    if (stopped_) return {};
    pending_ += text;
    size_t first = std::string::npos;
    for (const std::string& stop : stops_) first = std::min(first, pending_.find(stop));
    if (first != std::string::npos) {
        stopped_ = true;
        std::string shown = pending_.substr(0, first);
        pending_.clear();
        return shown;
    }
    const size_t shown = pending_.size() - heldLength();
    std::string result = pending_.substr(0, shown);
    pending_.erase(0, shown);
    return result;
}

std::string StopMatcher::flush() {
    return std::exchange(pending_, {});
}

/// The longest end of the pending text that begins a stop string.
size_t StopMatcher::heldLength() const {
    size_t held = 0;
    for (const std::string& stop : stops_)
        for (size_t length = std::min(stop.size() - 1, pending_.size()); length > held; --length)
            if (pending_.ends_with(std::string_view(stop).substr(0, length))) held = length;
    return held;
}

}  // namespace engine
