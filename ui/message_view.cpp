#include "ui/message_view.h"

#include <QAccessible>
#include <QApplication>
#include <QClipboard>
#include <QContextMenuEvent>
#include <QMenu>
#include <QPainter>
#include <QScrollBar>
#include <QStyle>
#include <QTextBoundaryFinder>
#include <QToolButton>
#include <QToolTip>
#include <cmath>

#include "ui/code_layout.h"
#include "ui/message_accessible.h"

namespace ui {

namespace {

constexpr int kFrameMillis = 16;
constexpr int kBarWidth = 12;  // as in the style sheet
constexpr int kFade = 20;      // text fades out at an edge where it goes on
constexpr int kBottomSpace = 12;
constexpr int kNearEnd = 32;   // so close to the end counts as there
constexpr int kKeptRows = 40;  // layouts kept beside what is in sight
constexpr int kCopiedMillis = 1500;

}  // namespace

MessageView::MessageView(const Theme& theme, QWidget* parent)
    : QAbstractScrollArea(parent), theme_(theme), delegate_(theme) {
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
    connect(&copiedTimer_, &QTimer::timeout, this, [this] {
        copiedRow_ = -1;
        if (CodeLayout* code = codeOf(copiedCode_)) code->setCopied(false);
        copiedCode_ = {};
        viewport()->update();
    });
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
    const auto restyle = [this] {
        jump_->setIcon(theme_.icon(QStringLiteral("arrow-down"), Token::Text));
        const Anchor kept = anchor();
        hotCode_ = copiedCode_ = {};
        for (Row& row : rows_) row.layout.reset();  // colours are in the layouts
        arrange(kept);
        viewport()->update();
    };
    connect(&theme, &Theme::changed, this, restyle);
    restyle();
}

MessageView::~MessageView() = default;

void MessageView::setModel(MessageModel* model) {
    model_ = model;
    connect(model, &QAbstractItemModel::modelReset, this, &MessageView::reset);
    connect(model, &QAbstractItemModel::rowsInserted, this,
            [this](const QModelIndex&, int first, int last) { rowsInserted(first, last); });
    connect(model, &QAbstractItemModel::rowsRemoved, this, [this](const QModelIndex&, int first, int last) {
        hotCode_ = copiedCode_ = {};
        selectionStart_.reset();
        current_ = std::min(current_, first - 1);
        hovered_ = copiedRow_ = -1;
        rows_.erase(rows_.begin() + first, rows_.begin() + last + 1);
        place(size_t(first));
        arrange(anchor());
        viewport()->update();
    });
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
    rows_.clear();
    selectionStart_.reset();
    hovered_ = current_ = copiedRow_ = -1;
    const int count = model_->rowCount();
    rows_.resize(size_t(count));
    for (int row = 0; row < count; ++row) {
        rows_[size_t(row)].height = delegate_.estimate(model_->message(row), viewport()->width());
    }
    place(0);
    following_ = false;  // so that the change is noticed
    setFollowing(true);
    arrange({});
    viewport()->update();
}

void MessageView::rowsInserted(int first, int last) {
    const Anchor kept = anchor();
    std::vector<Row> fresh(size_t(last - first + 1));
    for (int i = first; i <= last; ++i) {
        fresh[size_t(i - first)].height = delegate_.estimate(model_->message(i), viewport()->width());
        if (model_->message(i).role == app::Role::User)
            setFollowing(true);  // who asks wants to see the answer
    }
    rows_.insert(rows_.begin() + first, std::make_move_iterator(fresh.begin()),
                 std::make_move_iterator(fresh.end()));
    // The row before looks different now that it is not the last.
    if (first > 0) rows_[size_t(first) - 1].measured = false;
    place(size_t(std::max(0, first - 1)));
    arrange(kept);
    viewport()->update();
}

void MessageView::textGrown(int row, const QString& text) {
    if (row < 0 || row >= int(rows_.size())) return;
    Row& grown = rows_[size_t(row)];
    if (grown.layout) grown.layout->append(text);
    grown.measured = false;
    scheduleFlush();
}

void MessageView::rowChanged(int row) {
    if (row < 0 || row >= int(rows_.size())) return;
    Row& changed = rows_[size_t(row)];
    if (changed.layout && model_->message(row).state != app::MessageState::Streaming &&
        model_->message(row).role != app::Role::User) {
        changed.layout->finish();
    }
    changed.measured = false;
    scheduleFlush();
}

void MessageView::scheduleFlush() {
    if (!flushTimer_.isActive()) flushTimer_.start();
}

void MessageView::flush() {
    arrange(anchor());
    viewport()->update();
}

MessageLayout& MessageView::layoutOf(int row) {
    Row& entry = rows_[size_t(row)];
    if (entry.layout) return *entry.layout;
    const app::Message& message = model_->message(row);
    entry.layout = std::make_unique<MessageLayout>(theme_);
    if (message.role == app::Role::User) {
        entry.layout->setPlain(message.text);
    } else {
        entry.layout->setMarkdown(message.text);
        if (message.state != app::MessageState::Streaming) entry.layout->finish();
    }
    entry.measured = false;
    return *entry.layout;
}

MessageRow MessageView::rowInfo(int row) const {
    MessageRow info;
    info.message = &model_->message(row);
    info.version = model_->version(row);
    info.leftOutAbove = model_->leftOutAbove(row);
    info.isLast = row + 1 == int(rows_.size());
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

void MessageView::measure(int row) {
    MessageLayout& layout = layoutOf(row);
    layout.update();
    const MessageRow info = rowInfo(row);
    layout.setWidth(delegate_.textWidth(info, layout, viewport()->width()));
    rows_[size_t(row)].height = delegate_.geometry(info, layout, viewport()->width()).height;
    rows_[size_t(row)].measured = true;
}

void MessageView::place(size_t from) {
    qreal y = from == 0 || rows_.empty() ? 0 : rows_[from - 1].top + rows_[from - 1].height;
    for (size_t i = from; i < rows_.size(); ++i) {
        rows_[i].top = y;
        y += rows_[i].height;
    }
}

qreal MessageView::contentHeight() const {
    return rows_.empty() ? 0 : rows_.back().top + rows_.back().height + kBottomSpace;
}

MessageView::Anchor MessageView::anchor() const {
    const qreal scroll = verticalScrollBar()->value();
    Anchor fallback;
    for (int row = std::max(0, rowAt(0)); row < int(rows_.size()); ++row) {
        const Row& entry = rows_[size_t(row)];
        if (entry.top > scroll + viewport()->height()) break;
        if (fallback.row < 0) fallback = {row, -1, scroll - entry.top};
        if (!entry.layout) continue;
        // What is laid out and in sight must stay; an estimate above may turn out otherwise.
        const qreal inside = scroll - entry.top;
        for (int block = std::max(0, entry.layout->blockAt(inside)); block < entry.layout->blockCount();
             ++block) {
            if (entry.layout->isLaidOut(block)) {
                return {row, block, scroll - entry.top - entry.layout->blockTop(block)};
            }
        }
    }
    return fallback;
}

/// Lays out what is in sight, which may move what is below or above it, until everything in sight stands.
void MessageView::arrange(const Anchor& kept) {
    if (arranging_ || model_ == nullptr) return;
    arranging_ = true;
    qreal scroll = verticalScrollBar()->value();
    const int height = viewport()->height();
    for (int round = 0; round < 8; ++round) {
        const qreal last = std::max<qreal>(0, contentHeight() - height);
        if (following_) {
            scroll = last;
        } else if (kept.row >= 0 && kept.row < int(rows_.size())) {
            const Row& row = rows_[size_t(kept.row)];
            const bool block = kept.block >= 0 && row.layout && kept.block < row.layout->blockCount();
            scroll = row.top + (block ? row.layout->blockTop(kept.block) : 0) + kept.distance;
        }
        scroll = std::clamp<qreal>(scroll, 0, last);
        bool moved = false;
        const auto firstSeen =
            std::upper_bound(rows_.begin(), rows_.end(), scroll,
                             [](qreal y, const Row& row) { return y < row.top + row.height; });
        for (size_t i = size_t(firstSeen - rows_.begin()); i < rows_.size() && rows_[i].top < scroll + height;
             ++i) {
            const qreal before = rows_[i].height;
            if (!rows_[i].measured || !rows_[i].layout) measure(int(i));
            const qreal textHeight = rows_[i].layout->height();
            rows_[i].layout->ensureLaidOut(scroll - rows_[i].top - 80, scroll + height - rows_[i].top + 80);
            if (rows_[i].layout->height() != textHeight) measure(int(i));
            if (rows_[i].height != before) {
                moved = true;
                place(i);
            }
        }
        if (!moved && round > 0) break;
    }
    QScrollBar* bar = verticalScrollBar();
    bar->setRange(0, int(std::ceil(std::max<qreal>(0, contentHeight() - height))));
    bar->setPageStep(height);
    bar->setValue(following_ ? bar->maximum() : int(std::lround(scroll)));
    arranging_ = false;
    forgetFarRows();

    const bool waits = !rows_.empty() && model_->session() != nullptr && model_->session()->isBusy() &&
                       model_->message(int(rows_.size()) - 1).text.isEmpty();
    if (waits && !waitingTimer_.isActive()) waitingTimer_.start(33, this);
    if (!waits) waitingTimer_.stop();
    placeJumpButton();
}

void MessageView::forgetFarRows() {
    if (laidOutRows() <= 2 * kKeptRows) return;
    const int middle = std::max(0, rowAt(viewport()->height() / 2));
    for (int i = 0; i < int(rows_.size()); ++i) {
        if (std::abs(i - middle) > kKeptRows / 2 && i + 1 < int(rows_.size())) {
            rows_[size_t(i)].layout.reset();  // its height stays
        }
    }
}

int MessageView::laidOutRows() const {
    return int(
        std::count_if(rows_.begin(), rows_.end(), [](const Row& row) { return row.layout != nullptr; }));
}

void MessageView::setFollowing(bool following) {
    if (following_ == following) return;
    following_ = following;
    placeJumpButton();
    Q_EMIT atEndChanged(following);
}

void MessageView::placeJumpButton() {
    jump_->move((viewport()->width() - jump_->width()) / 2, viewport()->height() - jump_->height() - 12);
    jump_->setVisible(!following_ && !rows_.empty());
}

void MessageView::scrollToEnd() {
    setFollowing(true);
    arrange({});
    viewport()->update();
}

void MessageView::scrollToMessage(int row) {
    if (row < 0 || row >= int(rows_.size())) return;
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

void MessageView::resizeEvent(QResizeEvent* event) {
    const Anchor kept = anchor();
    if (event->size().width() != event->oldSize().width()) {
        for (Row& row : rows_) row.measured = false;
    }
    arrange(kept);
}

void MessageView::paintEvent(QPaintEvent* event) {
    ++paints_;
    QPainter painter(viewport());
    painter.fillRect(event->rect(), theme_.color(Token::Window));
    if (model_ == nullptr || model_->session() == nullptr) return;
    const qreal scroll = verticalScrollBar()->value();
    const auto [from, to] = selection();
    for (int i = std::max(0, rowAt(event->rect().top())); i < int(rows_.size()); ++i) {
        Row& row = rows_[size_t(i)];
        const qreal top = row.top - scroll;
        if (top > event->rect().bottom()) break;
        if (!row.layout || !row.measured) continue;  // an arrange() is on its way
        const MessageRow info = rowInfo(i);
        const MessageGeometry geometry = delegate_.geometry(info, *row.layout, viewport()->width());
        TextPosition begin, end;
        if (selectionStart_ && i >= from.row && i <= to.row) {
            begin = i == from.row ? from.position : TextPosition{};
            end = i == to.row ? to.position : row.layout->end();
        }
        painter.save();
        painter.translate(0, std::floor(top));
        delegate_.paint(painter, QRectF(event->rect()).translated(0, -std::floor(top)), info, geometry,
                        *row.layout, begin, end);
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

int MessageView::rowAt(int y) const {
    const qreal content = y + verticalScrollBar()->value();
    const auto after = std::upper_bound(rows_.begin(), rows_.end(), content, [](qreal value, const Row& row) {
        return value < row.top + row.height;
    });
    return after == rows_.end() ? -1 : int(after - rows_.begin());
}

QRect MessageView::rowRect(int row) const {
    if (row < 0 || row >= int(rows_.size())) return {};
    const Row& entry = rows_[size_t(row)];
    return QRect(0, int(entry.top) - verticalScrollBar()->value(), viewport()->width(), int(entry.height));
}

QRect MessageView::actionRect(int row, MessageAction action) {
    measure(row);
    const MessageGeometry geometry = delegate_.geometry(rowInfo(row), layoutOf(row), viewport()->width());
    for (const MessageGeometry::Button& button : geometry.buttons) {
        if (button.action == action) return button.area.translated(rowRect(row).topLeft()).toRect();
    }
    return {};
}

// --- selection ---

MessageView::Place MessageView::placeAt(QPoint point) const {
    if (rows_.empty()) return {};
    int row = rowAt(std::clamp(point.y(), 0, viewport()->height()));
    if (row < 0) row = int(rows_.size()) - 1;
    const Row& entry = rows_[size_t(row)];
    if (!entry.layout) return {row, {}};
    const MessageGeometry geometry = delegate_.geometry(rowInfo(row), *entry.layout, viewport()->width());
    const QPointF inside =
        QPointF(point) - QPointF(0, entry.top - verticalScrollBar()->value()) - geometry.text;
    if (inside.y() > entry.layout->height()) return {row, entry.layout->end()};
    return {row, entry.layout->positionAt(inside)};
}

std::pair<MessageView::Place, MessageView::Place> MessageView::selection() const {
    if (!selectionStart_) return std::pair(Place(), Place());  // {} is too much for clang 14
    const Place& start = *selectionStart_;
    return selectionEnd_ < start ? std::pair(selectionEnd_, start) : std::pair(start, selectionEnd_);
}

bool MessageView::hasSelection() const {
    return selectionStart_ && *selectionStart_ != selectionEnd_;
}

QString MessageView::textOf(const Place& from, const Place& to) const {
    QStringList parts;
    for (int row = from.row; row <= to.row && row < int(rows_.size()); ++row) {
        auto* self = const_cast<MessageView*>(this);
        MessageLayout& layout = self->layoutOf(row);
        layout.update();
        parts += layout.textBetween(row == from.row ? from.position : TextPosition{},
                                    row == to.row ? to.position : layout.end());
    }
    return parts.join(QStringLiteral("\n\n"));
}

QString MessageView::selectedText() const {
    if (!hasSelection()) return {};
    const auto [from, to] = selection();
    return textOf(from, to);
}

void MessageView::selectAll() {
    if (rows_.empty()) return;
    selectionStart_ = Place{};
    MessageLayout& layout = layoutOf(int(rows_.size()) - 1);
    layout.update();
    selectionEnd_ = {int(rows_.size()) - 1, layout.end()};
    viewport()->update();
}

void MessageView::copySelection() const {
    if (hasSelection()) QApplication::clipboard()->setText(selectedText());
}

void MessageView::copyMessage(int row) {
    if (row < 0 || row >= int(rows_.size())) return;
    QApplication::clipboard()->setText(model_->message(row).text);
    flashCopied(row);
}

void MessageView::flashCopied(int row) {
    copiedRow_ = row;
    copiedTimer_.start();
    viewport()->update();
}

CodeLayout* MessageView::codeAt(QPoint point) const {
    const int row = rowAt(point.y());
    if (row < 0 || !rows_[size_t(row)].layout) return nullptr;
    const Row& entry = rows_[size_t(row)];
    const MessageGeometry geometry = delegate_.geometry(rowInfo(row), *entry.layout, viewport()->width());
    return entry.layout->codeAt(QPointF(point) - QPointF(0, entry.top - verticalScrollBar()->value()) -
                                geometry.text);
}

CodeLayout* MessageView::codeOf(CodePlace place) const {
    if (place.row < 0 || place.row >= int(rows_.size()) || !rows_[size_t(place.row)].layout) return nullptr;
    return rows_[size_t(place.row)].layout->codeOf(place.block);
}

// --- mouse ---

void MessageView::updateHover(QPoint point) {
    const int row = viewport()->rect().contains(point) ? rowAt(point.y()) : -1;
    std::optional<MessageAction> hot;
    Qt::CursorShape cursor = Qt::ArrowCursor;
    CodePlace code;
    if (row >= 0 && rows_[size_t(row)].layout) {
        const Row& entry = rows_[size_t(row)];
        const MessageGeometry geometry = delegate_.geometry(rowInfo(row), *entry.layout, viewport()->width());
        const QPointF inRow = QPointF(point) - QPointF(0, entry.top - verticalScrollBar()->value());
        for (const MessageGeometry::Button& button : geometry.buttons) {
            if (button.area.contains(inRow) && button.enabled) hot = button.action;
        }
        const QPointF inText = inRow - geometry.text;
        QPointF inCode;
        const CodeLayout* layout = entry.layout->codeAt(inText, &inCode);
        const bool onCopy = layout != nullptr && layout->copyButton().contains(inCode);
        if (onCopy) code = {row, entry.layout->blockAt(inText.y())};
        if (hot || onCopy || !entry.layout->linkAt(inText).isEmpty()) {
            cursor = Qt::PointingHandCursor;
        } else if (inText.x() >= 0 && inText.x() <= entry.layout->width() && inText.y() >= 0 &&
                   inText.y() <= entry.layout->height()) {
            cursor = Qt::IBeamCursor;
        }
    }
    viewport()->setCursor(cursor);
    if (row == hovered_ && hot == hot_ && code == hotCode_) return;
    if (CodeLayout* before = codeOf(hotCode_)) before->setHovered(false);
    if (CodeLayout* now = codeOf(code)) now->setHovered(true);
    hotCode_ = code;
    hovered_ = row;
    hot_ = hot;
    viewport()->update();
}

void MessageView::trigger(int row, MessageAction action) {
    const app::ChatSession::Version version = model_->version(row);
    switch (action) {
        case MessageAction::Copy:
            copyMessage(row);
            break;
        case MessageAction::Edit:
            Q_EMIT editRequested(row);
            break;
        case MessageAction::Regenerate:
            Q_EMIT regenerateRequested(row);
            break;
        case MessageAction::PreviousVersion:
            Q_EMIT versionRequested(row, version.index - 1);
            break;
        case MessageAction::NextVersion:
            Q_EMIT versionRequested(row, version.index + 1);
            break;
    }
}

void MessageView::mousePressEvent(QMouseEvent* event) {
    if (event->button() != Qt::LeftButton || rows_.empty()) return;
    pressPoint_ = event->pos();
    updateHover(event->pos());
    current_ = -1;
    if (hot_ || hotCode_.row >= 0) return;
    const Place place = placeAt(event->pos());
    if (!(event->modifiers() & Qt::ShiftModifier) || !selectionStart_) selectionStart_ = place;
    selectionEnd_ = place;
    selecting_ = true;
    viewport()->update();
}

void MessageView::mouseMoveEvent(QMouseEvent* event) {
    if (!selecting_) {
        updateHover(event->pos());
        return;
    }
    dragPoint_ = event->pos();
    selectionEnd_ = placeAt(dragPoint_);
    const bool outside = dragPoint_.y() < 0 || dragPoint_.y() > viewport()->height();
    if (outside && !dragTimer_.isActive()) dragTimer_.start(30, this);
    if (!outside) dragTimer_.stop();
    viewport()->update();
}

void MessageView::mouseReleaseEvent(QMouseEvent* event) {
    if (event->button() != Qt::LeftButton) return;
    dragTimer_.stop();
    if (selecting_) {
        selecting_ = false;
        if (hasSelection()) {
            if (QApplication::clipboard()->supportsSelection()) {
                QApplication::clipboard()->setText(selectedText(), QClipboard::Selection);
            }
            return;
        }
        selectionStart_.reset();
    }
    updateHover(event->pos());
    if ((event->pos() - pressPoint_).manhattanLength() > QApplication::startDragDistance()) return;
    if (hovered_ < 0 || !rows_[size_t(hovered_)].layout) return;
    if (hot_) {
        trigger(hovered_, *hot_);
        return;
    }
    if (CodeLayout* code = codeOf(hotCode_)) {
        QApplication::clipboard()->setText(code->text());
        if (CodeLayout* before = codeOf(copiedCode_)) before->setCopied(false);
        copiedCode_ = hotCode_;
        code->setCopied(true);
        copiedTimer_.start();
        viewport()->update();
        return;
    }
    const Row& row = rows_[size_t(hovered_)];
    const MessageGeometry geometry = delegate_.geometry(rowInfo(hovered_), *row.layout, viewport()->width());
    const QString link = row.layout->linkAt(
        QPointF(event->pos()) - QPointF(0, row.top - verticalScrollBar()->value()) - geometry.text);
    if (!link.isEmpty()) Q_EMIT linkActivated(link);
    viewport()->update();
}

void MessageView::mouseDoubleClickEvent(QMouseEvent* event) {
    updateHover(event->pos());
    if (event->button() != Qt::LeftButton || rows_.empty() || hot_ || hotCode_.row >= 0) return;
    const Place place = placeAt(event->pos());
    const MessageLayout& layout = layoutOf(place.row);
    if (place.position.block >= layout.blockCount()) return;
    QTextBoundaryFinder finder(QTextBoundaryFinder::Word, layout.blockText(place.position.block));
    finder.setPosition(place.position.offset);
    if (!finder.isAtBoundary()) finder.toPreviousBoundary();
    selectionStart_ = place;
    selectionStart_->position.offset = int(std::max<qsizetype>(0, finder.position()));
    finder.toNextBoundary();
    selectionEnd_ = place;
    selectionEnd_.position.offset =
        int(std::max<qsizetype>(selectionStart_->position.offset, finder.position()));
    viewport()->update();
}

void MessageView::wheelEvent(QWheelEvent* event) {
    const QPoint pixels = event->pixelDelta().isNull() ? event->angleDelta() / 2 : event->pixelDelta();
    const bool sideways =
        (event->modifiers() & Qt::ShiftModifier) || std::abs(pixels.x()) > std::abs(pixels.y());
    if (sideways) {
        CodeLayout* code = codeAt(event->position().toPoint());
        const int amount = pixels.x() != 0 ? pixels.x() : pixels.y();
        if (code != nullptr && code->scrollBy(-amount)) viewport()->update();
        event->accept();
        return;
    }
    QAbstractScrollArea::wheelEvent(event);
}

bool MessageView::viewportEvent(QEvent* event) {
    if (event->type() == QEvent::Leave) updateHover(QPoint(-1, -1));
    if (event->type() == QEvent::ToolTip) {
        const auto* help = static_cast<QHelpEvent*>(event);
        if (hot_) {
            QToolTip::showText(help->globalPos(), MessageDelegate::toolTip(*hot_), viewport());
        } else {
            QToolTip::hideText();
        }
        return true;
    }
    return QAbstractScrollArea::viewportEvent(event);
}

void MessageView::timerEvent(QTimerEvent* event) {
    if (event->timerId() == waitingTimer_.timerId()) {
        const int last = int(rows_.size()) - 1;
        if (last >= 0) viewport()->update(rowRect(last));
    } else if (event->timerId() == dragTimer_.timerId()) {
        const int beyond = dragPoint_.y() < 0 ? dragPoint_.y() : dragPoint_.y() - viewport()->height();
        verticalScrollBar()->setValue(verticalScrollBar()->value() + std::clamp(beyond, -60, 60));
        selectionEnd_ = placeAt(dragPoint_);
        viewport()->update();
    } else {
        QAbstractScrollArea::timerEvent(event);
    }
}

// --- keyboard ---

void MessageView::setCurrentRow(int row) {
    current_ = row;
    viewport()->update();
    if (row < 0 || row >= int(rows_.size())) return;
    const QRect rect = rowRect(row);
    if (rect.top() < 0 || rect.top() > viewport()->height() - 40) {
        setFollowing(row + 1 == int(rows_.size()) && rect.height() < viewport()->height());
        arrange({row, -1, -12.0});
    }
    QAccessibleEvent focus(this, QAccessible::Focus);
    focus.setChild(row);
    QAccessible::updateAccessibility(&focus);
}

void MessageView::keyPressEvent(QKeyEvent* event) {
    QScrollBar* bar = verticalScrollBar();
    const bool plain = (event->modifiers() & ~Qt::KeypadModifier) == Qt::NoModifier;
    if (event->matches(QKeySequence::Copy)) {
        if (hasSelection()) {
            copySelection();
        } else {
            copyMessage(current_);
        }
        return;
    }
    if (event->matches(QKeySequence::SelectAll)) return selectAll();
    const int count = int(rows_.size());
    switch (event->key()) {
        case Qt::Key_Home:
            bar->setValue(0);
            return;
        case Qt::Key_End:
            scrollToEnd();
            return;
        case Qt::Key_PageUp:
            bar->triggerAction(QScrollBar::SliderPageStepSub);
            return;
        case Qt::Key_PageDown:
        case Qt::Key_Space:
            bar->triggerAction(QScrollBar::SliderPageStepAdd);
            return;
        case Qt::Key_Up:
            if (event->modifiers() & Qt::ControlModifier) {
                setCurrentRow(current_ < 0 ? count - 1 : std::max(0, current_ - 1));
            } else {
                bar->triggerAction(QScrollBar::SliderSingleStepSub);
            }
            return;
        case Qt::Key_Down:
            if (event->modifiers() & Qt::ControlModifier) {
                setCurrentRow(std::min(count - 1, current_ + 1));
            } else {
                bar->triggerAction(QScrollBar::SliderSingleStepAdd);
            }
            return;
        default:
            break;
    }
    if (plain && current_ >= 0 && current_ < count) {
        const MessageRow info = rowInfo(current_);
        const bool user = info.message->role == app::Role::User;
        if (event->key() == Qt::Key_E && user && !info.isBusy) return trigger(current_, MessageAction::Edit);
        if (event->key() == Qt::Key_R && !user && !info.isBusy)
            return trigger(current_, MessageAction::Regenerate);
        if (event->key() == Qt::Key_Left && info.version.index > 0 && !info.isBusy) {
            return trigger(current_, MessageAction::PreviousVersion);
        }
        if (event->key() == Qt::Key_Right && info.version.index + 1 < info.version.count && !info.isBusy) {
            return trigger(current_, MessageAction::NextVersion);
        }
    }
    QAbstractScrollArea::keyPressEvent(event);
}

void MessageView::contextMenuEvent(QContextMenuEvent* event) {
    const bool byKey = event->reason() == QContextMenuEvent::Keyboard;
    const int row = byKey ? current_ : rowAt(event->pos().y());
    if (row < 0) return;
    const MessageRow info = rowInfo(row);
    const bool user = info.message->role == app::Role::User;
    QMenu menu(this);
    const bool selected = hasSelection();
    connect(menu.addAction(tr("Copy selection")), &QAction::triggered, this, [this] { copySelection(); });
    menu.actions().last()->setEnabled(selected);
    connect(menu.addAction(tr("Copy message")), &QAction::triggered, this, [this, row] { copyMessage(row); });
    menu.addSeparator();
    if (user) {
        connect(menu.addAction(tr("Edit…")), &QAction::triggered, this,
                [this, row] { trigger(row, MessageAction::Edit); });
    } else {
        connect(menu.addAction(tr("Another answer")), &QAction::triggered, this,
                [this, row] { trigger(row, MessageAction::Regenerate); });
    }
    menu.actions().last()->setEnabled(!info.isBusy);
    if (info.version.count > 1) {
        connect(menu.addAction(tr("Previous version")), &QAction::triggered, this,
                [this, row] { trigger(row, MessageAction::PreviousVersion); });
        menu.actions().last()->setEnabled(!info.isBusy && info.version.index > 0);
        connect(menu.addAction(tr("Next version")), &QAction::triggered, this,
                [this, row] { trigger(row, MessageAction::NextVersion); });
        menu.actions().last()->setEnabled(!info.isBusy && info.version.index + 1 < info.version.count);
    }
    menu.exec(byKey ? viewport()->mapToGlobal(rowRect(row).center()) : event->globalPos());
}

void MessageView::focusInEvent(QFocusEvent* event) {
    if (event->reason() == Qt::TabFocusReason || event->reason() == Qt::BacktabFocusReason) {
        if (current_ < 0) setCurrentRow(int(rows_.size()) - 1);
    }
    viewport()->update();
}

void MessageView::focusOutEvent(QFocusEvent*) {
    viewport()->update();
}

}  // namespace ui
