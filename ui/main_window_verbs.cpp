#include <QActionGroup>
#include <QDesktopServices>
#include <QFileDialog>
#include <QMenu>
#include <QMessageBox>
#include <QPushButton>
#include <QSaveFile>
#include <QToolButton>
#include <QUrl>

#include "app/export/exporter.h"
#include "ui/conversation_list.h"
#include "ui/engine_panel.h"
#include "ui/main_window.h"
#include "ui/message_view.h"
#include "ui/settings_dialog.h"
#include "ui/shortcuts_dialog.h"
#include "ui/toast.h"

/// What the menus offer: dialogs, export, links.
namespace ui {

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
    connect(dialog, &SettingsDialog::deleteAllRequested, this, &MainWindow::deleteAllConversations);
    dialog->open();
}

void MainWindow::deleteAllConversations() {
    auto* question = new QMessageBox(QMessageBox::Warning, tr("Delete all conversations"),
                                     tr("Delete all conversations?"), QMessageBox::Cancel, this);
    question->setObjectName(QStringLiteral("deleteAllQuestion"));
    question->setAttribute(Qt::WA_DeleteOnClose);
    question->setInformativeText(
        tr("They are erased for good, with everything that is kept of them in memory and on disk."));
    const QPushButton* all = question->addButton(tr("Delete all"), QMessageBox::DestructiveRole);
    question->setDefaultButton(QMessageBox::Cancel);
    connect(all, &QPushButton::clicked, this, [this] {
        toast_->lapseNow();
        app_.removeAllConversations();
        toast_->say(tr("All conversations were deleted."));
    });
    question->open();
}

void MainWindow::openShortcuts() {
    auto* dialog = new ShortcutsDialog(this);
    dialog->setAttribute(Qt::WA_DeleteOnClose);
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
    add(QStringLiteral("chip"), tr("Keyboard shortcuts") + QStringLiteral("\tCtrl+/"), true,
        [this] { openShortcuts(); });
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

}  // namespace ui
