#pragma once

#include <QPainter>
#include <QPointF>
#include <QRectF>
#include <QString>
#include <QTextLayout>
#include <memory>
#include <vector>

#include "ui/markdown_block.h"
#include "ui/theme.h"

namespace ui {

/// A stretch of a block's text, in UTF-16 units of BlockLayout::text(). Empty when from == to.
struct TextRange {
    int from = 0;
    int to = 0;
    bool isEmpty() const { return from >= to; }
};

/// One block of a message, laid out for a width: a paragraph, a heading, a rule, a whole code block or a
/// whole table. It knows its text, where each character is, and how to paint itself. Coordinates are the
/// block's own, from its top left corner. Laying out is put off until the block is looked at; until then the
/// height is an estimate. GUI thread.
class BlockLayout {
  public:
    explicit BlockLayout(const Theme& theme) : theme_(theme) {}
    virtual ~BlockLayout() = default;
    BlockLayout(const BlockLayout&) = delete;
    BlockLayout& operator=(const BlockLayout&) = delete;

    /// A new width makes the height an estimate again.
    void setWidth(qreal width);
    qreal width() const { return width_; }
    bool isLaidOut() const { return laidOut_; }
    void ensureLaidOut();
    qreal height() const { return height_; }
    /// How wide the text would be on lines of any length, at most `limit`.
    virtual qreal naturalWidth(qreal limit) const { return limit; }

    /// @param clip  what has to be painted, in the block's coordinates
    virtual void paint(QPainter& painter, const QRectF& clip, TextRange selection) = 0;
    /// The position whose character border is nearest.
    virtual int positionAt(QPointF point) const = 0;
    virtual QString linkAt(QPointF point) const;
    const QString& text() const { return text_; }

  protected:
    virtual qreal doLayout() = 0;  ///< lays out for width(), returns the height
    virtual qreal estimate() const = 0;
    void invalidate();

    const Theme& theme_;
    QString text_;

  private:
    qreal width_ = 0;
    qreal height_ = 0;
    bool laidOut_ = false;
};

/// A QTextLayout with styled spans, a line height of its own, backgrounds behind inline code and a selection
/// that covers whole lines. What paragraphs and table cells are made of.
class SpanText {
  public:
    /// @param lineHeight  of normal lines in pixels; taller scripts get what they need
    void set(const MarkdownSpans& spans, const QFont& font, const QColor& color, int lineHeight,
             const Theme& theme);
    qreal layOut(qreal width, Qt::Alignment alignment = Qt::AlignLeft);  ///< returns the height
    qreal naturalWidth() const;                                          ///< of the widest line, after layOut
    void paint(QPainter& painter, QPointF at, TextRange selection, const Theme& theme) const;
    int positionAt(QPointF point) const;
    QString linkAt(QPointF point) const;
    const QString& text() const { return text_; }

  private:
    struct Run {
        int start, length;
        QString link;
        bool code;
    };
    void fillRange(QPainter& painter, QPointF at, TextRange range, const QColor& color, bool rounded) const;

    QString text_;
    std::unique_ptr<QTextLayout> layout_;
    std::vector<Run> runs_;
    std::vector<qreal> lineTops_;  // one more than lines: the last is the height
    int lineHeight_ = 0;
    qreal height_ = 0;
};

/// Makes the layout of a block; a line of code begins a code block (see CodeLayout::append).
std::unique_ptr<BlockLayout> makeBlockLayout(const MarkdownBlock& block, const Theme& theme);
/// Plain text as it was typed, for the user's messages.
std::unique_ptr<BlockLayout> makePlainLayout(const QString& text, const Theme& theme);

/// Space between two blocks of one message, in pixels.
int gapBetween(const MarkdownBlock& above, const MarkdownBlock& below);

}  // namespace ui
