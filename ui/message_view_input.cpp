#include <QApplication>
#include <QClipboard>
#include <QContextMenuEvent>
#include <QMenu>
#include <QScrollBar>
#include <QTextBoundaryFinder>
#include <QToolTip>

#include "ui/code_layout.h"
#include "ui/message_view.h"

/// What mouse and keyboard do in the message view.
namespace ui {

QPointF MessageView::inColumn(QPoint point) const {
    return QPointF(point) + QPointF(0, verticalScrollBar()->value());
}

MessageHit MessageView::hitAt(QPoint point) const {
    return column_.hit(rowAt(point.y()), inColumn(point));
}

/// The place nearest to a point, which may be outside.
TextPlace MessageView::placeAt(QPoint point) const {
    if (column_.isEmpty()) return {};
    int row = rowAt(std::clamp(point.y(), 0, viewport()->height()));
    if (row < 0) row = column_.count() - 1;
    const MessageHit hit = column_.hit(row, inColumn(point));
    if (hit.layout == nullptr) return {row, {}};
    const bool below = hit.inText.y() > hit.layout->height();
    return {row, below ? hit.layout->end() : hit.layout->positionAt(hit.inText)};
}

CodeLayout* MessageView::codeOf(CodePlace place) const {
    if (!column_.has(place.row) || column_.layout(place.row) == nullptr) return nullptr;
    return column_.layout(place.row)->codeOf(place.block);
}

// --- mouse ---

void MessageView::updateHover(QPoint point) {
    const int row = viewport()->rect().contains(point) ? rowAt(point.y()) : -1;
    std::optional<MessageAction> hot;
    Qt::CursorShape cursor = Qt::ArrowCursor;
    CodePlace code;
    if (const MessageHit hit = column_.hit(row, inColumn(point)); hit.layout != nullptr) {
        for (const MessageGeometry::Button& button : hit.geometry.buttons) {
            if (button.area.contains(hit.inRow) && button.enabled) hot = button.action;
        }
        QPointF inCode;
        const CodeLayout* layout = hit.layout->codeAt(hit.inText, &inCode);
        const bool onCopy = layout != nullptr && layout->copyButton().contains(inCode);
        if (onCopy) code = {row, hit.layout->blockAt(hit.inText.y())};
        const QRectF text(0, 0, hit.layout->width(), hit.layout->height());
        if (hot || onCopy || !hit.layout->linkAt(hit.inText).isEmpty()) {
            cursor = Qt::PointingHandCursor;
        } else if (text.contains(hit.inText)) {
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

void MessageView::copyCode(CodePlace place) {
    CodeLayout* code = codeOf(place);
    QApplication::clipboard()->setText(code->text());
    if (CodeLayout* before = codeOf(copiedCode_)) before->setCopied(false);
    copiedCode_ = place;
    code->setCopied(true);
    copiedTimer_.start();
    viewport()->update();
}

void MessageView::forgetCopied() {
    copiedRow_ = -1;
    if (CodeLayout* code = codeOf(copiedCode_)) code->setCopied(false);
    copiedCode_ = {};
    viewport()->update();
}

void MessageView::mousePressEvent(QMouseEvent* event) {
    if (event->button() != Qt::LeftButton || column_.isEmpty()) return;
    pressPoint_ = event->pos();
    updateHover(event->pos());
    current_ = -1;
    if (hot_ || hotCode_.row >= 0) return;
    if (event->modifiers() & Qt::ShiftModifier) {
        selection_.extend(placeAt(event->pos()));
    } else {
        selection_.start(placeAt(event->pos()));
    }
    selecting_ = true;
    viewport()->update();
}

void MessageView::mouseMoveEvent(QMouseEvent* event) {
    if (!selecting_) {
        updateHover(event->pos());
        return;
    }
    dragPoint_ = event->pos();
    selection_.extend(placeAt(dragPoint_));
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
        selection_.clear();
    }
    updateHover(event->pos());
    if ((event->pos() - pressPoint_).manhattanLength() > QApplication::startDragDistance()) return;
    const MessageHit hit = column_.hit(hovered_, inColumn(event->pos()));
    if (hit.layout == nullptr) return;
    if (hot_) return trigger(hovered_, *hot_);
    if (codeOf(hotCode_) != nullptr) return copyCode(hotCode_);
    const QString link = hit.layout->linkAt(hit.inText);
    if (!link.isEmpty()) Q_EMIT linkActivated(link);
    viewport()->update();
}

void MessageView::mouseDoubleClickEvent(QMouseEvent* event) {
    updateHover(event->pos());
    if (event->button() != Qt::LeftButton || column_.isEmpty() || hot_ || hotCode_.row >= 0) return;
    TextPlace place = placeAt(event->pos());
    const MessageLayout& layout = column_.layoutOf(place.row);
    if (place.position.block >= layout.blockCount()) return;
    QTextBoundaryFinder finder(QTextBoundaryFinder::Word, layout.blockText(place.position.block));
    finder.setPosition(place.position.offset);
    if (!finder.isAtBoundary()) finder.toPreviousBoundary();
    const auto begin = std::max<qsizetype>(0, finder.position());
    finder.toNextBoundary();
    const auto end = std::max(begin, finder.position());
    place.position.offset = int(begin);
    selection_.start(place);
    place.position.offset = int(end);
    selection_.extend(place);
    viewport()->update();
}

void MessageView::wheelEvent(QWheelEvent* event) {
    const QPoint pixels = event->pixelDelta().isNull() ? event->angleDelta() / 2 : event->pixelDelta();
    const bool sideways =
        (event->modifiers() & Qt::ShiftModifier) || std::abs(pixels.x()) > std::abs(pixels.y());
    if (sideways) {
        const MessageHit hit = hitAt(event->position().toPoint());
        CodeLayout* code = hit.layout != nullptr ? hit.layout->codeAt(hit.inText) : nullptr;
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
        viewport()->update(rowRect(column_.count() - 1));
    } else if (event->timerId() == dragTimer_.timerId()) {
        const int beyond = dragPoint_.y() < 0 ? dragPoint_.y() : dragPoint_.y() - viewport()->height();
        verticalScrollBar()->setValue(verticalScrollBar()->value() + std::clamp(beyond, -60, 60));
        selection_.extend(placeAt(dragPoint_));
        viewport()->update();
    } else {
        QAbstractScrollArea::timerEvent(event);
    }
}

// --- keyboard ---

void MessageView::keyPressEvent(QKeyEvent* event) {
    QScrollBar* bar = verticalScrollBar();
    if (event->matches(QKeySequence::Copy)) {
        if (hasSelection()) {
            copySelection();
        } else {
            copyMessage(current_);
        }
        return;
    }
    if (event->matches(QKeySequence::SelectAll)) return selectAll();
    const int count = column_.count();
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
    if (!triggerByKey(*event)) QAbstractScrollArea::keyPressEvent(event);
}

/// A key without modifiers that stands for an action on the row that has the focus.
bool MessageView::triggerByKey(const QKeyEvent& event) {
    static constexpr std::pair<int, MessageAction> kKeys[] = {
        {Qt::Key_E, MessageAction::Edit},
        {Qt::Key_R, MessageAction::Regenerate},
        {Qt::Key_Left, MessageAction::PreviousVersion},
        {Qt::Key_Right, MessageAction::NextVersion},
    };
    if ((event.modifiers() & ~Qt::KeypadModifier) != Qt::NoModifier || !column_.has(current_)) return false;
    for (const auto& [key, action] : kKeys) {
        if (event.key() != key || !MessageDelegate::isPossible(action, rowInfo(current_))) continue;
        trigger(current_, action);
        return true;
    }
    return false;
}

void MessageView::contextMenuEvent(QContextMenuEvent* event) {
    const bool byKey = event->reason() == QContextMenuEvent::Keyboard;
    const int row = byKey ? current_ : rowAt(event->pos().y());
    if (row < 0) return;
    const MessageRow info = rowInfo(row);
    QMenu menu(this);
    const auto add = [&](const QString& text, MessageAction action) {
        QAction* entry = menu.addAction(text);
        entry->setEnabled(MessageDelegate::isPossible(action, info));
        connect(entry, &QAction::triggered, this, [this, row, action] { trigger(row, action); });
    };
    QAction* selected = menu.addAction(tr("Copy selection"));
    selected->setEnabled(hasSelection());
    connect(selected, &QAction::triggered, this, &MessageView::copySelection);
    add(tr("Copy message"), MessageAction::Copy);
    menu.addSeparator();
    if (info.message->role == app::Role::User) {
        add(tr("Edit…"), MessageAction::Edit);
    } else {
        add(tr("Another answer"), MessageAction::Regenerate);
    }
    if (info.version.count > 1) {
        add(tr("Previous version"), MessageAction::PreviousVersion);
        add(tr("Next version"), MessageAction::NextVersion);
    }
    menu.exec(byKey ? viewport()->mapToGlobal(rowRect(row).center()) : event->globalPos());
}

void MessageView::focusInEvent(QFocusEvent* event) {
    if (event->reason() == Qt::TabFocusReason || event->reason() == Qt::BacktabFocusReason) {
        if (current_ < 0) setCurrentRow(column_.count() - 1);
    }
    viewport()->update();
}

void MessageView::focusOutEvent(QFocusEvent*) {
    viewport()->update();
}

}  // namespace ui
