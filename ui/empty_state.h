#pragma once

#include <QWidget>

#include "app/chat/chat_engine.h"
#include "ui/theme.h"

class QLabel;
class QProgressBar;
class QPushButton;

namespace ui {

/// What stands where messages will be: a greeting and suggestions; while a model loads, its progress; without
/// one, what to do.
class EmptyState : public QWidget {
    Q_OBJECT
  public:
    EmptyState(const app::ChatEngine& engine, const Theme& theme, QWidget* parent = nullptr);

  Q_SIGNALS:
    void suggested(const QString& text);
    void modelRequested();

  private:
    void refresh();
    void restyle();

    const app::ChatEngine& engine_;
    const Theme& theme_;
    QLabel *mark_, *title_, *detail_;
    QProgressBar* progress_;
    QPushButton* choose_;
    QWidget* suggestions_;
};

}  // namespace ui
