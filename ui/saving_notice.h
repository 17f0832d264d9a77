#pragma once

#include <QLabel>
#include <QTimer>

#include "app/application.h"

namespace ui {

/// A small window that says so when ending the program takes long enough for a person to wonder.
class SavingNotice : public QLabel {
    Q_OBJECT
  public:
    static constexpr int kPatienceMillis = 300;
    /// @param application  outlives the notice
    explicit SavingNotice(app::Application& application);

  private:
    QTimer timer_;
};

}  // namespace ui
