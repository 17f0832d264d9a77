#include "ui/conversation_delegate.h"

#include <QLineEdit>
#include <QPainter>
#include <QTextLayout>

namespace ui {

namespace {

constexpr int kRow = 36;
constexpr int kHitRow = 58;
constexpr int kInside = 10;  // from the edge of a row's background to its text

}  // namespace

QSize ConversationDelegate::sizeHint(const QStyleOptionViewItem&, const QModelIndex& index) const {
    switch (model_.item(index.row()).kind) {
        case ConversationModel::Kind::Heading:
            return QSize(0, index.row() == 0 ? 28 : 40);
        case ConversationModel::Kind::Hit:
            return QSize(0, kHitRow);
        default:
            return QSize(0, kRow);
    }
}

void ConversationDelegate::paint(QPainter* painter, const QStyleOptionViewItem& option,
                                 const QModelIndex& index) const {
    const ConversationModel::Item& item = model_.item(index.row());
    painter->save();
    painter->setRenderHint(QPainter::Antialiasing);
    const QRect area = option.rect.adjusted(8, 1, -8, -1);
    if (item.kind == ConversationModel::Kind::Heading) {
        paintHeading(painter, area, item.text);
        painter->restore();
        return;
    }
    const bool selected = option.state & QStyle::State_Selected;
    const bool hovered = option.state & QStyle::State_MouseOver;
    if (selected || hovered) {
        painter->setPen(Qt::NoPen);
        painter->setBrush(theme_.color(selected ? Token::Selected : Token::Hover));
        painter->drawRoundedRect(area, 8, 8);
    }
    const bool focused =
        (option.state & QStyle::State_HasFocus) && selected && option.widget->property("keys").toBool();
    if (focused) {
        painter->setPen(QPen(theme_.color(Token::Focus), 1.5));
        painter->setBrush(Qt::NoBrush);
        painter->drawRoundedRect(QRectF(area).adjusted(1, 1, -1, -1), 7, 7);
    }
    painter->setFont(theme_.labelFont());
    painter->setPen(theme_.color(Token::Text));
    if (item.kind == ConversationModel::Kind::Hit) {
        paintHit(painter, area.adjusted(kInside, 0, -kInside, 0), item);
    } else {
        paintConversation(painter, area, item, hovered || selected);
    }
    painter->restore();
}

void ConversationDelegate::paintHeading(QPainter* painter, const QRect& area, const QString& text) const {
    QFont font = theme_.smallFont();
    font.setWeight(QFont::DemiBold);
    painter->setFont(font);
    painter->setPen(theme_.color(Token::TextFaint));
    painter->drawText(area.adjusted(kInside, 0, -kInside, -4), Qt::AlignBottom | Qt::AlignLeft, text);
}

void ConversationDelegate::paintConversation(QPainter* painter, const QRect& area,
                                             const ConversationModel::Item& item, bool withMenu) const {
    QRect text = area.adjusted(kInside, 0, -kInside, 0);
    if (withMenu) {
        text.setRight(area.right() - kMenuRoom);
        painter->drawPixmap(QPoint(area.right() - 24, area.center().y() - 7),
                            theme_.pixmap(QStringLiteral("more"), Token::TextSecondary, 16,
                                          painter->device()->devicePixelRatioF()));
    }
    if (model_.isBusy(item.conversation)) {
        painter->setPen(Qt::NoPen);
        painter->setBrush(theme_.color(Token::Accent));
        painter->drawEllipse(QPointF(text.left() + 3, text.center().y() + 1), 3.5, 3.5);
        text.setLeft(text.left() + 16);
        painter->setPen(theme_.color(Token::Text));
    }
    painter->drawText(text, Qt::AlignVCenter | Qt::AlignLeft,
                      painter->fontMetrics().elidedText(item.text, Qt::ElideRight, text.width()));
}

void ConversationDelegate::paintHit(QPainter* painter, const QRect& area,
                                    const ConversationModel::Item& item) const {
    const QRect title(area.left(), area.top() + 8, area.width(), 20);
    QFont bold = theme_.labelFont();
    bold.setWeight(QFont::Medium);
    painter->setFont(bold);
    const QString heading = item.text.isEmpty() ? tr("New chat") : item.text;
    painter->drawText(title, Qt::AlignVCenter | Qt::AlignLeft,
                      painter->fontMetrics().elidedText(heading, Qt::ElideRight, title.width()));
    // The snippet on one line with its hits marked.
    QString snippet = item.hit.snippet;
    snippet.replace(QLatin1Char('\n'), QLatin1Char(' '));
    QTextLayout layout(snippet, theme_.smallFont());
    QTextOption option;
    option.setWrapMode(QTextOption::NoWrap);
    layout.setTextOption(option);
    QList<QTextLayout::FormatRange> formats;
    for (const app::SearchHit::Range& mark : item.hit.marks) {
        QTextLayout::FormatRange range;
        range.start = mark.start;
        range.length = mark.length;
        range.format.setForeground(theme_.color(Token::Accent));
        range.format.setFontWeight(QFont::DemiBold);
        formats.push_back(range);
    }
    layout.setFormats(formats);
    layout.beginLayout();
    QTextLine line = layout.createLine();
    if (line.isValid()) line.setLineWidth(1e5);
    layout.endLayout();
    painter->setPen(theme_.color(Token::TextSecondary));
    painter->setClipRect(QRect(area.left(), area.top(), area.width(), area.height()));
    qreal shift = 0;
    if (!item.hit.marks.isEmpty() && line.isValid()) {
        const auto& mark = item.hit.marks.first();
        shift = std::max<qreal>(0, line.cursorToX(mark.start + mark.length) - area.width() * 0.8);
    }
    layout.draw(painter, QPointF(area.left() - shift, area.top() + 30));
}

QWidget* ConversationDelegate::createEditor(QWidget* parent, const QStyleOptionViewItem&,
                                            const QModelIndex&) const {
    auto* editor = new QLineEdit(parent);
    editor->setObjectName(QStringLiteral("renameEdit"));
    editor->setAccessibleName(tr("New title"));
    return editor;
}

void ConversationDelegate::updateEditorGeometry(QWidget* editor, const QStyleOptionViewItem& option,
                                                const QModelIndex&) const {
    editor->setGeometry(option.rect.adjusted(8, 2, -8, -2));
}

}  // namespace ui
