#include "ui/composer.h"

#include <QHBoxLayout>
#include <QKeyEvent>
#include <QLabel>
#include <QMimeData>
#include <QScrollBar>
#include <QStyle>
#include <QToolButton>
#include <QVBoxLayout>
#include <cmath>

namespace ui {

namespace {
constexpr int kMostLines = 8;
}

MessageEdit::MessageEdit(QWidget* parent) : QPlainTextEdit(parent) {
    setObjectName(QStringLiteral("messageEdit"));
    setFrameShape(QFrame::NoFrame);
    setTabChangesFocus(true);
    setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    setVerticalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    setLineWrapMode(QPlainTextEdit::WidgetWidth);
    setWordWrapMode(QTextOption::WrapAtWordBoundaryOrAnywhere);
    document()->setDocumentMargin(4);
    connect(this, &QPlainTextEdit::textChanged, this, &MessageEdit::fitHeight);
    fitHeight();
}

void MessageEdit::fitHeight() {
    const double lineHeight = std::ceil(QFontMetricsF(font()).lineSpacing());
    const int lines = std::max(1, int(document()->size().height()));
    const int shown = std::min(lines, kMostLines);
    setVerticalScrollBarPolicy(lines > kMostLines ? Qt::ScrollBarAsNeeded : Qt::ScrollBarAlwaysOff);
    setFixedHeight(int(shown * lineHeight + 2 * document()->documentMargin() + 6));
}

void MessageEdit::resizeEvent(QResizeEvent* event) {
    QPlainTextEdit::resizeEvent(event);
    fitHeight();
}

void MessageEdit::inputMethodEvent(QInputMethodEvent* event) {
    composing_ = !event->preeditString().isEmpty();
    QPlainTextEdit::inputMethodEvent(event);
}

void MessageEdit::insertFromMimeData(const QMimeData* source) {
    if (source->hasText()) insertPlainText(source->text());
}

void MessageEdit::keyPressEvent(QKeyEvent* event) {
    const bool enter = event->key() == Qt::Key_Return || event->key() == Qt::Key_Enter;
    const bool shift = event->modifiers() & Qt::ShiftModifier;
    const bool control = event->modifiers() & Qt::ControlModifier;
    // While an input method composes, Enter chooses its text.
    if (enter && !composing_) {
        if (control || (sendOnEnter_ && !shift)) {
            Q_EMIT submitPressed();
        } else {
            textCursor().insertBlock();
            ensureCursorVisible();
        }
        return;
    }
    if (event->key() == Qt::Key_Escape) {
        Q_EMIT escapePressed();
        return;
    }
    const bool plain = (event->modifiers() & ~Qt::KeypadModifier) == Qt::NoModifier;
    if (plain && !composing_ && event->key() == Qt::Key_Up && textCursor().blockNumber() == 0) {
        const QTextCursor before = textCursor();
        QPlainTextEdit::keyPressEvent(event);
        if (textCursor().position() == before.position()) Q_EMIT historyPressed(-1);
        return;
    }
    if (plain && !composing_ && event->key() == Qt::Key_Down) {
        const QTextCursor before = textCursor();
        QPlainTextEdit::keyPressEvent(event);
        if (textCursor().position() == before.position()) Q_EMIT historyPressed(1);
        return;
    }
    QPlainTextEdit::keyPressEvent(event);
}

Composer::Composer(const Theme& theme, QWidget* parent) : QFrame(parent), theme_(theme) {
    setObjectName(QStringLiteral("composer"));
    setCursor(Qt::IBeamCursor);
    edit_ = new MessageEdit(this);
    edit_->setPlaceholderText(tr("Ask anything"));
    edit_->setAccessibleName(tr("Message"));
    edit_->setAccessibleDescription(tr("Enter sends, Shift+Enter begins a new line"));
    edit_->installEventFilter(this);
    setFocusProxy(edit_);

    send_ = new QToolButton(this);
    send_->setObjectName(QStringLiteral("sendButton"));
    send_->setFixedSize(34, 34);
    send_->setIconSize(QSize(18, 18));
    send_->setCursor(Qt::ArrowCursor);

    editBar_ = new QFrame(this);
    editBar_->setCursor(Qt::ArrowCursor);
    editIcon_ = new QLabel(editBar_);
    auto* label =
        new QLabel(tr("Editing an earlier message: the answer after it stays as another version"), editBar_);
    label->setObjectName(QStringLiteral("secondary"));
    label->setMinimumWidth(40);
    cancelEdit_ = new QToolButton(editBar_);
    cancelEdit_->setObjectName(QStringLiteral("iconButton"));
    cancelEdit_->setToolTip(tr("Cancel editing (Esc)"));
    cancelEdit_->setAccessibleName(tr("Cancel editing"));
    cancelEdit_->setFixedSize(26, 26);
    auto* barLayout = new QHBoxLayout(editBar_);
    barLayout->setContentsMargins(4, 0, 0, 2);
    barLayout->addWidget(editIcon_);
    barLayout->addWidget(label, 1);
    barLayout->addWidget(cancelEdit_);
    editBar_->hide();

    auto* row = new QHBoxLayout;
    row->setSpacing(8);
    row->addWidget(edit_, 1, Qt::AlignVCenter);
    row->addWidget(send_, 0, Qt::AlignBottom);
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(16, 9, 9, 9);
    column->setSpacing(2);
    column->addWidget(editBar_);
    column->addLayout(row);

    connect(edit_, &MessageEdit::submitPressed, this, &Composer::submit);
    connect(edit_, &MessageEdit::historyPressed, this, &Composer::recall);
    connect(edit_, &MessageEdit::escapePressed, this, [this] {
        if (busy_) {
            Q_EMIT stopRequested();
        } else if (editing_) {
            Q_EMIT editCancelled();
        }
    });
    connect(edit_, &QPlainTextEdit::textChanged, this, &Composer::refresh);
    connect(send_, &QToolButton::clicked, this, [this] {
        if (busy_) {
            Q_EMIT stopRequested();
        } else {
            submit();
        }
    });
    connect(cancelEdit_, &QToolButton::clicked, this, &Composer::editCancelled);
    connect(&theme, &Theme::changed, this, &Composer::refresh);
    edit_->setFont(theme.bodyFont());
    refresh();
}

QString Composer::text() const {
    return edit_->toPlainText();
}

void Composer::setText(const QString& text) {
    edit_->setPlainText(text);
    edit_->moveCursor(QTextCursor::End);
}

void Composer::clear() {
    edit_->clear();
    recalled_ = -1;
}

void Composer::setBusy(bool busy) {
    busy_ = busy;
    refresh();
}

void Composer::setHistory(const QStringList& sent) {
    history_ = sent;
    recalled_ = -1;
}

void Composer::setEditing(bool editing) {
    editing_ = editing;
    editBar_->setVisible(editing);
    refresh();
}

void Composer::submit() {
    if (busy_ || text().trimmed().isEmpty()) return;
    recalled_ = -1;
    Q_EMIT submitted(text());
}

void Composer::recall(int step) {
    if (history_.isEmpty() || editing_) return;
    const bool own = recalled_ < 0 || text() != history_.value(recalled_);
    if (own && !text().isEmpty()) return;  // never over what someone is writing
    const qsizetype from = own ? history_.size() : recalled_;
    const qsizetype to = from + step;
    if (to < 0 || (own && step > 0)) return;
    if (to >= history_.size()) {
        clear();
        return;
    }
    setText(history_[to]);
    recalled_ = to;
}

void Composer::refresh() {
    const bool canSend = !text().trimmed().isEmpty();
    send_->setEnabled(busy_ || canSend);
    send_->setIcon(theme_.icon(busy_ ? QStringLiteral("stop") : QStringLiteral("send"),
                               send_->isEnabled() ? Token::AccentText : Token::TextFaint));
    send_->setToolTip(busy_ ? tr("Stop (Esc)") : tr("Send (Enter)"));
    send_->setAccessibleName(busy_ ? tr("Stop") : tr("Send"));
    cancelEdit_->setIcon(theme_.icon(QStringLiteral("close")));
    editIcon_->setPixmap(
        theme_.pixmap(QStringLiteral("edit"), Token::TextSecondary, 16, devicePixelRatioF()));
}

bool Composer::eventFilter(QObject* watched, QEvent* event) {
    if (watched == edit_ && (event->type() == QEvent::FocusIn || event->type() == QEvent::FocusOut)) {
        setProperty("active", event->type() == QEvent::FocusIn);
        style()->unpolish(this);
        style()->polish(this);
        update();
    }
    return QFrame::eventFilter(watched, event);
}

void Composer::mousePressEvent(QMouseEvent* event) {
    edit_->setFocus();
    QFrame::mousePressEvent(event);
}

}  // namespace ui
