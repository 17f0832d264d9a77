#pragma once

#include <QDialog>

#include "app/settings/settings.h"

class QCheckBox;
class QComboBox;
class QDoubleSpinBox;
class QPlainTextEdit;
class QSpinBox;

namespace ui {

/// The user's choices, on three pages. What is changed is kept at once; how a model is loaded takes hold when
/// the dialog closes, and only then is `reloadRequested` emitted.
class SettingsDialog : public QDialog {
    Q_OBJECT
  public:
    explicit SettingsDialog(app::Settings& settings, QWidget* parent = nullptr);

  Q_SIGNALS:
    void reloadRequested();
    void deleteAllRequested();  ///< all conversations; nobody was asked yet

  protected:
    void done(int result) override;

  private:
    QWidget* generalPage();
    QWidget* modelPage();
    QWidget* replyPage();
    void store();

    app::Settings& settings_;
    app::ModelOptions before_;
    QComboBox *theme_, *device_, *kvType_, *whenFull_;
    QCheckBox *sendOnEnter_, *diskCache_;
    QSpinBox *hostCache_, *diskSize_;
    QSpinBox *threads_, *context_, *topK_, *maxTokens_;
    QDoubleSpinBox *temperature_, *topP_, *minP_, *repeat_, *presence_;
    QPlainTextEdit* systemPrompt_;
};

}  // namespace ui
