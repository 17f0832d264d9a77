#pragma once

#include <QTimer>
#include <QWidget>

#include "app/chat/chat_engine.h"
#include "app/chat/chat_session.h"
#include "ui/theme.h"

class QLabel;

namespace ui {

/// How full the context is: a short bar with its figures beside it.
class ContextMeter : public QWidget {
    Q_OBJECT
  public:
    explicit ContextMeter(const Theme& theme, QWidget* parent = nullptr);
    void setUse(const app::ContextUse& use);
    QString text() const;
    QSize sizeHint() const override;

  protected:
    void paintEvent(QPaintEvent* event) override;

  private:
    const Theme& theme_;
    app::ContextUse use_;
};

/// The line under the composer: device, speed, time to first token, KV memory, context.
class StatusLine : public QWidget {
    Q_OBJECT
  public:
    StatusLine(const app::ChatEngine& engine, const Theme& theme, QWidget* parent = nullptr);
    void setSession(const app::ChatSession* session);
    /// Soon, and not more often than a person can read.
    void refresh();
    ContextMeter* meter() const { return meter_; }
    QString figures() const;
    QString guesses() const;

  protected:
    void resizeEvent(QResizeEvent* event) override;

  private:
    void showNow();

    QTimer timer_;
    const app::ChatEngine& engine_;
    const app::ChatSession* session_ = nullptr;
    QLabel* device_;
    QLabel* figures_;
    ContextMeter* meter_;
};

}  // namespace ui
