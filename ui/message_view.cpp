#include "ui/message_view.h"

#include <QAccessible>
#include <QApplication>
#include <QClipboard>
#include <QPainter>
#include <QScrollBar>
#include <QStyle>
#include <QToolButton>
#include <cmath>

#include "ui/message_accessible.h"

namespace ui {

namespace {

constexpr int kFrameMillis = 16;
constexpr int kBarWidth = 12;  // as in the style sheet
constexpr int kFade = 20;      // text fades out at an edge where it goes on
constexpr int kNearEnd = 32;   // so close to the end counts as there
constexpr int kCopiedMillis = 1500;

}  // namespace

MessageView::MessageView(const Theme& theme, QWidget* parent)
    : QAbstractScrollArea(parent),
      theme_(theme),
      delegate_(theme),
      column_(theme, delegate_, [this](int row) { return rowInfo(row); }) {
    installMessageAccessibility();
    setObjectName(QStringLiteral("messageView"));
    setAccessibleName(tr("Conversation"));
    setFrameShape(QFrame::NoFrame);
    setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    setFocusPolicy(Qt::StrongFocus);
    // The bar always has its place, and as much room at the other side, so that the column of text stays in
    // the middle of the window. With nothing to scroll the style leaves the bar empty.
    setVerticalScrollBarPolicy(Qt::ScrollBarAlwaysOn);
    setViewportMargins(kBarWidth, 0, 0, 0);
    verticalScrollBar()->setProperty("idle", true);
    connect(verticalScrollBar(), &QScrollBar::rangeChanged, this, [this](int, int last) {
        QScrollBar* bar = verticalScrollBar();
        if (bar->property("idle").toBool() == (last == 0)) return;
        bar->setProperty("idle", last == 0);
        bar->style()->unpolish(bar);
        bar->style()->polish(bar);
    });
    viewport()->setMouseTracking(true);
    viewport()->setCursor(Qt::ArrowCursor);
    verticalScrollBar()->setSingleStep(28);
    verticalScrollBar()->setAccessibleName(tr("Scroll the conversation"));

    // Started only when idle: one that each token restarted would never fire while text streams.
    flushTimer_.setSingleShot(true);
    flushTimer_.setInterval(kFrameMillis);
    flushTimer_.setTimerType(Qt::PreciseTimer);
    connect(&flushTimer_, &QTimer::timeout, this, &MessageView::flush);
    copiedTimer_.setSingleShot(true);
    copiedTimer_.setInterval(kCopiedMillis);
    connect(&copiedTimer_, &QTimer::timeout, this, &MessageView::forgetCopied);
    clock_.start();

    jump_ = new QToolButton(viewport());
    jump_->setObjectName(QStringLiteral("jumpButton"));
    jump_->setToolTip(tr("Jump to the latest"));
    jump_->setAccessibleName(tr("Jump to the latest"));
    jump_->setCursor(Qt::ArrowCursor);
    jump_->setIconSize(QSize(18, 18));
    jump_->setFixedSize(36, 36);
    jump_->hide();
    connect(jump_, &QToolButton::clicked, this, &MessageView::scrollToEnd);
    connect(&theme, &Theme::changed, this, &MessageView::restyle);
    restyle();
}

MessageView::~MessageView() = default;

void MessageView::restyle() {
    jump_->setIcon(theme_.icon(QStringLiteral("arrow-down"), Token::Text));
    const MessageColumn::Anchor kept = anchor();
    hotCode_ = copiedCode_ = {};
    column_.forgetLayouts();  // colours are in them
    arrange(kept);
    viewport()->update();
}

// --- what the model says ---

void MessageView::setModel(MessageModel* model) {
    model_ = model;
    connect(model, &QAbstractItemModel::modelReset, this, &MessageView::reset);
    connect(model, &QAbstractItemModel::rowsInserted, this,
            [this](const QModelIndex&, int first, int last) { rowsInserted(first, last); });
    connect(model, &QAbstractItemModel::rowsRemoved, this,
            [this](const QModelIndex&, int first, int last) { rowsRemoved(first, last); });
    connect(model, &QAbstractItemModel::dataChanged, this,
            [this](const QModelIndex& first, const QModelIndex& last) {
                for (int row = first.row(); row <= last.row(); ++row) rowChanged(row);
            });
    connect(model, &MessageModel::textGrown, this, &MessageView::textGrown);
    connect(model, &MessageModel::progressChanged, this, &MessageView::scheduleFlush);
    reset();
}

void MessageView::setWaiting(const QString& text, double progress) {
    if (text == waiting_ && progress == waitingProgress_) return;
    waiting_ = text;
    waitingProgress_ = progress;
    scheduleFlush();
}

void MessageView::reset() {
    hotCode_ = copiedCode_ = {};
    selection_.clear();
    hovered_ = current_ = copiedRow_ = -1;
    column_.setWidth(viewport()->width());
    column_.reset(*model_);
    following_ = false;  // so that the change is noticed
    setFollowing(true);
    arrange({});
    viewport()->update();
}

void MessageView::rowsInserted(int first, int last) {
    const MessageColumn::Anchor kept = anchor();
    for (int i = first; i <= last; ++i) {
        // Who asks wants to see the answer.
        if (model_->message(i).role == app::Role::User) setFollowing(true);
    }
    column_.insert(first, last);
    arrange(kept);
    viewport()->update();
}

void MessageView::rowsRemoved(int first, int last) {
    hotCode_ = copiedCode_ = {};
    selection_.clear();
    current_ = std::min(current_, first - 1);
    hovered_ = copiedRow_ = -1;
    column_.remove(first, last);
    arrange(anchor());
    viewport()->update();
}

void MessageView::textGrown(int row, const QString& text) {
    if (!column_.has(row)) return;
    column_.append(row, text);
    scheduleFlush();
}

void MessageView::rowChanged(int row) {
    if (!column_.has(row)) return;
    column_.change(row);
    scheduleFlush();
}

void MessageView::scheduleFlush() {
    if (!flushTimer_.isActive()) flushTimer_.start();
}

void MessageView::flush() {
    arrange(anchor());
    viewport()->update();
}

MessageRow MessageView::rowInfo(int row) const {
    MessageRow info;
    info.message = &model_->message(row);
    info.version = model_->version(row);
    info.leftOutAbove = model_->leftOutAbove(row);
    info.isLast = row + 1 == column_.count();
    info.isBusy = model_->session()->isBusy();
    info.waiting = waiting_;
    info.progress = waitingProgress_;
    info.hovered = row == hovered_;
    info.focused = row == current_ && hasFocus();
    info.copied = row == copiedRow_;
    if (info.hovered) info.hot = hot_;
    info.phase = double(clock_.elapsed() % 1200) / 1200;
    return info;
}

// --- where the messages stand ---

MessageColumn::Anchor MessageView::anchor() const {
    return column_.anchorAt(verticalScrollBar()->value(), viewport()->height());
}

void MessageView::arrange(const MessageColumn::Anchor& kept) {
    if (arranging_ || model_ == nullptr) return;
    arranging_ = true;
    QScrollBar* bar = verticalScrollBar();
    const int height = viewport()->height();
    column_.setWidth(viewport()->width());
    const qreal scroll = column_.arrange(bar->value(), height, kept, following_);
    bar->setRange(0, int(std::ceil(std::max<qreal>(0, column_.height() - height))));
    bar->setPageStep(height);
    bar->setValue(following_ ? bar->maximum() : int(std::lround(scroll)));
    arranging_ = false;
    column_.forgetFarFrom(std::max(0, rowAt(height / 2)));

    const bool waits = !column_.isEmpty() && model_->session() != nullptr && model_->session()->isBusy() &&
                       model_->message(column_.count() - 1).text.isEmpty();
    if (waits && !waitingTimer_.isActive()) waitingTimer_.start(33, this);
    if (!waits) waitingTimer_.stop();
    placeJumpButton();
}

void MessageView::setFollowing(bool following) {
    if (following_ == following) return;
    following_ = following;
    placeJumpButton();
    Q_EMIT atEndChanged(following);
}

void MessageView::placeJumpButton() {
    jump_->move((viewport()->width() - jump_->width()) / 2, viewport()->height() - jump_->height() - 12);
    jump_->setVisible(!following_ && !column_.isEmpty());
}

void MessageView::scrollToEnd() {
    setFollowing(true);
    arrange({});
    viewport()->update();
}

void MessageView::scrollToMessage(int row) {
    if (!column_.has(row)) return;
    setFollowing(false);
    arrange({row, -1, -24.0});
    setCurrentRow(row);
    viewport()->update();
}

void MessageView::scrollContentsBy(int, int) {
    if (arranging_) return;
    const QScrollBar* bar = verticalScrollBar();
    setFollowing(bar->value() >= bar->maximum() - kNearEnd);
    // Not to the very end by itself: that would pull the last lines away from under the wheel.
    const bool follow = std::exchange(following_, false);
    arrange(anchor());
    following_ = follow;
    viewport()->update();
}

void MessageView::resizeEvent(QResizeEvent*) {
    arrange(anchor());
}

QRect MessageView::rowRect(int row) const {
    if (!column_.has(row)) return {};
    return QRect(0, int(column_.top(row)) - verticalScrollBar()->value(), viewport()->width(),
                 int(column_.height(row)));
}

int MessageView::rowAt(int y) const {
    return column_.rowAt(y + verticalScrollBar()->value());
}

QRect MessageView::actionRect(int row, MessageAction action) {
    const MessageGeometry geometry = column_.measure(row);
    for (const MessageGeometry::Button& button : geometry.buttons) {
        if (button.action == action) return button.area.translated(rowRect(row).topLeft()).toRect();
    }
    return {};
}

// --- painting ---

void MessageView::paintEvent(QPaintEvent* event) {
    ++paints_;
    QPainter painter(viewport());
    painter.fillRect(event->rect(), theme_.color(Token::Window));
    if (model_ == nullptr || model_->session() == nullptr) return;
    const qreal scroll = verticalScrollBar()->value();
    for (int row = std::max(0, rowAt(event->rect().top())); row < column_.count(); ++row) {
        const qreal top = column_.top(row) - scroll;
        if (top > event->rect().bottom()) break;
        if (!column_.isMeasured(row)) continue;  // an arrange() is on its way
        MessageLayout& layout = *column_.layout(row);
        const MessageRow info = rowInfo(row);
        const MessageGeometry geometry = delegate_.geometry(info, layout, viewport()->width());
        const auto [begin, end] = selection_.partOf(row, layout.end());
        painter.save();
        painter.translate(0, std::floor(top));
        delegate_.paint(painter, QRectF(event->rect()).translated(0, -std::floor(top)), info, geometry,
                        layout, begin, end);
        painter.restore();
    }
    paintFades(painter);
}

void MessageView::paintFades(QPainter& painter) const {
    const QScrollBar* bar = verticalScrollBar();
    const QColor solid = theme_.color(Token::Window);
    QColor clear = solid;
    clear.setAlpha(0);
    const auto fade = [&](qreal edge, qreal inner) {
        QLinearGradient gradient(0, edge, 0, inner);
        gradient.setColorAt(0, solid);
        gradient.setColorAt(1, clear);
        painter.fillRect(QRectF(0, std::min(edge, inner), viewport()->width(), kFade), gradient);
    };
    if (bar->value() > 0) fade(0, kFade);
    if (bar->value() < bar->maximum()) fade(viewport()->height(), viewport()->height() - kFade);
}

void MessageView::setCurrentRow(int row) {
    current_ = row;
    viewport()->update();
    if (!column_.has(row)) return;
    const QRect rect = rowRect(row);
    if (rect.top() < 0 || rect.top() > viewport()->height() - 40) {
        setFollowing(row + 1 == column_.count() && rect.height() < viewport()->height());
        arrange({row, -1, -12.0});
    }
    QAccessibleEvent focus(this, QAccessible::Focus);
    focus.setChild(row);
    QAccessible::updateAccessibility(&focus);
}

// --- selecting and copying ---

QString MessageView::selectedText() const {
    if (!hasSelection()) return {};
    return column_.textBetween(selection_.first(), selection_.last());
}

void MessageView::selectAll() {
    if (column_.isEmpty()) return;
    selection_.start({});
    selection_.extend(column_.end());
    viewport()->update();
}

void MessageView::copySelection() const {
    if (hasSelection()) QApplication::clipboard()->setText(selectedText());
}

void MessageView::copyMessage(int row) {
    if (!column_.has(row)) return;
    QApplication::clipboard()->setText(model_->message(row).text);
    copiedRow_ = row;
    copiedTimer_.start();
    viewport()->update();
}

}  // namespace ui
