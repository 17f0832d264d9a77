#pragma once

#include <QFrame>
#include <QPushButton>

#include "app/chat/chat_engine.h"
#include "app/models/model_library.h"
#include "ui/theme.h"

class QListWidget;
class QLabel;

namespace ui {

/// The models that were found, in a popup: what each is, how large, and why one cannot be used.
class ModelPopup : public QFrame {
    Q_OBJECT
  public:
    ModelPopup(app::ModelLibrary& library, const app::ChatEngine& engine, const Theme& theme,
               QWidget* parent = nullptr);
    void openBelow(const QWidget& button);
    QListWidget* list() const { return list_; }

  Q_SIGNALS:
    void chosen(const QString& path);
    void fileRequested();
    void folderRequested();

  private:
    void fill();

    app::ModelLibrary& library_;
    const app::ChatEngine& engine_;
    const Theme& theme_;
    QListWidget* list_;
    QLabel* nothing_;
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
