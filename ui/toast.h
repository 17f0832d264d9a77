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
    /// @param above  a sibling; the toast floats over its bottom edge
    explicit Toast(QWidget* above);

    void say(const QString& text, const QString& actionText = {}, std::function<void()> action = {},
             std::function<void()> lapse = {});
    void lapseNow();
    QPushButton* button() const { return button_; }
    QString text() const;
    void place();

  private:
    void takeAction();

    QLabel* label_;
    QPushButton* button_;
    QTimer timer_;
    std::function<void()> action_, lapse_;
    QWidget* above_;
};

}  // namespace ui
