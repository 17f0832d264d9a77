#pragma once

#include <QAbstractScrollArea>
#include <QBasicTimer>
#include <QElapsedTimer>
#include <QTimer>
#include <optional>

#include "ui/message_column.h"
#include "ui/message_selection.h"

class QToolButton;

namespace ui {

/// Shows the messages of a model as a column that scrolls. Lays out what is in sight only; keeps the layouts
/// of a few rows around it. While text streams in it repaints at most once a frame, and follows the end only
/// as long as the reader is there. Text can be selected across messages. Where the messages stand is the
/// column's matter; what mouse and keyboard do is in message_view_input.cpp. GUI thread.
class MessageView : public QAbstractScrollArea {
    Q_OBJECT
  public:
    explicit MessageView(const Theme& theme, QWidget* parent = nullptr);
    ~MessageView() override;

    void setModel(MessageModel* model);
    MessageModel* model() const { return model_; }

    /// What a reply without text is waiting for, e.g. a model that loads; progress < 0: unknown.
    void setWaiting(const QString& text, double progress);

    bool isAtEnd() const { return following_; }
    void scrollToEnd();
    void scrollToMessage(int row);

    bool hasSelection() const { return !selection_.isEmpty(); }
    QString selectedText() const;
    void selectAll();
    void copySelection() const;
    void copyMessage(int row);
    int currentRow() const { return current_; }
    void setCurrentRow(int row);

    QRect rowRect(int row) const;  ///< in the viewport's coordinates
    int rowAt(int y) const;        ///< of a viewport coordinate; -1: none
    QRect actionRect(int row, MessageAction action);
    bool isSettled() const { return !flushTimer_.isActive(); }  ///< shows everything the model has
    int paintCount() const { return paints_; }                  ///< of the viewport, for tests
    int laidOutRows() const { return column_.laidOutRows(); }   ///< how many rows hold a layout now

  Q_SIGNALS:
    void editRequested(int row);
    void regenerateRequested(int row);
    void versionRequested(int row, int version);
    void linkActivated(const QString& address);
    void atEndChanged(bool atEnd);

  protected:
    void paintEvent(QPaintEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;
    void scrollContentsBy(int dx, int dy) override;
    void mousePressEvent(QMouseEvent* event) override;
    void mouseMoveEvent(QMouseEvent* event) override;
    void mouseReleaseEvent(QMouseEvent* event) override;
    void mouseDoubleClickEvent(QMouseEvent* event) override;
    void wheelEvent(QWheelEvent* event) override;
    void keyPressEvent(QKeyEvent* event) override;
    void contextMenuEvent(QContextMenuEvent* event) override;
    void timerEvent(QTimerEvent* event) override;
    bool viewportEvent(QEvent* event) override;
    void focusInEvent(QFocusEvent* event) override;
    void focusOutEvent(QFocusEvent* event) override;

  private:
    /// A code block; layouts come and go while text streams, so it is named, not pointed to.
    struct CodePlace {
        int row = -1;
        int block = -1;
        bool operator==(const CodePlace&) const = default;
    };

    void reset();
    void rowsInserted(int first, int last);
    void rowsRemoved(int first, int last);
    void textGrown(int row, const QString& text);
    void rowChanged(int row);
    void restyle();
    void scheduleFlush();
    void flush();
    MessageRow rowInfo(int row) const;
    MessageColumn::Anchor anchor() const;
    void arrange(const MessageColumn::Anchor& kept);
    void setFollowing(bool following);
    void placeJumpButton();
    void paintFades(QPainter& painter) const;

    // message_view_input.cpp
    void updateHover(QPoint point);
    void trigger(int row, MessageAction action);
    bool triggerByKey(const QKeyEvent& event);
    void copyCode(CodePlace place);
    void forgetCopied();
    QPointF inColumn(QPoint point) const;
    MessageHit hitAt(QPoint point) const;
    TextPlace placeAt(QPoint point) const;
    CodeLayout* codeOf(CodePlace place) const;

    const Theme& theme_;
    MessageDelegate delegate_;
    MessageModel* model_ = nullptr;
    mutable MessageColumn column_;  // lays out what is asked for
    bool following_ = true;
    bool arranging_ = false;
    QTimer flushTimer_;
    QBasicTimer waitingTimer_, dragTimer_;
    QElapsedTimer clock_;
    QString waiting_;
    double waitingProgress_ = -1;

    MessageSelection selection_;
    bool selecting_ = false;
    QPoint pressPoint_, dragPoint_;
    int hovered_ = -1;
    std::optional<MessageAction> hot_;
    CodePlace hotCode_;  // under the mouse, on its copy button
    int current_ = -1;
    int copiedRow_ = -1;
    CodePlace copiedCode_;
    QTimer copiedTimer_;
    QToolButton* jump_;
    int paints_ = 0;
};

}  // namespace ui
