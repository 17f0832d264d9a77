#pragma once

#include <QPainter>
#include <QString>
#include <memory>
#include <vector>

#include "ui/block_layout.h"
#include "ui/markdown_document.h"

namespace ui {

class CodeLayout;

/// A place in a message's text: a block and a UTF-16 position in it.
struct TextPosition {
    int block = 0;
    int offset = 0;
    auto operator<=>(const TextPosition&) const = default;
};

/// The text of one message, as a column of blocks. An assistant's text is Markdown that may still grow, a
/// user's is plain. Only blocks that come into sight are laid out. Coordinates are the column's own.
class MessageLayout {
  public:
    explicit MessageLayout(const Theme& theme) : theme_(theme) {}

    void setPlain(const QString& text);
    void setMarkdown(const QString& text);
    /// Markdown only. Cheap; blocks change at the next update().
    void append(const QString& text);
    void finish();  ///< no more text comes
    void update();

    void setWidth(qreal width);
    qreal width() const { return width_; }
    qreal height() const { return height_; }
    /// How wide the text would be if it could be, at most `limit`.
    qreal naturalWidth(qreal limit) const;
    /// Lays out what lies between; the height may change, also above.
    void ensureLaidOut(qreal top, qreal bottom);

    void paint(QPainter& painter, const QRectF& clip, TextPosition from, TextPosition to);

    int blockCount() const { return int(units_.size()); }
    int blockAt(qreal y) const;  ///< -1: there is none
    qreal blockTop(int block) const { return units_[size_t(block)].top; }
    qreal blockBottom(int block) const;
    bool isLaidOut(int block) const { return units_[size_t(block)].layout->isLaidOut(); }
    const QString& blockText(int block) const { return units_[size_t(block)].layout->text(); }

    TextPosition positionAt(QPointF point) const;
    TextPosition end() const;
    QString linkAt(QPointF point) const;
    /// The code block at a point, and the point in it; null: none.
    CodeLayout* codeAt(QPointF point, QPointF* inside = nullptr) const;
    CodeLayout* codeOf(int block) const;  ///< null: another kind of block, or none
    QString textBetween(TextPosition from, TextPosition to) const;

  private:
    struct Unit {
        std::unique_ptr<BlockLayout> layout;
        size_t begin = 0, end = 0;  // blocks of the Markdown
        int gap = 0;                // above
        qreal top = 0;
    };
    void sync(size_t firstChanged);
    void placeFrom(size_t unit);

    const Theme& theme_;
    MarkdownDocument markdown_;
    std::vector<Unit> units_;
    qreal width_ = 0;
    qreal height_ = 0;
    bool stale_ = false;
};

}  // namespace ui
