#pragma once

#include <QFrame>
#include <QPushButton>

#include "app/chat/chat_engine.h"
#include "app/models/model_library.h"
#include "ui/theme.h"

class QComboBox;
class QListWidget;
class QLabel;

namespace ui {

/// The models that were found, in a popup: what each is, how large, and why one cannot be used. For the one
/// in use, which smaller models of the same vocabulary can guess ahead for it.
class ModelPopup : public QFrame {
    Q_OBJECT
  public:
    ModelPopup(app::ModelLibrary& library, const app::ChatEngine& engine, const Theme& theme,
               QWidget* parent = nullptr);
    void openBelow(const QWidget& button);
    QListWidget* list() const { return list_; }
    QComboBox* drafts() const { return drafts_; }  ///< hidden while there is nothing to choose
    QString draftProblem() const;                  ///< what is said below them

  Q_SIGNALS:
    void chosen(const QString& path);
    void draftChosen(const QString& path);  ///< empty: none
    void fileRequested();
    void folderRequested();

  private:
    void fill();
    void fillDrafts();

    app::ModelLibrary& library_;
    const app::ChatEngine& engine_;
    const Theme& theme_;
    QListWidget* list_;
    QLabel* nothing_;
    QLabel* draftsLabel_;
    QComboBox* drafts_;
    QLabel* draftProblem_;
};

/// The button in the header: the loaded model's name, or what happens to it. Opens the popup.
class ModelPicker : public QPushButton {
    Q_OBJECT
  public:
    ModelPicker(app::ModelLibrary& library, const app::ChatEngine& engine, const Theme& theme,
                QWidget* parent = nullptr);
    ModelPopup* popup() const { return popup_; }
    QSize sizeHint() const override;
    QSize minimumSizeHint() const override { return QSize(90, 34); }

  protected:
    void paintEvent(QPaintEvent* event) override;

  private:
    QString label() const;
    void refresh();

    const app::ChatEngine& engine_;
    const Theme& theme_;
    ModelPopup* popup_;
};

/// "Q4_1 · 98 MB · 8,192 tokens · Hugging Face"
QString describeModel(const app::ModelFile& model);

}  // namespace ui
