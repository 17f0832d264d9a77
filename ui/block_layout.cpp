#include "ui/block_layout.h"

#include <QFontMetricsF>
#include <cmath>

#include "ui/code_layout.h"
#include "ui/table_layout.h"

namespace ui {

namespace {

constexpr int kListIndent = 26;
constexpr int kQuoteIndent = 18;
constexpr int kCodeSide = 4;  // of the background of inline code

class TextBlockLayout final : public BlockLayout {
  public:
    TextBlockLayout(const MarkdownBlock& block, const Theme& theme) : BlockLayout(theme), block_(block) {
        QFont font = theme.bodyFont();
        double lineFactor = 1.5;
        if (block.kind == MarkdownBlock::Kind::Heading) {
            static constexpr double kScale[] = {1.5, 1.27, 1.13, 1.0, 1.0, 1.0};
            font.setPixelSize(
                int(std::lround(font.pixelSize() * kScale[std::clamp(block.headingLevel, 1, 6) - 1])));
            font.setWeight(QFont::DemiBold);
            lineFactor = 1.35;
        }
        const QColor color = theme.color(block.containers.contains('q') ? Token::TextSecondary : Token::Text);
        spans_.set(block.spans, font, color, int(std::lround(font.pixelSize() * lineFactor)), theme);
        text_ = spans_.text();
        font_ = font;
        for (const char container : block.containers)
            indent_ += container == 'l' ? kListIndent : kQuoteIndent;
    }

    qreal naturalWidth(qreal limit) const override {
        SpanText copy;
        copy.set(block_.spans, font_, Qt::black, font_.pixelSize(), theme_);
        copy.layOut(limit - indent_);
        return std::min(limit, std::ceil(copy.naturalWidth()) + indent_ + 1);
    }

    void paint(QPainter& painter, const QRectF&, TextRange selection) override {
        paintContainers(painter);
        if (block_.kind == MarkdownBlock::Kind::Rule) {
            painter.fillRect(QRectF(indent_, height() / 2, width() - indent_, 1),
                             theme_.color(Token::Border));
            return;
        }
        spans_.paint(painter, QPointF(indent_, 0), selection, theme_);
    }

    int positionAt(QPointF point) const override { return spans_.positionAt(point - QPointF(indent_, 0)); }
    QString linkAt(QPointF point) const override { return spans_.linkAt(point - QPointF(indent_, 0)); }

  protected:
    qreal doLayout() override {
        if (block_.kind == MarkdownBlock::Kind::Rule) return 9;
        return spans_.layOut(width() - indent_);
    }
    qreal estimate() const override {
        if (block_.kind == MarkdownBlock::Kind::Rule) return 9;
        const qreal perLine = std::max(8.0, (width() - indent_) / (font_.pixelSize() * 0.5));
        const qreal lines = std::ceil(std::max<qreal>(1, qreal(text_.size())) / perLine) +
                            qreal(text_.count(QChar::LineSeparator));
        return lines * std::lround(font_.pixelSize() * 1.5);
    }

  private:
    void paintContainers(QPainter& painter) const {
        qreal x = 0;
        for (const char container : block_.containers) {
            if (container == 'q') {
                // Taller than the block, so that the bars of neighbours meet across the gap.
                painter.fillRect(QRectF(x, -5, 3, height() + 10), theme_.color(Token::BorderStrong));
                x += kQuoteIndent;
            } else {
                x += kListIndent;
            }
        }
        if (block_.marker.isEmpty()) return;
        const qreal lineHeight = std::lround(theme_.bodyFont().pixelSize() * 1.5);
        painter.setRenderHint(QPainter::Antialiasing);
        if (block_.marker == QStringLiteral("•")) {
            const int depth = int(block_.containers.count('l'));
            painter.setPen(QPen(theme_.color(Token::TextSecondary), 1.2));
            painter.setBrush(depth % 2 == 1 ? QBrush(theme_.color(Token::TextSecondary))
                                            : QBrush(Qt::NoBrush));
            painter.drawEllipse(QPointF(indent_ - 14, lineHeight / 2 + 0.5), 2.4, 2.4);
        } else if (block_.marker == QStringLiteral("☐") || block_.marker == QStringLiteral("☑")) {
            const QRectF box(indent_ - 21, lineHeight / 2 - 7, 14, 14);
            const bool done = block_.marker == QStringLiteral("☑");
            painter.setPen(QPen(theme_.color(done ? Token::Accent : Token::BorderStrong), 1.4));
            painter.setBrush(done ? QBrush(theme_.color(Token::Accent)) : QBrush(Qt::NoBrush));
            painter.drawRoundedRect(box, 3, 3);
            if (done)
                painter.drawPixmap(box.topLeft() + QPointF(1, 1),
                                   theme_.pixmap(QStringLiteral("check"), Token::AccentText, 12,
                                                 painter.device()->devicePixelRatioF()));
        } else {
            painter.setFont(theme_.bodyFont());
            painter.setPen(theme_.color(Token::TextSecondary));
            const QRectF room(indent_ - 2 * kListIndent, 0, 2 * kListIndent - 8, lineHeight);
            painter.drawText(room, Qt::AlignRight | Qt::AlignVCenter, block_.marker);
        }
    }

