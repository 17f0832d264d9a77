#pragma once

#include <algorithm>
#include <optional>
#include <utility>

#include "ui/message_column.h"

namespace ui {

/// A stretch of text that a reader selects, across messages: from where the mouse went down to where it is,
/// in either direction.
class MessageSelection {
  public:
    void start(const TextPlace& place) { start_ = end_ = place; }
    /// To here from where it started, or from here if it did not.
    void extend(const TextPlace& place) {
        if (!start_) start_ = place;
        end_ = place;
    }
    void clear() { start_.reset(); }

    bool isEmpty() const { return !start_ || *start_ == end_; }
    /// Empty ones are at the very beginning.
    TextPlace first() const { return start_ ? std::min(*start_, end_) : TextPlace(); }
    TextPlace last() const { return start_ ? std::max(*start_, end_) : TextPlace(); }
    /// What of a row's text is in it; the same position twice: nothing.
    std::pair<TextPosition, TextPosition> partOf(int row, const TextPosition& rowEnd) const {
        const TextPlace from = first(), to = last();
        if (!start_ || row < from.row || row > to.row) return std::pair(TextPosition(), TextPosition());
        return std::pair(row == from.row ? from.position : TextPosition(),
                         row == to.row ? to.position : rowEnd);
    }

  private:
    std::optional<TextPlace> start_;
    TextPlace end_;
};

}  // namespace ui
