#pragma once

#include <QDialog>

namespace ui {

/// Every key that does something, in one list.
class ShortcutsDialog : public QDialog {
    Q_OBJECT
  public:
    explicit ShortcutsDialog(QWidget* parent = nullptr);
};

}  // namespace ui
