#pragma once

#include <vector>

#include "ui/block_layout.h"
#include "ui/syntax.h"

namespace ui {

/// A code block: a header with the language and a copy button, then lines of one height that do not wrap.
/// Long lines scroll sideways. Only lines that are painted are laid out.
class CodeLayout final : public BlockLayout {
  public:
    CodeLayout(const MarkdownBlock& firstLine, const Theme& theme);

    /// The code block grows by a line at its end, or loses lines there. Amortised constant time.
    void append(const MarkdownBlock& line);
    void truncate(size_t lines);  ///< keeps the first `lines`, at least 1
    size_t lineCount() const { return lines_.size(); }

    void paint(QPainter& painter, const QRectF& clip, TextRange selection) override;
    int positionAt(QPointF point) const override;

    QRectF copyButton() const;
    /// Sideways; true when there was anything to scroll.
    bool scrollBy(qreal pixels);
    /// Shown in the header for a moment.
    void setCopied(bool copied) { copied_ = copied; }
    void setHovered(bool hovered) { hovered_ = hovered; }

  protected:
    qreal doLayout() override;
    qreal estimate() const override;

  private:
    struct Line {
        int start = 0;
        int length = 0;
        SyntaxState stateAfter = 0;
        std::vector<SyntaxRun> runs;
        std::unique_ptr<QTextLayout> layout;  // made when first painted
    };
    QTextLayout& layoutOf(const Line& line);
    qreal lineTop(size_t line) const { return kHeader + kPadding + qreal(line) * lineHeight_; }
    qreal scrollRange() const;

    static constexpr int kHeader = 36;
    static constexpr int kPadding = 12;
    static constexpr int kSide = 16;

    QString language_;
    const Language* syntax_ = nullptr;
    std::vector<Line> lines_;
    int indent_ = 0;
    qreal lineHeight_ = 20;
    qreal charWidth_ = 8;
    qreal contentWidth_ = 0;
    qreal scroll_ = 0;
    bool copied_ = false;
    bool hovered_ = false;
};

}  // namespace ui
