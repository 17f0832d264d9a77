#include <QAction>
#include <QApplication>
#include <QDesktopServices>
#include <QHBoxLayout>
#include <QLabel>
#include <QProgressBar>
#include <QStackedWidget>
#include <QToolButton>
#include <QUrl>
#include <QVBoxLayout>

#include "ui/composer.h"
#include "ui/conversation_list.h"
#include "ui/empty_state.h"
#include "ui/main_window.h"
#include "ui/message_model.h"
#include "ui/message_view.h"
#include "ui/model_picker.h"
#include "ui/status_line.h"
#include "ui/toast.h"

/// What the window is made of, its shortcuts, and which part's wish goes where.
namespace ui {

namespace {

constexpr int kSidebarWidth = 268;
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
    key({QKeySequence(Qt::CTRL | Qt::Key_Slash), QKeySequence(Qt::CTRL | Qt::SHIFT | Qt::Key_Slash)},
        [this] { openShortcuts(); });
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
    connect(&app_, &app::Application::conversationRemoved, this, [this](qint64 id) {
        if (session_ != nullptr && session_->conversation().id == id) showSession(app_.newSession());
        drafts_.remove(id);
    });

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

}  // namespace ui
