#include "engine/prompt/jinja/text.h"

#include <algorithm>

namespace engine::jinja {
namespace {

auto runAt(const std::vector<Text::Run>& runs, size_t position) {
    return std::upper_bound(runs.begin(), runs.end(), position,
                            [](size_t value, const Text::Run& run) { return value < run.end; });
}

}  // namespace

Text::Text(std::string bytes, Origin origin) : bytes_(std::move(bytes)) {
    if (!bytes_.empty()) runs_.push_back({bytes_.size(), origin});
}

Origin Text::originAt(size_t position) const {
    if (runs_.empty()) return Origin::Template;
    const auto run = runAt(runs_, position);
    return run == runs_.end() ? runs_.back().origin : run->origin;
}

void Text::append(std::string_view bytes, Origin origin) {
    if (bytes.empty()) return;
    bytes_.append(bytes);
    if (!runs_.empty() && runs_.back().origin == origin)
        runs_.back().end = bytes_.size();
    else
        runs_.push_back({bytes_.size(), origin});
}

void Text::append(const Text& other, size_t begin, size_t end) {
    const std::string_view bytes = other.bytes_;
    for (auto run = runAt(other.runs_, begin); begin < end && run != other.runs_.end(); ++run) {
        const size_t stop = std::min(end, run->end);
        append(bytes.substr(begin, stop - begin), run->origin);
        begin = stop;
    }
}

Text Text::slice(size_t begin, size_t end) const {
    Text part;
    part.append(*this, begin, end);
    return part;
}

}  // namespace engine::jinja
