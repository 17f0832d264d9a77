#include "ui/main_window.h"

#include <QAction>
#include <QActionGroup>
#include <QApplication>
#include <QClipboard>
#include <QCloseEvent>
#include <QDesktopServices>
#include <QFileDialog>
#include <QHBoxLayout>
#include <QLabel>
#include <QMenu>
#include <QProgressBar>
#include <QSaveFile>
#include <QStackedWidget>
#include <QToolButton>
#include <QUrl>
#include <QVBoxLayout>
#include <cmath>

#include "app/export/exporter.h"
#include "ui/composer.h"
#include "ui/conversation_list.h"
#include "ui/empty_state.h"
#include "ui/engine_panel.h"
#include "ui/message_model.h"
#include "ui/message_view.h"
#include "ui/model_picker.h"
#include "ui/resources.h"
#include "ui/settings_dialog.h"
#include "ui/shortcuts_dialog.h"
#include "ui/status_line.h"
#include "ui/toast.h"

namespace ui {

namespace {

constexpr int kSidebarWidth = 268;
constexpr int kNarrow = 720;  // below this the sidebar would leave too little for the text
constexpr int kHeader = 52;

QToolButton* iconButton(QWidget* parent, const QString& name, const QString& key) {
    auto* button = new QToolButton(parent);
    button->setObjectName(QStringLiteral("iconButton"));
    button->setFixedSize(34, 34);
    button->setIconSize(QSize(18, 18));
    button->setAccessibleName(name);
    button->setToolTip(key.isEmpty() ? name : QStringLiteral("%1 (%2)").arg(name, key));
    return button;
}

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

void MainWindow::build() {
    auto* root = new QWidget(this);
    list_ = new ConversationList(app_.store(), theme_, root);
    list_->setFixedWidth(kSidebarWidth);

    auto* content = new QWidget(root);
    content->setObjectName(QStringLiteral("content"));
    auto* header = new QWidget(content);
    header->setFixedHeight(kHeader);
    sidebarButton_ = iconButton(header, tr("Show the sidebar"), QStringLiteral("Ctrl+B"));
    newButton_ = iconButton(header, tr("New chat"), QStringLiteral("Ctrl+N"));
    title_ = new QLabel(header);
    title_->setObjectName(QStringLiteral("chatTitle"));
    title_->setMinimumWidth(40);
    title_->setTextFormat(Qt::PlainText);
    title_->installEventFilter(this);
    picker_ = new ModelPicker(app_.models(), app_.engine(), theme_, header);
    menuButton_ = iconButton(header, tr("More"), {});
    auto* headerRow = new QHBoxLayout(header);
    headerRow->setContentsMargins(12, 0, 12, 0);
    headerRow->setSpacing(4);
    headerRow->addWidget(sidebarButton_);
    headerRow->addWidget(newButton_);
    headerRow->addSpacing(6);
    headerRow->addWidget(title_, 1);
    headerRow->addWidget(picker_);
    headerRow->addWidget(menuButton_);

    loading_ = new QProgressBar(content);
    loading_->setObjectName(QStringLiteral("loadingLine"));
    loading_->setTextVisible(false);
    loading_->setRange(0, 1000);
    loading_->setFixedHeight(2);
    loading_->setAccessibleName(tr("Loading the model"));

    empty_ = new EmptyState(app_.engine(), theme_, content);
    model_ = new MessageModel(this);
    view_ = new MessageView(theme_, content);
    view_->setModel(model_);
    middle_ = new QStackedWidget(content);
    middle_->addWidget(empty_);
    middle_->addWidget(view_);

    composer_ = new Composer(theme_, content);
    composer_->setMaximumWidth(Theme::kReadingWidth + 32);
    status_ = new StatusLine(app_.engine(), theme_, content);
    status_->setMaximumWidth(Theme::kReadingWidth + 32);
    auto* foot = new QVBoxLayout;
    foot->setContentsMargins(16, 4, 16, 6);
    foot->setSpacing(4);
    // Stretches at the sides centre what has reached its greatest width.
    for (QWidget* part : {static_cast<QWidget*>(composer_), static_cast<QWidget*>(status_)}) {
        auto* row = new QHBoxLayout;
        row->addStretch(1);
        row->addWidget(part, 1000);
        row->addStretch(1);
        foot->addLayout(row);
    }

    auto* column = new QVBoxLayout(content);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(0);
    column->addWidget(header);
    column->addWidget(loading_);
    column->addWidget(middle_, 1);
    column->addLayout(foot);

    auto* row = new QHBoxLayout(root);
    row->setContentsMargins(0, 0, 0, 0);
    row->setSpacing(0);
    row->addWidget(list_);
    row->addWidget(content, 1);
    setCentralWidget(root);
    toast_ = new Toast(middle_);
    // Tab goes from the box to the messages and on to the sidebar.
    setTabOrder(composer_->edit(), composer_->sendButton());
    setTabOrder(composer_->sendButton(), view_);
}

void MainWindow::makeActions() {
    const auto key = [this](const QList<QKeySequence>& keys, auto&& verb) {
        auto* action = new QAction(this);
        action->setShortcuts(keys);
        action->setAutoRepeat(false);
        connect(action, &QAction::triggered, this, verb);
        addAction(action);
    };
    key({QKeySequence(Qt::CTRL | Qt::Key_N), QKeySequence(Qt::CTRL | Qt::SHIFT | Qt::Key_O)},
        [this] { newChat(); });
    key({QKeySequence(Qt::CTRL | Qt::Key_K)}, [this] {
        setSidebarVisible(true);
        list_->focusSearch();
    });
    key({QKeySequence(Qt::CTRL | Qt::Key_B)}, [this] { setSidebarVisible(list_->isHidden()); });
    key({QKeySequence(Qt::CTRL | Qt::Key_Comma)}, [this] { openSettings(); });
    key({QKeySequence(Qt::CTRL | Qt::Key_E)}, [this] { openEnginePanel(); });
    key({QKeySequence(Qt::CTRL | Qt::Key_Slash), QKeySequence(Qt::CTRL | Qt::SHIFT | Qt::Key_Slash)}, [this] {
        auto* dialog = new ShortcutsDialog(this);
        dialog->setAttribute(Qt::WA_DeleteOnClose);
        dialog->open();
    });
    key({QKeySequence(Qt::CTRL | Qt::Key_M)}, [this] { picker_->click(); });
    key({QKeySequence(Qt::Key_F2)}, [this] {
        setSidebarVisible(true);
        list_->renameCurrent();
    });
    key({QKeySequence(Qt::CTRL | Qt::Key_R)}, [this] {
        if (session_ != nullptr && !session_->isBusy() && session_->messageCount() > 0)
            session_->regenerate();
    });
    key({QKeySequence(Qt::CTRL | Qt::SHIFT | Qt::Key_C)}, [this] { copyLastAnswer(); });
    key({QKeySequence(Qt::CTRL | Qt::Key_Q)}, [] { QApplication::closeAllWindows(); });
    key({QKeySequence(Qt::Key_Escape)}, [this] {
        if (session_ != nullptr && session_->isBusy()) {
            session_->stop();
        } else if (editing_ != 0) {
            endEdit();
        }
        composer_->setFocus();
    });
}

void MainWindow::connectParts() {
    connect(&theme_, &Theme::changed, this, &MainWindow::restyle);
    connect(&app_.settings(), &app::Settings::changed, this, &MainWindow::applySettings);
    connect(&app_.engine(), &app::ChatEngine::modelChanged, this, &MainWindow::refreshWaiting);

    connect(list_, &ConversationList::newChatRequested, this, &MainWindow::newChat);
    connect(list_, &ConversationList::collapseRequested, this, [this] { setSidebarVisible(false); });
    connect(list_, &ConversationList::settingsRequested, this, &MainWindow::openSettings);
    connect(list_, &ConversationList::opened, this, [this](qint64 id) { openConversation(id); });
    connect(list_, &ConversationList::hitOpened, this, &MainWindow::openConversation);
    connect(list_, &ConversationList::deleteRequested, this, &MainWindow::deleteConversation);
    connect(list_, &ConversationList::exportRequested, this, &MainWindow::exportConversation);
    connect(list_, &ConversationList::renamed, this, [this](qint64 id, const QString& title) {
        if (session_ != nullptr && session_->conversation().id == id) {
            session_->rename(title);
        } else {
            app::ChatSession& other = app_.session(id);
            other.rename(title);
            app_.release(other);
        }
    });

    connect(sidebarButton_, &QToolButton::clicked, this, [this] { setSidebarVisible(true); });
    connect(newButton_, &QToolButton::clicked, this, &MainWindow::newChat);
    connect(menuButton_, &QToolButton::clicked, this, &MainWindow::openMenu);
    connect(picker_->popup(), &ModelPopup::chosen, this,
            [this](const QString& path) { app_.useModel(path); });
    connect(picker_->popup(), &ModelPopup::draftChosen, this,
            [this](const QString& path) { app_.useDraft(path); });
    connect(picker_->popup(), &ModelPopup::fileRequested, this, &MainWindow::chooseModelFile);
    connect(picker_->popup(), &ModelPopup::folderRequested, this,
            [this] { QDesktopServices::openUrl(QUrl::fromLocalFile(app_.modelsFolder())); });
    connect(empty_, &EmptyState::modelRequested, picker_, &QAbstractButton::click);
    connect(empty_, &EmptyState::suggested, this, &MainWindow::send);

    connect(composer_, &Composer::submitted, this, &MainWindow::send);
    connect(composer_, &Composer::stopRequested, this, [this] {
        if (session_ != nullptr) session_->stop();
    });
    connect(composer_, &Composer::editCancelled, this, &MainWindow::endEdit);

    connect(view_, &MessageView::editRequested, this, &MainWindow::beginEdit);
    connect(view_, &MessageView::regenerateRequested, this, [this](int row) { session_->regenerate(row); });
    connect(view_, &MessageView::versionRequested, this,
            [this](int row, int version) { session_->selectVersion(row, version); });
    connect(view_, &MessageView::linkActivated, this, &MainWindow::openLink);
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
    watched_.remove(&left);
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
    title_->setText(title_->fontMetrics().elidedText(title, Qt::ElideRight, std::max(40, title_->width())));
    if (any) app_.settings().setLastConversation(session_->conversation().id);
    if (any && list_->model()->search().isEmpty()) list_->setCurrent(session_->conversation().id);
    refreshWaiting();
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

// --- what the user wants ---

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

void MainWindow::copyLastAnswer() {
    for (int row = session_ != nullptr ? session_->messageCount() - 1 : -1; row >= 0; --row) {
        if (session_->messageAt(row).role == app::Role::Assistant) return view_->copyMessage(row);
    }
}

void MainWindow::openSettings() {
    auto* dialog = new SettingsDialog(app_.settings(), this);
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    connect(dialog, &SettingsDialog::reloadRequested, this, [this] {
        const QString path = app_.settings().modelOptions().path;
        if (!path.isEmpty()) app_.useModel(path);
    });
    dialog->open();
}

void MainWindow::openEnginePanel() {
    auto* panel = findChild<EnginePanel*>();
    if (panel == nullptr) {
        panel = new EnginePanel(app_.engine(), this);
        panel->setAttribute(Qt::WA_DeleteOnClose);
    }
    panel->show();
    panel->raise();
    panel->activateWindow();
}

/// What this chat does when it outgrows the context.
void MainWindow::addWhenFullMenu(QMenu& menu) {
    QMenu* choices = menu.addMenu(tr("When the context is full"));
    auto* group = new QActionGroup(choices);
    const auto add = [&](const QString& text, std::optional<app::WhenFull> choice) {
        QAction* action = choices->addAction(text);
        action->setCheckable(true);
        action->setChecked(session_->conversation().whenFull == choice);
        group->addAction(action);
        connect(action, &QAction::triggered, this, [this, choice] { session_->setWhenFull(choice); });
    };
    add(tr("As in the settings"), std::nullopt);
    add(tr("Leave out the oldest turns, and mark it"), app::WhenFull::LeaveOutOldest);
    add(tr("Stop and say so"), app::WhenFull::Stop);
}

void MainWindow::openMenu() {
    QMenu menu(this);
    const bool any = session_ != nullptr && session_->messageCount() > 0;
    const auto add = [&](const QString& icon, const QString& text, bool enabled, auto&& verb) {
        QAction* action = menu.addAction(theme_.icon(icon), text);
        action->setEnabled(enabled);
        connect(action, &QAction::triggered, this, verb);
    };
    add(QStringLiteral("edit"), tr("Rename") + QStringLiteral("\tF2"), any, [this] {
        setSidebarVisible(true);
        list_->renameCurrent();
    });
    add(QStringLiteral("copy"), tr("Export…"), any,
        [this] { exportConversation(session_->conversation().id); });
    add(QStringLiteral("trash"), tr("Delete"), any,
        [this] { deleteConversation(session_->conversation().id); });
    if (session_ != nullptr) addWhenFullMenu(menu);
    menu.addSeparator();
    add(QStringLiteral("chip"), tr("Engine") + QStringLiteral("\tCtrl+E"), true,
        [this] { openEnginePanel(); });
    add(QStringLiteral("settings"), tr("Settings…") + QStringLiteral("\tCtrl+,"), true,
        [this] { openSettings(); });
    add(QStringLiteral("chip"), tr("Keyboard shortcuts") + QStringLiteral("\tCtrl+/"), true, [this] {
        auto* dialog = new ShortcutsDialog(this);
        dialog->setAttribute(Qt::WA_DeleteOnClose);
        dialog->open();
    });
    menu.exec(menuButton_->mapToGlobal(
        QPoint(menuButton_->width() - menu.sizeHint().width(), menuButton_->height() + 4)));
}

void MainWindow::chooseModelFile() {
    const QString path = QFileDialog::getOpenFileName(this, tr("Open a model file"), app_.modelsFolder(),
                                                      tr("Models (*.gguf)"));
    if (!path.isEmpty()) app_.useModel(path);
}

void MainWindow::exportConversation(app::ConversationId id) {
    const QString markdown = tr("Markdown (*.md)"), json = tr("JSON with every version (*.json)");
    QString chosen = markdown;
    QString name = list_->model()->title(id);
    name.replace(QLatin1Char('/'), QLatin1Char('-'));
    QString path =
        QFileDialog::getSaveFileName(this, tr("Export the conversation"), name + QStringLiteral(".md"),
                                     markdown + QStringLiteral(";;") + json, &chosen);
    if (path.isEmpty()) return;
    const bool asJson = chosen == json || path.endsWith(QStringLiteral(".json"));
    const std::optional<app::Conversation> conversation = app_.store().conversation(id);
    if (!conversation) return;
    const app::MessageTree tree = app_.store().tree(id);
    QSaveFile file(path);
    const QByteArray bytes =
        asJson ? app::toJson(*conversation, tree) : app::toMarkdown(*conversation, tree).toUtf8();
    if (!file.open(QIODevice::WriteOnly) || file.write(bytes) != bytes.size() || !file.commit()) {
        toast_->say(tr("%1 could not be written: %2").arg(path, file.errorString()));
    }
}

/// A reply is foreign text: only what a browser or mail program opens is opened, never a file.
void MainWindow::openLink(const QString& address) {
    const QUrl url(address);
    static const QStringList kSchemes = {QStringLiteral("http"), QStringLiteral("https"),
                                         QStringLiteral("mailto")};
    if (kSchemes.contains(url.scheme().toLower())) {
        QDesktopServices::openUrl(url);
    } else {
        toast_->say(tr("Not opened: %1 is neither a web nor a mail address.").arg(address));
    }
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
        title_->setText(title_->fontMetrics().elidedText(session_->conversation().title, Qt::ElideRight,
                                                         std::max(40, title_->width())));
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
