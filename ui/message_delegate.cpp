#include "ui/message_delegate.h"

#include <QCoreApplication>
#include <QFontMetricsF>
#include <QLocale>
#include <cmath>

namespace ui {

namespace {

constexpr int kMargin = 24;  // beside the column in a narrow window
constexpr int kBubbleSide = 16;
constexpr int kBubbleTop = 10;
constexpr int kTopUser = 22;
constexpr int kTopAssistant = 6;
constexpr int kFooter = 32;
constexpr int kButton = 28;
constexpr int kBorder = 44;

QString tr(const char* text) {
    return QCoreApplication::translate("ui::MessageDelegate", text);
}

const char* iconOf(MessageAction action) {
    switch (action) {
        case MessageAction::Copy:
            return "copy";
        case MessageAction::Edit:
            return "edit";
        case MessageAction::Regenerate:
            return "refresh";
        case MessageAction::PreviousVersion:
            return "chevron-left";
        case MessageAction::NextVersion:
            return "chevron-right";
    }
    return "more";
}

bool isUser(const app::Message& message) {
    return message.role == app::Role::User;
}

}  // namespace

QRectF MessageDelegate::column(qreal viewWidth) const {
    const qreal width = std::min<qreal>(viewWidth - 2 * kMargin, Theme::kReadingWidth);
    return QRectF(std::floor((viewWidth - width) / 2), 0, std::max<qreal>(width, 80), 0);
}

qreal MessageDelegate::textWidth(const MessageRow& row, const MessageLayout& layout, qreal viewWidth) const {
    const QRectF room = column(viewWidth);
    if (!isUser(*row.message)) return room.width();
    return layout.naturalWidth(std::floor(room.width() * 0.82) - 2 * kBubbleSide);
}

MessageGeometry MessageDelegate::geometry(const MessageRow& row, const MessageLayout& layout,
                                          qreal viewWidth) const {
    const app::Message& message = *row.message;
    const QRectF room = column(viewWidth);
    MessageGeometry g;
    g.textWidth = layout.width();
    const qreal start = row.leftOutAbove > 0 ? kBorder : 0;
    if (row.leftOutAbove > 0) g.border = QRectF(room.left(), 0, room.width(), kBorder);
    qreal y;
    if (isUser(message)) {
        g.bubble = QRectF(room.right() - layout.width() - 2 * kBubbleSide, start + kTopUser,
                          layout.width() + 2 * kBubbleSide, layout.height() + 2 * kBubbleTop);
        g.text = g.bubble.topLeft() + QPointF(kBubbleSide, kBubbleTop);
        y = g.bubble.bottom() + 4;
    } else {
        g.text = QPointF(room.left(), start + kTopAssistant);
        y = start + kTopAssistant + layout.height();
        if (message.state == app::MessageState::Streaming && message.text.isEmpty()) {
            g.waiting = QRectF(room.left(), start + kTopAssistant, room.width(), 28);
            y = g.waiting.bottom();
        }
        const QString notice = endNotice(message);
        if (!notice.isEmpty()) {
            const bool failed = message.state == app::MessageState::Failed;
            const qreal textRoom = room.width() - (failed ? 56 : 28);
            const QRectF text = QFontMetricsF(theme_.labelFont())
                                    .boundingRect(QRectF(0, 0, textRoom, 1000), Qt::TextWordWrap, notice);
            const qreal top = message.text.isEmpty() ? start + kTopAssistant : y + 12;
            g.notice = QRectF(room.left(), top, room.width(), std::ceil(text.height()) + (failed ? 24 : 4));
            y = g.notice.bottom();
        }
        y += 6;
    }
    g.footer = QRectF(room.left(), y, room.width(), kFooter);
    g.height = y + kFooter;

    const bool settled = message.state != app::MessageState::Streaming;
    const MessageAction actions[] = {MessageAction::Copy,
                                     isUser(message) ? MessageAction::Edit : MessageAction::Regenerate};
    const bool versions = row.version.count > 1;
    const qreal labelWidth =
        versions ? std::ceil(QFontMetricsF(theme_.smallFont())
                                 .horizontalAdvance(QStringLiteral("%1/%1").arg(row.version.count))) +
                       8
                 : 0;
    const qreal total = qreal(std::size(actions)) * kButton + (versions ? 2 * kButton + labelWidth : 0);
    qreal x = isUser(message) ? room.right() - total : room.left() - 6;
    const qreal top = y + 2;
    const auto add = [&](MessageAction action) {
        g.buttons.push_back({action, QRectF(x, top, kButton, kButton), isPossible(action, row)});
        x += kButton;
    };
    if (!settled) return g;
    if (versions) {
        add(MessageAction::PreviousVersion);
        g.versionLabel = QRectF(x, top, labelWidth, kButton);
        x += labelWidth;
        add(MessageAction::NextVersion);
    }
    for (const MessageAction action : actions) add(action);
    return g;
}

qreal MessageDelegate::estimate(const app::Message& message, qreal viewWidth) const {
    const qreal width = column(viewWidth).width();
    const qreal perLine = std::max<qreal>(10, width / (theme_.bodyFont().pixelSize() * 0.5));
    const qreal lines =
        std::ceil(qreal(message.text.size()) / perLine) + qreal(message.text.count(QLatin1Char('\n'))) * 0.7;
    return kTopUser + kFooter + std::max<qreal>(1, lines) * theme_.bodyFont().pixelSize() * 1.5;
}

void MessageDelegate::paint(QPainter& painter, const QRectF& clip, const MessageRow& row,
                            const MessageGeometry& g, MessageLayout& layout, TextPosition from,
                            TextPosition to) const {
    painter.setRenderHint(QPainter::Antialiasing);
    if (row.focused) {
        const QRectF room = column(g.footer.width() + 2 * g.footer.left());
        painter.setPen(QPen(theme_.color(Token::Focus), 1.5));
        painter.setBrush(Qt::NoBrush);
        painter.drawRoundedRect(QRectF(room.left() - 12, 2, room.width() + 24, g.height - 4), 10, 10);
    }
    if (!g.bubble.isEmpty()) {
        painter.setPen(Qt::NoPen);
        painter.setBrush(theme_.color(Token::Bubble));
        painter.drawRoundedRect(g.bubble, 18, 18);
    }
    painter.save();
    painter.translate(g.text);
    layout.paint(painter, clip.translated(-g.text), from, to);
    painter.restore();
    if (!g.border.isEmpty()) paintBorder(painter, g.border, row.leftOutAbove);
    if (!g.waiting.isEmpty()) paintWaiting(painter, g.waiting, row);
    if (!g.notice.isEmpty()) paintNotice(painter, g.notice, *row.message);
    paintFooter(painter, row, g);
}

QString MessageDelegate::borderText(int leftOut) {
    return leftOut == 1 ? tr("The context is full: the model no longer reads the message above")
                        : tr("The context is full: the model no longer reads the %1 messages above")
                              .arg(QLocale().toString(leftOut));
}

void MessageDelegate::paintBorder(QPainter& painter, const QRectF& area, int leftOut) const {
    painter.setFont(theme_.smallFont());
    const QString text =
        painter.fontMetrics().elidedText(borderText(leftOut), Qt::ElideRight, int(area.width()) - 24);
    const qreal half = painter.fontMetrics().horizontalAdvance(text) / 2.0 + 12;
    const qreal y = std::floor(area.center().y()) + 0.5;
    painter.setPen(QPen(theme_.color(Token::Border), 1));
    painter.drawLine(QPointF(area.left(), y), QPointF(area.center().x() - half, y));
    painter.drawLine(QPointF(area.center().x() + half, y), QPointF(area.right(), y));
    painter.setPen(theme_.color(Token::TextSecondary));
    painter.drawText(area, Qt::AlignCenter, text);
}

void MessageDelegate::paintWaiting(QPainter& painter, const QRectF& area, const MessageRow& row) const {
    painter.setPen(Qt::NoPen);
    for (int dot = 0; dot < 3; ++dot) {
        QColor color = theme_.color(Token::TextSecondary);
        const double wave = std::sin((row.phase - dot * 0.16) * 2 * M_PI);
        color.setAlphaF(float(0.35 + 0.55 * std::max(0.0, wave)));
        painter.setBrush(color);
        painter.drawEllipse(
            QPointF(area.left() + 4 + dot * 11, area.center().y() - 1.5 * std::max(0.0, wave)), 3.2, 3.2);
    }
    if (row.waiting.isEmpty()) return;
    QString text = row.waiting;
    if (row.progress >= 0) text += QStringLiteral("  %1 %").arg(int(std::lround(row.progress * 100)));
    painter.setFont(theme_.labelFont());
    painter.setPen(theme_.color(Token::TextSecondary));
    painter.drawText(area.adjusted(44, 0, 0, 0), Qt::AlignVCenter | Qt::AlignLeft, text);
}

void MessageDelegate::paintNotice(QPainter& painter, const QRectF& area, const app::Message& message) const {
    const bool failed = message.state == app::MessageState::Failed;
    QRectF text = area.adjusted(24, 0, 0, 0);
    qreal iconX = area.left();
    if (failed) {
        painter.setPen(Qt::NoPen);
        painter.setBrush(theme_.color(Token::ErrorSoft));
        painter.drawRoundedRect(area, 10, 10);
        text = area.adjusted(42, 12, -14, -12);
        iconX += 14;
    }
    const Token tone = failed ? Token::Error : Token::TextSecondary;
    const qreal lineHeight = QFontMetricsF(theme_.labelFont()).height();
    painter.drawPixmap(QPointF(iconX, (failed ? text.top() : area.top() + 2) + (lineHeight - 16) / 2),
                       theme_.pixmap(failed ? QStringLiteral("warning") : QStringLiteral("stop-circle"), tone,
                                     16, painter.device()->devicePixelRatioF()));
    painter.setFont(theme_.labelFont());
    painter.setPen(theme_.color(tone));
    painter.drawText(text, Qt::TextWordWrap | (failed ? Qt::AlignTop : Qt::AlignVCenter), endNotice(message));
}

void MessageDelegate::paintFooter(QPainter& painter, const MessageRow& row, const MessageGeometry& g) const {
    const bool user = isUser(*row.message);
    // Reply controls of the last answer stay in sight; the rest appears where the reader is.
    const bool show = row.hovered || row.focused || row.copied || (row.isLast && !user);
    const qreal ratio = painter.device()->devicePixelRatioF();
    qreal right = g.footer.left();
    for (const MessageGeometry::Button& button : g.buttons) {
        const bool version =
            button.action == MessageAction::PreviousVersion || button.action == MessageAction::NextVersion;
        right = std::max(right, button.area.right());
        if (!show && !version) continue;
        const bool hot = row.hot == button.action && button.enabled;
        if (hot) {
            painter.setPen(Qt::NoPen);
            painter.setBrush(theme_.color(Token::Hover));
            painter.drawRoundedRect(button.area, 7, 7);
        }
        const bool copied = row.copied && button.action == MessageAction::Copy;
        const Token tone = copied ? Token::Accent : hot ? Token::Text : Token::TextSecondary;
        painter.setOpacity(button.enabled ? 1 : 0.35);
        painter.drawPixmap(
            button.area.center() - QPointF(8, 8),
            theme_.pixmap(copied ? QStringLiteral("check") : QString::fromLatin1(iconOf(button.action)), tone,
                          16, ratio));
        painter.setOpacity(1);
    }
    painter.setFont(theme_.smallFont());
    if (!g.versionLabel.isEmpty()) {
        painter.setPen(theme_.color(Token::TextSecondary));
        painter.drawText(g.versionLabel, Qt::AlignCenter,
                         QStringLiteral("%1/%2").arg(row.version.index + 1).arg(row.version.count));
    }
    if (user || !show || g.buttons.empty()) return;
    const QRectF room(right + 10, g.footer.top() + 2, g.footer.right() - right - 10, kButton);
    painter.setPen(theme_.color(Token::TextFaint));
    painter.drawText(
        room, Qt::AlignVCenter | Qt::AlignLeft,
        painter.fontMetrics().elidedText(statsLine(row.message->stats), Qt::ElideRight, int(room.width())));
}

QString MessageDelegate::statsLine(const app::ReplyStats& stats) {
    if (stats.newTokens <= 0) return {};
    const QLocale locale;
    QStringList parts;
    if (stats.decodeTokensPerSecond > 0) {
        parts += tr("%1 tok/s")
                     .arg(locale.toString(stats.decodeTokensPerSecond, 'f',
                                          stats.decodeTokensPerSecond < 100 ? 1 : 0));
    }
    if (stats.ttftMillis > 0)
        parts += tr("first token after %1 s").arg(locale.toString(stats.ttftMillis / 1000, 'f', 2));
    parts += stats.newTokens == 1 ? tr("1 token") : tr("%1 tokens").arg(locale.toString(stats.newTokens));
    if (stats.cachedTokens > 0)
        parts += tr("%1 prompt tokens cached").arg(locale.toString(stats.cachedTokens));
    if (stats.draftedTokens > 0) {
        parts += tr("%1 of %2 guesses right")
                     .arg(locale.toString(stats.acceptedTokens), locale.toString(stats.draftedTokens));
        if (stats.speculationGain > 0)
            parts += tr("%1× by guessing").arg(locale.toString(stats.speculationGain, 'f', 2));
    }
    if (stats.leftOut > 0)
        parts += tr("context full: %1 messages left out").arg(locale.toString(stats.leftOut));
    return parts.join(QStringLiteral("  ·  "));
}

QString MessageDelegate::endNotice(const app::Message& message) {
    if (isUser(message)) return {};
    switch (message.state) {
        case app::MessageState::Failed:
            return message.error.isEmpty() ? tr("The reply failed.") : message.error;
        case app::MessageState::Stopped:
            return tr("Stopped");
        case app::MessageState::Interrupted:
            return tr("Interrupted: Alcove was closed while this was being written.");
        case app::MessageState::Complete:
            if (message.stats.reason == app::EndReason::Length)
                return message.error.isEmpty() ? tr("Cut off: the limit of tokens was reached.")
                                               : message.error;
            return {};
        default:
            return {};
    }
}

bool MessageDelegate::isPossible(MessageAction action, const MessageRow& row) {
    switch (action) {
        case MessageAction::Copy:
            return true;
        case MessageAction::Edit:
            return !row.isBusy && isUser(*row.message);
        case MessageAction::Regenerate:
            return !row.isBusy && !isUser(*row.message);
        case MessageAction::PreviousVersion:
            return !row.isBusy && row.version.index > 0;
        case MessageAction::NextVersion:
            return !row.isBusy && row.version.index + 1 < row.version.count;
    }
    return false;
}

QString MessageDelegate::toolTip(MessageAction action) {
    switch (action) {
        case MessageAction::Copy:
            return tr("Copy");
        case MessageAction::Edit:
            return tr("Edit");
        case MessageAction::Regenerate:
            return tr("Another answer");
        case MessageAction::PreviousVersion:
            return tr("Previous version");
        case MessageAction::NextVersion:
            return tr("Next version");
    }
    return {};
}

}  // namespace ui
