#include "ui/message_column.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace ui {

namespace {

constexpr int kBottomSpace = 12;
constexpr int kKeptRows = 40;  // layouts kept beside what is in sight
constexpr int kBeyond = 80;    // laid out above and below what is in sight

}  // namespace

MessageColumn::MessageColumn(const Theme& theme, const MessageDelegate& delegate, Describe describe)
    : theme_(theme), delegate_(delegate), describe_(std::move(describe)) {}

void MessageColumn::reset(const MessageModel& model) {
    model_ = &model;
    rows_.clear();
    if (model.rowCount() > 0) insert(0, model.rowCount() - 1);
}

void MessageColumn::insert(int first, int last) {
    std::vector<Row> fresh(size_t(last - first + 1));
    for (int i = first; i <= last; ++i)
        fresh[size_t(i - first)].height = delegate_.estimate(model_->message(i), width_);
    rows_.insert(rows_.begin() + first, std::make_move_iterator(fresh.begin()),
                 std::make_move_iterator(fresh.end()));
    // The row before looks different now that it is not the last.
    if (first > 0) rows_[size_t(first) - 1].measured = false;
    place(std::max(0, first - 1));
}

void MessageColumn::remove(int first, int last) {
    rows_.erase(rows_.begin() + first, rows_.begin() + last + 1);
    place(first);
}

void MessageColumn::append(int row, const QString& text) {
    Row& grown = rows_[size_t(row)];
    if (grown.layout) grown.layout->append(text);
    grown.measured = false;
}

void MessageColumn::change(int row) {
    const app::Message& message = model_->message(row);
    Row& changed = rows_[size_t(row)];
    if (changed.layout && message.state != app::MessageState::Streaming && message.role != app::Role::User)
        changed.layout->finish();
    changed.measured = false;
}

void MessageColumn::setWidth(int width) {
    if (width == std::exchange(width_, width)) return;
    for (Row& row : rows_) row.measured = false;
}

void MessageColumn::forgetLayouts() {
    for (Row& row : rows_) row.layout.reset();
}

void MessageColumn::forgetFarFrom(int row) {
    if (laidOutRows() <= 2 * kKeptRows) return;
    for (int i = 0; i + 1 < count(); ++i) {
        if (std::abs(i - row) > kKeptRows / 2) rows_[size_t(i)].layout.reset();  // its height stays
    }
}

qreal MessageColumn::height() const {
    return rows_.empty() ? 0 : rows_.back().top + rows_.back().height + kBottomSpace;
}

int MessageColumn::rowAt(qreal y) const {
    const auto after = std::upper_bound(rows_.begin(), rows_.end(), y, [](qreal value, const Row& row) {
        return value < row.top + row.height;
    });
    return after == rows_.end() ? -1 : int(after - rows_.begin());
}

int MessageColumn::laidOutRows() const {
    return int(
        std::count_if(rows_.begin(), rows_.end(), [](const Row& row) { return row.layout != nullptr; }));
}

void MessageColumn::place(int from) {
    qreal y = from == 0 || rows_.empty() ? 0 : rows_[size_t(from) - 1].top + rows_[size_t(from) - 1].height;
    for (size_t i = size_t(from); i < rows_.size(); ++i) {
        rows_[i].top = y;
        y += rows_[i].height;
    }
}

MessageLayout& MessageColumn::layoutOf(int row) {
    Row& entry = rows_[size_t(row)];
    if (entry.layout) return *entry.layout;
    const app::Message& message = model_->message(row);
    entry.layout = std::make_unique<MessageLayout>(theme_);
    if (message.role == app::Role::User) {
        entry.layout->setPlain(message.text);
    } else {
        entry.layout->setMarkdown(message.text);
        if (message.state != app::MessageState::Streaming) entry.layout->finish();
    }
    entry.measured = false;
    return *entry.layout;
}

MessageGeometry MessageColumn::measure(int row) {
    MessageLayout& layout = layoutOf(row);
    layout.update();
    const MessageRow info = describe_(row);
    layout.setWidth(delegate_.textWidth(info, layout, width_));
    MessageGeometry geometry = delegate_.geometry(info, layout, width_);
    rows_[size_t(row)].height = geometry.height;
    rows_[size_t(row)].measured = true;
    return geometry;
}

MessageColumn::Anchor MessageColumn::anchorAt(qreal scroll, int viewHeight) const {
    Anchor fallback;
    for (int row = std::max(0, rowAt(scroll)); row < count(); ++row) {
        const Row& entry = rows_[size_t(row)];
        if (entry.top > scroll + viewHeight) break;
        if (fallback.row < 0) fallback = {row, -1, scroll - entry.top};
        if (!entry.layout) continue;
        // What is laid out and in sight must stay; an estimate above may turn out otherwise.
        const qreal inside = scroll - entry.top;
        for (int block = std::max(0, entry.layout->blockAt(inside)); block < entry.layout->blockCount();
             ++block) {
            if (entry.layout->isLaidOut(block)) return {row, block, inside - entry.layout->blockTop(block)};
        }
    }
    return fallback;
}

qreal MessageColumn::arrange(qreal scroll, int viewHeight, const Anchor& kept, bool atEnd) {
    for (int round = 0; round < 8; ++round) {
        const qreal last = std::max<qreal>(0, height() - viewHeight);
        if (atEnd) {
            scroll = last;
        } else if (has(kept.row)) {
            const Row& row = rows_[size_t(kept.row)];
            const bool block = kept.block >= 0 && row.layout && kept.block < row.layout->blockCount();
            scroll = row.top + (block ? row.layout->blockTop(kept.block) : 0) + kept.distance;
        }
        scroll = std::clamp<qreal>(scroll, 0, last);
        bool moved = false;
        const int firstSeen = rowAt(scroll);
        for (int i = firstSeen < 0 ? count() : firstSeen; i < count() && top(i) < scroll + viewHeight; ++i) {
            Row& row = rows_[size_t(i)];
            const qreal before = row.height;
            if (!row.measured || !row.layout) measure(i);
            const qreal textHeight = row.layout->height();
            row.layout->ensureLaidOut(scroll - row.top - kBeyond, scroll + viewHeight - row.top + kBeyond);
            if (row.layout->height() != textHeight) measure(i);
            if (row.height != before) {
                moved = true;
                place(i);
            }
        }
        if (!moved && round > 0) break;
    }
    return scroll;
}

MessageHit MessageColumn::hit(int row, QPointF point) const {
    MessageHit hit;
    if (!has(row) || !layout(row)) return hit;
    hit.layout = layout(row);
    hit.geometry = delegate_.geometry(describe_(row), *hit.layout, width_);
    hit.inRow = point - QPointF(0, top(row));
    hit.inText = hit.inRow - hit.geometry.text;
    return hit;
}

TextPlace MessageColumn::end() {
    if (rows_.empty()) return {};
    MessageLayout& last = layoutOf(count() - 1);
    last.update();
    return {count() - 1, last.end()};
}

QString MessageColumn::textBetween(const TextPlace& from, const TextPlace& to) {
    QStringList parts;
    for (int row = from.row; row <= to.row && row < count(); ++row) {
        MessageLayout& layout = layoutOf(row);
        layout.update();
        parts += layout.textBetween(row == from.row ? from.position : TextPosition{},
                                    row == to.row ? to.position : layout.end());
    }
    return parts.join(QStringLiteral("\n\n"));
}

}  // namespace ui
