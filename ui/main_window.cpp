#include "ui/main_window.h"

#include <QCloseEvent>
#include <QLabel>
#include <QProgressBar>
#include <QStackedWidget>
#include <QToolButton>
#include <cmath>

#include "ui/composer.h"
#include "ui/conversation_list.h"
#include "ui/empty_state.h"
#include "ui/message_model.h"
#include "ui/message_view.h"
#include "ui/resources.h"
#include "ui/status_line.h"
#include "ui/toast.h"

namespace ui {

namespace {

constexpr int kNarrow = 720;  // below this the sidebar would leave too little for the text

}  // namespace

MainWindow::MainWindow(app::Application& application, QWidget* parent)
    : QMainWindow(parent), app_(application) {
    initTranslations();
    setObjectName(QStringLiteral("mainWindow"));
    setWindowIcon(QIcon(QStringLiteral(":/icons/alcove.svg")));
    setMinimumSize(420, 420);
    resize(1120, 780);
    build();
    makeActions();
    connectParts();
    applySettings();
    restyle();
    restoreGeometry(app_.settings().windowState(QStringLiteral("geometry")));
    sidebarWanted_ = app_.settings().windowState(QStringLiteral("sidebar")) != QByteArray("hidden");
    adaptSidebar();

    const app::ConversationId last = app_.settings().lastConversation();
    const bool known = last != 0 && app_.store().conversation(last).has_value();
    if (known) {
        openConversation(last);
    } else {
        newChat();
    }
    const QString notice = app_.store().notice();
    if (!notice.isEmpty()) toast_->say(notice);
}

MainWindow::~MainWindow() {
    toast_->lapseNow();  // a deletion that was not taken back
    leaveSession();
}

void MainWindow::applySettings() {
    switch (app_.settings().theme()) {
        case app::ThemeChoice::System:
            theme_.setScheme(ColorScheme::System);
            break;
        case app::ThemeChoice::Light:
            theme_.setScheme(ColorScheme::Light);
            break;
        case app::ThemeChoice::Dark:
            theme_.setScheme(ColorScheme::Dark);
            break;
    }
    composer_->setSendOnEnter(app_.settings().sendOnEnter());
}

void MainWindow::restyle() {
    sidebarButton_->setIcon(theme_.icon(QStringLiteral("sidebar")));
    newButton_->setIcon(theme_.icon(QStringLiteral("new-chat")));
    menuButton_->setIcon(theme_.icon(QStringLiteral("more")));
}

// --- which conversation ---

void MainWindow::leaveSession() {
    if (session_ == nullptr) return;
    if (editing_ != 0) endEdit();
    drafts_[session_->conversation().id] = composer_->text();
    app::ChatSession& left = *session_;
    disconnect(&left, nullptr, this, nullptr);
    left.setInFront(false);
    session_ = nullptr;
    model_->setSession(nullptr);
    status_->setSession(nullptr);
    if (left.isBusy()) {
        // The list goes on showing that it is being answered.
        const app::ConversationId id = left.conversation().id;
        connect(&left, &app::ChatSession::busyChanged, list_,
                [list = list_, id, session = &left] { list->model()->setBusy(id, session->isBusy()); });
    }
    app_.release(left);
}

void MainWindow::showSession(app::ChatSession& session) {
    leaveSession();
    session_ = &session;
    session.setInFront(true);
    connect(&session, &app::ChatSession::busyChanged, this, [this] {
        list_->model()->setBusy(session_->conversation().id, session_->isBusy());
        refresh();
    });
    connect(&session, &app::ChatSession::conversationChanged, this, &MainWindow::refresh);
    connect(&session, &app::ChatSession::messagesReset, this, &MainWindow::refresh);
    connect(&session, &app::ChatSession::messagesInserted, this, &MainWindow::refresh);
    connect(&session, &app::ChatSession::messagesRemoved, this, &MainWindow::refresh);
    connect(&session, &app::ChatSession::promptProgressChanged, this, &MainWindow::refreshWaiting);
    connect(&session, &app::ChatSession::notice, this, [this](const QString& text) { toast_->say(text); });
    model_->setSession(&session);
    status_->setSession(&session);
    composer_->setText(drafts_.take(session.conversation().id));
    list_->setCurrent(session.conversation().id);
    app_.settings().setLastConversation(session.isNew() ? 0 : session.conversation().id);
    refresh();
    composer_->setFocus();
}

void MainWindow::newChat() {
    if (session_ != nullptr && session_->isNew() && session_->messageCount() == 0) {
        composer_->setFocus();
        return;
    }
    showSession(app_.newSession());
}

void MainWindow::openConversation(app::ConversationId id, app::MessageId message) {
    if (session_ == nullptr || session_->conversation().id != id) showSession(app_.session(id));
    if (message == 0) return;
    session_->reveal(message);
    view_->scrollToMessage(session_->indexOf(message));
}

void MainWindow::deleteConversation(app::ConversationId id) {
    const QString title = list_->model()->title(id);
    const bool open = session_ != nullptr && session_->conversation().id == id;
    if (open) {
        session_->stop();
        showSession(app_.newSession());
    }
    // The toast before lapses first: its deletion is final before this one is offered back.
    toast_->say(
        tr("Deleted “%1”").arg(title), tr("Undo"),
        [this, id, open] {
            list_->model()->setHidden(id, false);
            if (open) openConversation(id);
        },
        [this, id] { app_.removeConversation(id); });
    list_->model()->setHidden(id, true);
}

void MainWindow::refresh() {
    if (session_ == nullptr) return;
    const bool any = session_->messageCount() > 0;
    middle_->setCurrentWidget(any ? static_cast<QWidget*>(view_) : empty_);
    composer_->setBusy(session_->isBusy());
    QStringList sent;
    for (int i = 0; i < session_->messageCount(); ++i) {
        if (session_->messageAt(i).role == app::Role::User) sent += session_->messageAt(i).text;
    }
    composer_->setHistory(sent);
    const QString title = session_->conversation().title;
    setWindowTitle(title.isEmpty() ? tr("New chat") : title);
    title_->setToolTip(title);
    showTitle();
    if (any) app_.settings().setLastConversation(session_->conversation().id);
    if (any && list_->model()->search().isEmpty()) list_->setCurrent(session_->conversation().id);
    refreshWaiting();
}

/// As much of it as there is room for.
void MainWindow::showTitle() {
    title_->setText(title_->fontMetrics().elidedText(session_->conversation().title, Qt::ElideRight,
                                                     std::max(40, title_->width())));
}

void MainWindow::refreshWaiting() {
    const app::ModelStatus& model = app_.engine().model();
    const bool loads = model.state == app::ModelState::Loading;
    loading_->setVisible(true);
    loading_->setProperty("idle", !loads);
    loading_->setValue(loads ? int(std::lround(model.progress * 1000)) : 0);
    if (session_ == nullptr) return;
    if (loads) {
        view_->setWaiting(tr("Loading %1").arg(model.name), model.progress);
    } else if (session_->promptProgress() < 1 && session_->promptProgress() > 0) {
        view_->setWaiting(tr("Reading the conversation"), session_->promptProgress());
    } else {
        view_->setWaiting(QString(), -1);
    }
}

// --- writing ---

void MainWindow::send(const QString& text) {
    if (session_ == nullptr || session_->isBusy()) return;
    if (editing_ != 0) {
        const int row = session_->indexOf(editing_);
        endEdit();
        if (row >= 0) session_->edit(row, text);
        return;
    }
    if (!session_->send(text)) return;
    composer_->clear();
    composer_->setFocus();
    view_->scrollToEnd();
}

void MainWindow::beginEdit(int row) {
    if (session_->isBusy()) return;
    if (editing_ == 0) draftBeforeEdit_ = composer_->text();
    editing_ = session_->messageAt(row).id;
    composer_->setEditing(true);
    composer_->setText(session_->messageAt(row).text);
    composer_->setFocus();
}

void MainWindow::endEdit() {
    editing_ = 0;
    composer_->setEditing(false);
    composer_->setText(std::exchange(draftBeforeEdit_, QString()));
}

// --- the window ---

void MainWindow::setSidebarVisible(bool visible) {
    sidebarWanted_ = visible;
    list_->setVisible(visible);
    sidebarButton_->setVisible(!visible);
    newButton_->setVisible(!visible);
    app_.settings().setWindowState(QStringLiteral("sidebar"),
                                   visible ? QByteArray("shown") : QByteArray("hidden"));
}

void MainWindow::adaptSidebar() {
    const bool visible = sidebarWanted_ && width() >= kNarrow;
    list_->setVisible(visible);
    sidebarButton_->setVisible(!visible);
    newButton_->setVisible(!visible);
}

void MainWindow::resizeEvent(QResizeEvent* event) {
    QMainWindow::resizeEvent(event);
    const bool crossed = (event->oldSize().width() < kNarrow) != (event->size().width() < kNarrow);
    if (crossed || !event->oldSize().isValid()) adaptSidebar();
    toast_->place();
}

bool MainWindow::eventFilter(QObject* watched, QEvent* event) {
    if (watched == title_ && event->type() == QEvent::Resize && session_ != nullptr) {
        showTitle();
    }
    if (watched == title_ && event->type() == QEvent::MouseButtonDblClick) {
        setSidebarVisible(true);
        list_->renameCurrent();
    }
    return QMainWindow::eventFilter(watched, event);
}

void MainWindow::closeEvent(QCloseEvent* event) {
    app_.settings().setWindowState(QStringLiteral("geometry"), saveGeometry());
    toast_->lapseNow();
    app_.settings().sync();
    QMainWindow::closeEvent(event);
}

}  // namespace ui
