#include "ui/message_layout.h"

#include <algorithm>

#include "ui/code_layout.h"

namespace ui {

namespace {
/// A long paste is cut here, at line ends, so that showing its beginning does not lay out all of it.
constexpr qsizetype kPlainUnit = 3000;
}  // namespace

void MessageLayout::setPlain(const QString& text) {
    units_.clear();
    for (qsizetype at = 0; at < text.size() || units_.empty();) {
        qsizetype end = text.size();
        if (end - at > kPlainUnit) {
            const qsizetype newline = text.indexOf(QLatin1Char('\n'), at + kPlainUnit);
            if (newline >= 0) end = newline;
        }
        Unit unit;
        unit.layout = makePlainLayout(text.mid(at, end - at), theme_);
        unit.layout->setWidth(width_);
        units_.push_back(std::move(unit));
        at = end + 1;
    }
    placeFrom(0);
}

void MessageLayout::setMarkdown(const QString& text) {
    units_.clear();
    markdown_.clear();
    append(text);
}

void MessageLayout::append(const QString& text) {
    markdown_.append(text);
    stale_ = true;
}

void MessageLayout::finish() {
    markdown_.finish();
    stale_ = true;
}

void MessageLayout::update() {
    if (!stale_) return;
    stale_ = false;
    sync(markdown_.update());
}

void MessageLayout::sync(size_t firstChanged) {
    const MarkdownBlocks& blocks = markdown_.blocks();
    while (!units_.empty() && units_.back().end > firstChanged) {
        Unit& last = units_.back();
        auto* code = dynamic_cast<CodeLayout*>(last.layout.get());
        if (code != nullptr && last.begin < firstChanged) {
            code->truncate(firstChanged - last.begin);
            last.end = firstChanged;
            break;
        }
        units_.pop_back();
    }
    size_t placed = units_.empty() ? 0 : units_.size() - 1;
    for (size_t i = firstChanged; i < blocks.size(); ++i) {
        const bool codeGoesOn = blocks[i].kind == MarkdownBlock::Kind::CodeLine && !blocks[i].firstLine;
        auto* code =
            codeGoesOn && !units_.empty() ? dynamic_cast<CodeLayout*>(units_.back().layout.get()) : nullptr;
        if (code != nullptr) {
            code->append(blocks[i]);
            units_.back().end = i + 1;
            continue;
        }
        Unit unit;
        unit.layout = makeBlockLayout(blocks[i], theme_);
        unit.layout->setWidth(width_);
        unit.begin = i;
        unit.end = i + 1;
        unit.gap = i == 0 ? 0 : gapBetween(blocks[i - 1], blocks[i]);
        units_.push_back(std::move(unit));
    }
    placeFrom(placed);
}

void MessageLayout::placeFrom(size_t unit) {
    qreal y = unit == 0 ? 0 : blockBottom(int(unit) - 1);
    for (size_t i = unit; i < units_.size(); ++i) {
        units_[i].top = y + units_[i].gap;
        y = units_[i].top + units_[i].layout->height();
    }
    height_ = y;
}

void MessageLayout::setWidth(qreal width) {
    if (width == width_) return;
    width_ = width;
    for (Unit& unit : units_) unit.layout->setWidth(width);
    placeFrom(0);
}

qreal MessageLayout::naturalWidth(qreal limit) const {
    qreal width = 0;
    for (const Unit& unit : units_) {
        if (width >= limit) break;
        width = std::max(width, unit.layout->naturalWidth(limit));
    }
    return width;
}

void MessageLayout::ensureLaidOut(qreal top, qreal bottom) {
    const int first = blockAt(top);
    if (first < 0) return;
    for (size_t i = size_t(first); i < units_.size() && units_[i].top <= bottom; ++i) {
        if (units_[i].layout->isLaidOut()) continue;
        const qreal before = units_[i].layout->height();
        units_[i].layout->ensureLaidOut();
        if (units_[i].layout->height() != before) placeFrom(i);
    }
}

void MessageLayout::paint(QPainter& painter, const QRectF& clip, TextPosition from, TextPosition to) {
    const int first = blockAt(clip.top());
    if (first < 0) return;
    for (int i = first; i < blockCount() && blockTop(i) < clip.bottom(); ++i) {
        Unit& unit = units_[size_t(i)];
        unit.layout->ensureLaidOut();
        TextRange selection;
        if (from < to && i >= from.block && i <= to.block) {
            selection.from = i == from.block ? from.offset : 0;
            selection.to = i == to.block ? to.offset : int(unit.layout->text().size());
        }
        painter.save();
        painter.translate(0, unit.top);
        unit.layout->paint(painter, clip.translated(0, -unit.top), selection);
        painter.restore();
    }
}

int MessageLayout::blockAt(qreal y) const {
    if (units_.empty()) return -1;
    const auto after = std::upper_bound(units_.begin(), units_.end(), y,
                                        [](qreal value, const Unit& unit) { return value < unit.top; });
    return after == units_.begin() ? 0 : int(after - units_.begin()) - 1;
}

qreal MessageLayout::blockBottom(int block) const {
    return units_[size_t(block)].top + units_[size_t(block)].layout->height();
}

TextPosition MessageLayout::positionAt(QPointF point) const {
    const int block = blockAt(point.y());
    if (block < 0) return {};
    if (point.y() < 0) return {0, 0};
    return {block, units_[size_t(block)].layout->positionAt(point - QPointF(0, blockTop(block)))};
}

TextPosition MessageLayout::end() const {
    if (units_.empty()) return {};
    return {blockCount() - 1, int(units_.back().layout->text().size())};
}

QString MessageLayout::linkAt(QPointF point) const {
    const int block = blockAt(point.y());
    if (block < 0 || !isLaidOut(block)) return {};
    return units_[size_t(block)].layout->linkAt(point - QPointF(0, blockTop(block)));
}

CodeLayout* MessageLayout::codeAt(QPointF point, QPointF* inside) const {
    const int block = blockAt(point.y());
    if (block < 0 || point.y() > blockBottom(block) || point.x() < 0 || point.x() > width_) return nullptr;
    if (inside != nullptr) *inside = point - QPointF(0, blockTop(block));
    return codeOf(block);
}

CodeLayout* MessageLayout::codeOf(int block) const {
    if (block < 0 || block >= blockCount()) return nullptr;
    return dynamic_cast<CodeLayout*>(units_[size_t(block)].layout.get());
}

QString MessageLayout::textBetween(TextPosition from, TextPosition to) const {
    QString text;
    for (int i = from.block; i <= to.block && i < blockCount(); ++i) {
        const QString& block = blockText(i);
        const int begin = i == from.block ? from.offset : 0;
        const int end = i == to.block ? std::min<int>(to.offset, int(block.size())) : int(block.size());
        if (i > from.block) text += units_[size_t(i)].gap > 8 ? QStringLiteral("\n\n") : QStringLiteral("\n");
        text += block.mid(begin, end - begin);
    }
    return text.replace(QChar::LineSeparator, QLatin1Char('\n'));
}

}  // namespace ui
