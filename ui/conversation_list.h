#pragma once

#include <QTimer>
#include <QWidget>

#include "ui/conversation_model.h"
#include "ui/theme.h"

class QLineEdit;
class QListView;
class QToolButton;
class QPushButton;
class QLabel;

namespace ui {

/// The sidebar: New chat, search, and the conversations by date. Says what the user wants; changes nothing
/// but what it shows.
class ConversationList : public QWidget {
    Q_OBJECT
  public:
    ConversationList(app::ConversationStore& store, const Theme& theme, QWidget* parent = nullptr);

    ConversationModel* model() const { return model_; }
    QListView* view() const { return view_; }
    QLineEdit* searchField() const { return search_; }
    void setCurrent(app::ConversationId id);
    void renameCurrent();
    void focusSearch();

  Q_SIGNALS:
    void newChatRequested();
    void collapseRequested();
    void settingsRequested();
    void opened(qint64 conversation);
    void hitOpened(qint64 conversation, qint64 message);
    void renamed(qint64 conversation, const QString& title);
    void deleteRequested(qint64 conversation);
    void exportRequested(qint64 conversation);

  protected:
    bool eventFilter(QObject* watched, QEvent* event) override;

  private:
    void open(const QModelIndex& index);
    void showMenu(const QModelIndex& index, const QPoint& global);
    void restyle();
    void showCurrent();

    const Theme& theme_;
    ConversationModel* model_;
    QListView* view_;
    QLineEdit* search_;
    QToolButton* collapse_;
    QPushButton* newChat_;
    QPushButton* settings_;
    QAction* searchIcon_;
    QLabel* nothing_;
    QTimer searchTimer_;
    app::ConversationId current_ = 0;
};

}  // namespace ui
