#pragma once

#include <QFrame>
#include <QPlainTextEdit>
#include <QStringList>

#include "ui/theme.h"

class QLabel;
class QToolButton;

namespace ui {

/// The box a message is written in: grows with its text to eight lines, then scrolls.
class MessageEdit : public QPlainTextEdit {
    Q_OBJECT
  public:
    explicit MessageEdit(QWidget* parent = nullptr);
    void setSendOnEnter(bool send) { sendOnEnter_ = send; }

  Q_SIGNALS:
    void submitPressed();
    void escapePressed();
    void historyPressed(int step);  ///< -1 older, +1 newer; only where the arrow keys have nothing else to do

  protected:
    void keyPressEvent(QKeyEvent* event) override;
    void inputMethodEvent(QInputMethodEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;
    void insertFromMimeData(const QMimeData* source) override;

  private:
    void fitHeight();
    bool sendOnEnter_ = true;
    bool composing_ = false;  // an input method shows text that is not entered yet
};

/// The text box with Send, which is Stop while a reply is being written. Sends nothing by itself.
class Composer : public QFrame {
    Q_OBJECT
  public:
    explicit Composer(const Theme& theme, QWidget* parent = nullptr);

    QString text() const;
    void setText(const QString& text);
    void clear();
    void setBusy(bool busy);
    void setSendOnEnter(bool send) { edit_->setSendOnEnter(send); }
    /// What the user sent in this conversation, oldest first: Up in an empty box brings it back.
    void setHistory(const QStringList& sent);
    /// Shows that the text replaces a message; an empty text ends it.
    void setEditing(bool editing);
    bool isEditing() const { return editing_; }
    MessageEdit* edit() const { return edit_; }
    QToolButton* sendButton() const { return send_; }

  Q_SIGNALS:
    void submitted(const QString& text);
    void stopRequested();
    void editCancelled();

  protected:
    bool eventFilter(QObject* watched, QEvent* event) override;
    void mousePressEvent(QMouseEvent* event) override;

  private:
    void submit();
    void recall(int step);
    void refresh();

    const Theme& theme_;
    MessageEdit* edit_;
    QToolButton* send_;
    QFrame* editBar_;
    QLabel* editIcon_;
    QToolButton* cancelEdit_;
    QStringList history_;
    qsizetype recalled_ = -1;  // index into history_; -1: the text is the user's own
    bool busy_ = false;
    bool editing_ = false;
};

}  // namespace ui
