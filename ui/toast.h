#pragma once

#include <QFrame>
#include <QTimer>
#include <functional>

class QLabel;
class QPushButton;

namespace ui {

/// A line that floats above the composer for a while, with one thing that can be done about it. When it goes
/// without being acted on, `lapse` is called; a new one makes the one before lapse at once.
class Toast : public QFrame {
    Q_OBJECT
  public:
    explicit Toast(QWidget* parent);

    void say(const QString& text, const QString& actionText = {}, std::function<void()> action = {},
             std::function<void()> lapse = {});
    void lapseNow();
    QPushButton* button() const { return button_; }
    QString text() const;
    /// Keeps it above the bottom of its parent, in the middle.
    void place(int bottom);

  private:
    void takeAction();

    QLabel* label_;
    QPushButton* button_;
    QTimer timer_;
    std::function<void()> action_, lapse_;
    int bottom_ = 0;
};

}  // namespace ui
