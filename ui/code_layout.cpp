#include "ui/code_layout.h"

#include <QCoreApplication>
#include <QFontMetricsF>
#include <QPainterPath>
#include <cmath>

namespace ui {

namespace {

Token tokenOf(SyntaxClass kind) {
    switch (kind) {
        case SyntaxClass::Keyword:
            return Token::SyntaxKeyword;
        case SyntaxClass::Type:
            return Token::SyntaxType;
        case SyntaxClass::String:
            return Token::SyntaxString;
        case SyntaxClass::Number:
            return Token::SyntaxNumber;
        case SyntaxClass::Comment:
            return Token::SyntaxComment;
        case SyntaxClass::Function:
            return Token::SyntaxFunction;
    }
    return Token::Text;
}

}  // namespace

CodeLayout::CodeLayout(const MarkdownBlock& firstLine, const Theme& theme)
    : BlockLayout(theme), language_(firstLine.language), syntax_(findLanguage(firstLine.language)) {
    const QFontMetricsF metrics(theme.codeFont());
    lineHeight_ = std::ceil(theme.codeFont().pixelSize() * 1.55);
    charWidth_ = metrics.horizontalAdvance(QLatin1Char('0'));
    for (const char container : firstLine.containers) indent_ += container == 'l' ? 26 : 18;
    append(firstLine);
}

void CodeLayout::append(const MarkdownBlock& block) {
    if (!lines_.empty()) text_ += QLatin1Char('\n');
    Line line;
    line.start = int(text_.size());
    for (const MarkdownSpan& span : block.spans) text_ += span.text;
    line.length = int(text_.size()) - line.start;
    const QStringView code = QStringView(text_).sliced(line.start);
    line.stateAfter = lines_.empty() ? 0 : lines_.back().stateAfter;
    if (syntax_ != nullptr) line.runs = highlightLine(*syntax_, code, line.stateAfter);
    // Wide characters count twice: an estimate is enough to know how far to scroll.
    qreal cells = 0;
    for (const QChar c : code) cells += c == QLatin1Char('\t') ? 4 : (c.unicode() >= 0x1100 ? 2 : 1);
    contentWidth_ = std::max(contentWidth_, cells * charWidth_);
    lines_.push_back(std::move(line));
    invalidate();
}

void CodeLayout::truncate(size_t lines) {
    while (lines_.size() > std::max<size_t>(lines, 1)) {
        text_.truncate(std::max(0, lines_.back().start - 1));
        lines_.pop_back();
    }
    invalidate();
}

qreal CodeLayout::estimate() const {
    return kHeader + 2 * kPadding + qreal(lines_.size()) * lineHeight_;
}
qreal CodeLayout::doLayout() {
    return estimate();
}

qreal CodeLayout::scrollRange() const {
    return std::max<qreal>(0, contentWidth_ + 2 * kSide - (width() - indent_));
}

bool CodeLayout::scrollBy(qreal pixels) {
    const qreal before = scroll_;
    scroll_ = std::clamp<qreal>(scroll_ + pixels, 0, scrollRange());
    return scroll_ != before;
}

QRectF CodeLayout::copyButton() const {
    const qreal buttonWidth =
        28 + QFontMetricsF(theme_.smallFont())
                 .horizontalAdvance(QCoreApplication::translate("ui::CodeLayout", "Copied"));
    return QRectF(width() - buttonWidth - 8, 5, buttonWidth, kHeader - 10);
}

QTextLayout& CodeLayout::layoutOf(const Line& line) {
    Line& mutableLine = const_cast<Line&>(line);
    if (mutableLine.layout) return *mutableLine.layout;
    auto layout = std::make_unique<QTextLayout>(text_.mid(line.start, line.length), theme_.codeFont());
    QTextOption option;
    option.setWrapMode(QTextOption::NoWrap);
    option.setTabStopDistance(4 * charWidth_);
    layout->setTextOption(option);
    QList<QTextLayout::FormatRange> formats;
    for (const SyntaxRun& run : line.runs) {
        QTextLayout::FormatRange range;
        range.start = run.start;
        range.length = run.length;
        range.format.setForeground(theme_.color(tokenOf(run.kind)));
        formats.push_back(range);
    }
    layout->setFormats(formats);
    layout->setCacheEnabled(true);
    layout->beginLayout();
    QTextLine textLine = layout->createLine();
    if (textLine.isValid()) {
        textLine.setLineWidth(1e6);
        textLine.setPosition(QPointF(0, std::floor((lineHeight_ - textLine.height()) / 2)));
    }
    layout->endLayout();
    mutableLine.layout = std::move(layout);
    return *mutableLine.layout;
}

void CodeLayout::paint(QPainter& painter, const QRectF& clip, TextRange selection) {
    painter.setRenderHint(QPainter::Antialiasing);
    const QRectF box(indent_ + 0.5, 0.5, width() - indent_ - 1, height() - 1);
    QPainterPath outline;
    outline.addRoundedRect(box, 10, 10);
    painter.fillPath(outline, theme_.color(Token::Code));
    painter.save();
    painter.setClipPath(outline, Qt::IntersectClip);
    painter.fillRect(QRectF(indent_, 0, width() - indent_, kHeader), theme_.color(Token::CodeHeader));
    painter.restore();
    painter.setPen(QPen(theme_.color(Token::Border), 1));
    painter.setBrush(Qt::NoBrush);
    painter.drawPath(outline);

    painter.setFont(theme_.smallFont());
    painter.setPen(theme_.color(Token::TextSecondary));
    const QRectF copy = copyButton();
    const QRectF label(indent_ + kSide, 0, copy.left() - indent_ - kSide - 8, kHeader);
    const QString name =
        language_.isEmpty() ? QCoreApplication::translate("ui::CodeLayout", "code") : language_;
    painter.drawText(label, Qt::AlignVCenter | Qt::AlignLeft,
                     painter.fontMetrics().elidedText(name, Qt::ElideRight, int(label.width())));
    if (hovered_) {
        painter.setPen(Qt::NoPen);
        painter.setBrush(theme_.color(Token::Selected));
        painter.drawRoundedRect(copy, 6, 6);
    }
    const Token tone = copied_ ? Token::Accent : hovered_ ? Token::Text : Token::TextSecondary;
    painter.drawPixmap(copy.topLeft() + QPointF(6, (copy.height() - 14) / 2),
                       theme_.pixmap(copied_ ? QStringLiteral("check") : QStringLiteral("copy"), tone, 14,
                                     painter.device()->devicePixelRatioF()));
    painter.setPen(theme_.color(tone));
    painter.drawText(copy.adjusted(24, 0, 0, 0), Qt::AlignVCenter | Qt::AlignLeft,
                     copied_ ? QCoreApplication::translate("ui::CodeLayout", "Copied")
                             : QCoreApplication::translate("ui::CodeLayout", "Copy"));

    painter.save();
    painter.setClipRect(box.adjusted(1, kHeader, -1, -1), Qt::IntersectClip);
    painter.setPen(theme_.color(Token::Text));
    const size_t first = size_t(std::max(0.0, std::floor((clip.top() - lineTop(0)) / lineHeight_)));
    const qreal left = indent_ + kSide - scroll_;
    for (size_t i = first; i < lines_.size() && lineTop(i) < clip.bottom(); ++i) {
        const Line& line = lines_[i];
        QTextLayout& layout = layoutOf(line);
        const int from = std::max(selection.from - line.start, 0);
        const int to = std::min(selection.to - line.start, line.length + 1);
        if (!selection.isEmpty() && from < to) {
            const QTextLine textLine = layout.lineAt(0);
            const qreal x1 = textLine.cursorToX(std::min(from, line.length));
            qreal x2 = textLine.cursorToX(std::min(to, line.length));
            if (to > line.length) x2 += charWidth_;
            painter.fillRect(QRectF(left + x1, lineTop(i), x2 - x1, lineHeight_),
                             theme_.color(Token::Selection));
        }
        layout.draw(&painter, QPointF(left, lineTop(i)));
    }
    if (scrollRange() > 0) {
        const qreal track = box.width() - 2 * kSide;
        const qreal thumb = std::max<qreal>(32, track * box.width() / (contentWidth_ + 2 * kSide));
        const qreal x = box.left() + kSide + (track - thumb) * scroll_ / scrollRange();
        painter.setPen(Qt::NoPen);
        painter.setBrush(theme_.color(Token::Scrollbar));
        painter.drawRoundedRect(QRectF(x, box.bottom() - 8, thumb, 4), 2, 2);
    }
    painter.restore();
}

int CodeLayout::positionAt(QPointF point) const {
    if (point.y() < kHeader + kPadding / 2.0) return 0;
    const qreal row = std::floor((point.y() - lineTop(0)) / lineHeight_);
    if (row >= qreal(lines_.size())) return int(text_.size());
    const Line& line = lines_[size_t(std::max<qreal>(row, 0))];
    const QTextLine textLine = const_cast<CodeLayout*>(this)->layoutOf(line).lineAt(0);
    return line.start + textLine.xToCursor(point.x() - indent_ - kSide + scroll_);
}

}  // namespace ui
