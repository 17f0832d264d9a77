#pragma once

#include <QHash>
#include <QMainWindow>
#include <QPointer>

#include "app/application.h"
#include "ui/theme.h"

class QLabel;
class QMenu;
class QProgressBar;
class QStackedWidget;
class QToolButton;

namespace ui {

class Composer;
class ConversationList;
class EmptyState;
class MessageModel;
class MessageView;
class ModelPicker;
class StatusLine;
class Toast;

/// One window of the program: the conversations, the one that is open, and the box to write in. Holds no
/// state that matters: what was said is the store's, what was chosen the settings'.
class MainWindow : public QMainWindow {
    Q_OBJECT
  public:
    /// @param application  outlives the window
    explicit MainWindow(app::Application& application, QWidget* parent = nullptr);
    ~MainWindow() override;

    void newChat();
    /// Shows a conversation, at `message` if that is not 0.
    void openConversation(app::ConversationId id, app::MessageId message = 0);
    /// Asks before nothing: it is hidden at once, and gone for good when the offer to undo has lapsed.
    void deleteConversation(app::ConversationId id);
    /// Asks first; then all conversations, and what the engine keeps of them, are gone for good.
    void deleteAllConversations();
    void setSidebarVisible(bool visible);

    MessageView* messageView() const { return view_; }
    Composer* composer() const { return composer_; }
    ConversationList* conversations() const { return list_; }
    ModelPicker* modelPicker() const { return picker_; }
    StatusLine* statusLine() const { return status_; }
    Toast* toast() const { return toast_; }
    app::ChatSession* session() const { return session_; }
    Theme& theme() { return theme_; }

  protected:
    void closeEvent(QCloseEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;
    bool eventFilter(QObject* watched, QEvent* event) override;

  private:
    // main_window_parts.cpp
    void build();
    void makeActions();
    void connectParts();

    void applySettings();
    void restyle();
    void showSession(app::ChatSession& session);
    void leaveSession();
    void refresh();         // title, busy state, what stands in the middle
    void refreshWaiting();  // what a reply without text waits for
    void showTitle();
    void send(const QString& text);
    void beginEdit(int row);
    void endEdit();
    void adaptSidebar();

    // main_window_verbs.cpp
    void openSettings();
    void openShortcuts();
    void openEnginePanel();
    void openMenu();
    void addWhenFullMenu(QMenu& menu);
    void chooseModelFile();
    void exportConversation(app::ConversationId id);
    void openLink(const QString& address);
    void copyLastAnswer();

    app::Application& app_;
    Theme theme_;
    ConversationList* list_;
    QToolButton *sidebarButton_, *newButton_, *menuButton_;
    QLabel* title_;
    ModelPicker* picker_;
    QProgressBar* loading_;
    QStackedWidget* middle_;
    EmptyState* empty_;
    MessageView* view_;
    MessageModel* model_;
    Composer* composer_;
    StatusLine* status_;
    Toast* toast_;
    QPointer<app::ChatSession> session_;
    QHash<app::ConversationId, QString> drafts_;
    app::MessageId editing_ = 0;  // the message the composer's text replaces; 0: none
    QString draftBeforeEdit_;
    bool sidebarWanted_ = true;
};

}  // namespace ui