    MarkdownBlock block_;
    SpanText spans_;
    QFont font_;
    int indent_ = 0;
};

}  // namespace

void BlockLayout::setWidth(qreal width) {
    if (width == width_) return;
    width_ = width;
    invalidate();
}

void BlockLayout::invalidate() {
    laidOut_ = false;
    height_ = estimate();
}

void BlockLayout::ensureLaidOut() {
    if (laidOut_) return;
    laidOut_ = true;
    height_ = doLayout();
}

QString BlockLayout::linkAt(QPointF) const {
    return QString();
}

/// Gives one character room after it, for the background of inline code beside it.
static void widen(QList<QTextLayout::FormatRange>& formats, int position) {
    for (qsizetype i = 0; i < formats.size(); ++i) {
        QTextLayout::FormatRange& range = formats[i];
        if (position < range.start || position >= range.start + range.length) continue;
        QTextLayout::FormatRange one = range, rest = range;
        one.start = position;
        one.length = 1;
        QFont font = one.format.font();
        font.setLetterSpacing(QFont::AbsoluteSpacing, kCodeSide);
        one.format.setFont(font);
        rest.start = position + 1;
        rest.length = range.start + range.length - rest.start;
        range.length = position - range.start;
        if (rest.length > 0) formats.insert(i + 1, rest);
        formats.insert(i + 1, one);
        if (formats[i].length == 0) formats.removeAt(i);
        return;
    }
}

void SpanText::set(const MarkdownSpans& spans, const QFont& font, const QColor& color, int lineHeight,
                   const Theme& theme) {
    lineHeight_ = lineHeight;
    runs_.clear();
    text_.clear();
    QList<QTextLayout::FormatRange> formats;
    for (const MarkdownSpan& span : spans) {
        const int start = int(text_.size());
        text_ += span.text;
        const int length = int(text_.size()) - start;
        QTextLayout::FormatRange range;
        range.start = start;
        range.length = length;
        QTextCharFormat& format = range.format;
        const bool code = (span.style & MarkdownSpan::Code) != 0;
        QFont spanFont = code ? theme.codeFont() : font;
        if (code) spanFont.setPixelSize(int(std::lround(font.pixelSize() * 0.89)));
        if ((span.style & MarkdownSpan::Bold) != 0)
            spanFont.setWeight(font.weight() > QFont::Medium ? QFont::Bold : QFont::DemiBold);
        if ((span.style & MarkdownSpan::Italic) != 0) spanFont.setItalic(true);
        if ((span.style & MarkdownSpan::Strike) != 0) spanFont.setStrikeOut(true);
        if (!span.link.isEmpty()) spanFont.setUnderline(true);
        format.setFont(spanFont);
        format.setForeground(span.link.isEmpty() ? color : theme.color(Token::Link));
        formats.push_back(range);
        if (code || !span.link.isEmpty()) runs_.push_back({start, length, span.link, code});
    }
    for (const Run& run : runs_) {
        if (!run.code) continue;
        if (run.start > 0) widen(formats, run.start - 1);
        widen(formats, run.start + run.length - 1);
    }
    layout_ = std::make_unique<QTextLayout>(text_, font);
    layout_->setFormats(formats);
    layout_->setCacheEnabled(true);
}

qreal SpanText::layOut(qreal width, Qt::Alignment alignment) {
    QTextOption option;
    option.setWrapMode(QTextOption::WrapAtWordBoundaryOrAnywhere);
    option.setAlignment(alignment);
    layout_->setTextOption(option);
    lineTops_.clear();
    qreal y = 0;
    layout_->beginLayout();
    for (QTextLine line = layout_->createLine(); line.isValid(); line = layout_->createLine()) {
        line.setLineWidth(std::max<qreal>(width, 16));
        const qreal height = std::max<qreal>(lineHeight_, std::ceil(line.height()));
        line.setPosition(QPointF(0, y + std::floor((height - line.height()) / 2)));
        lineTops_.push_back(y);
        y += height;
    }
    layout_->endLayout();
    if (lineTops_.empty()) y = lineHeight_;
    lineTops_.push_back(y);
    height_ = y;
    return y;
}

qreal SpanText::naturalWidth() const {
    qreal width = 0;
    for (int i = 0; i < layout_->lineCount(); ++i)
        width = std::max(width, layout_->lineAt(i).naturalTextWidth());
    return width;
}

void SpanText::fillRange(QPainter& painter, QPointF at, TextRange range, const QColor& color,
                         bool rounded) const {
    for (int i = 0; i < layout_->lineCount(); ++i) {
        const QTextLine line = layout_->lineAt(i);
        const int from = std::max(range.from, line.textStart());
        const int to = std::min(range.to, line.textStart() + line.textLength());
        if (from >= to) continue;
        qreal left = line.cursorToX(from), right = line.cursorToX(to);
        if (right < left) std::swap(left, right);
        const qreal top = lineTops_[size_t(i)], bottom = lineTops_[size_t(i) + 1];
        if (rounded) {
            const qreal middle = (top + bottom) / 2, half = std::min(bottom - top, line.height() + 3) / 2;
            painter.setPen(Qt::NoPen);
            painter.setBrush(color);
            painter.drawRoundedRect(
                QRectF(left - kCodeSide, middle - half, right - left + kCodeSide, 2 * half).translated(at), 4,
                4);
        } else {
            painter.fillRect(QRectF(left, top, std::max<qreal>(right - left, 3), bottom - top).translated(at),
                             color);
        }
    }
}

void SpanText::paint(QPainter& painter, QPointF at, TextRange selection, const Theme& theme) const {
    painter.setRenderHint(QPainter::Antialiasing);
    for (const Run& run : runs_) {
        if (run.code) {
            fillRange(painter, at, {run.start, run.start + run.length}, theme.color(Token::InlineCode), true);
        }
    }
    if (!selection.isEmpty()) fillRange(painter, at, selection, theme.color(Token::Selection), false);
    layout_->draw(&painter, at);
}

int SpanText::positionAt(QPointF point) const {
    const int lines = layout_->lineCount();
    if (lines == 0) return 0;
    int line = 0;
    while (line + 1 < lines && point.y() >= lineTops_[size_t(line) + 1]) ++line;
    if (point.y() < 0) return 0;
    if (point.y() > height_) return int(text_.size());
    return layout_->lineAt(line).xToCursor(point.x());
}

QString SpanText::linkAt(QPointF point) const {
    for (int i = 0; i < layout_->lineCount(); ++i) {
        if (point.y() < lineTops_[size_t(i)] || point.y() >= lineTops_[size_t(i) + 1]) continue;
        const QTextLine line = layout_->lineAt(i);
        if (point.x() < line.x() || point.x() > line.x() + line.naturalTextWidth()) return QString();
        const int position = line.xToCursor(point.x(), QTextLine::CursorOnCharacter);
        for (const Run& run : runs_) {
            if (position >= run.start && position < run.start + run.length) return run.link;
        }
    }
    return QString();
}

std::unique_ptr<BlockLayout> makeBlockLayout(const MarkdownBlock& block, const Theme& theme) {
    switch (block.kind) {
        case MarkdownBlock::Kind::CodeLine:
            return std::make_unique<CodeLayout>(block, theme);
        case MarkdownBlock::Kind::Table:
            return std::make_unique<TableLayout>(block, theme);
        default:
            return std::make_unique<TextBlockLayout>(block, theme);
    }
}

std::unique_ptr<BlockLayout> makePlainLayout(const QString& text, const Theme& theme) {
    MarkdownBlock block;
    QString lines = text;
    lines.replace(QStringLiteral("\r\n"), QStringLiteral("\n"))
        .replace(QLatin1Char('\n'), QChar::LineSeparator);
    block.spans.push_back({lines, QString(), MarkdownSpan::Plain});
    return std::make_unique<TextBlockLayout>(block, theme);
}

int gapBetween(const MarkdownBlock& above, const MarkdownBlock& below) {
    using Kind = MarkdownBlock::Kind;
    if (below.kind == Kind::Heading) return below.headingLevel <= 2 ? 26 : 20;
    if (above.kind == Kind::Heading) return 8;
    if (above.kind == Kind::CodeLine || below.kind == Kind::CodeLine) return 14;
    if (above.kind == Kind::Table || below.kind == Kind::Table) return 14;
    if (above.kind == Kind::Rule || below.kind == Kind::Rule) return 16;
    const bool bothInList = above.containers.contains('l') && below.containers.contains('l');
    return bothInList ? 6 : 12;
}

}  // namespace ui
