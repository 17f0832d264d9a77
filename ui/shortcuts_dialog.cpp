#include "ui/shortcuts_dialog.h"

#include <QDialogButtonBox>
#include <QGridLayout>
#include <QLabel>
#include <QVBoxLayout>

namespace ui {

ShortcutsDialog::ShortcutsDialog(QWidget* parent) : QDialog(parent) {
    setWindowTitle(tr("Keyboard shortcuts"));
    auto* title = new QLabel(windowTitle(), this);
    title->setObjectName(QStringLiteral("dialogTitle"));
    auto* grid = new QGridLayout;
    grid->setHorizontalSpacing(32);
    grid->setVerticalSpacing(9);
    const std::pair<QString, QString> keys[] = {
        {tr("New chat"), QStringLiteral("Ctrl+N")},
        {tr("Search all conversations"), QStringLiteral("Ctrl+K")},
        {tr("Show or hide the sidebar"), QStringLiteral("Ctrl+B")},
        {tr("Choose a model"), QStringLiteral("Ctrl+M")},
        {tr("Rename this conversation"), QStringLiteral("F2")},
        {tr("Send"), tr("Enter")},
        {tr("New line"), tr("Shift+Enter")},
        {tr("Bring back what you sent"), tr("Up, in an empty box")},
        {tr("Stop the answer"), tr("Esc")},
        {tr("Another answer"), QStringLiteral("Ctrl+R")},
        {tr("Copy the last answer"), QStringLiteral("Ctrl+Shift+C")},
        {tr("From message to message"), tr("Ctrl+Up, Ctrl+Down")},
        {tr("Edit or regenerate the marked message"), QStringLiteral("E, R")},
        {tr("Settings"), QStringLiteral("Ctrl+,")},
        {tr("Engine"), QStringLiteral("Ctrl+E")},
        {tr("This list"), QStringLiteral("Ctrl+/")},
        {tr("Quit"), QStringLiteral("Ctrl+Q")}};
    int row = 0;
    for (const auto& [what, key] : keys) {
        auto* label = new QLabel(what, this);
        auto* cap = new QLabel(key, this);
        cap->setObjectName(QStringLiteral("keyCap"));
        grid->addWidget(label, row, 0);
        grid->addWidget(cap, row++, 1, Qt::AlignRight);
    }
    auto* buttons = new QDialogButtonBox(QDialogButtonBox::Close, this);
    connect(buttons, &QDialogButtonBox::rejected, this, &QDialog::reject);
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(24, 20, 24, 20);
    column->setSpacing(16);
    column->addWidget(title);
    column->addLayout(grid);
    column->addWidget(buttons);
    setMinimumWidth(420);
}

}  // namespace ui
