#include "ui/conversation_list.h"

#include <QAction>
#include <QHBoxLayout>
#include <QKeyEvent>
#include <QLabel>
#include <QLineEdit>
#include <QListView>
#include <QMenu>
#include <QMouseEvent>
#include <QPushButton>
#include <QToolButton>
#include <QVBoxLayout>

#include "ui/conversation_delegate.h"

namespace ui {

namespace {

constexpr int kSearchMillis = 120;

}  // namespace

ConversationList::ConversationList(app::ConversationStore& store, const Theme& theme, QWidget* parent)
    : QWidget(parent), theme_(theme) {
    setObjectName(QStringLiteral("sidebar"));
    setAttribute(Qt::WA_StyledBackground);
    setAccessibleName(tr("Conversations"));
    model_ = new ConversationModel(store, this);

    auto* name = new QLabel(QStringLiteral("Alcove"), this);
    name->setObjectName(QStringLiteral("appName"));
    collapse_ = new QToolButton(this);
    collapse_->setObjectName(QStringLiteral("iconButton"));
    collapse_->setFixedSize(32, 32);
    collapse_->setIconSize(QSize(18, 18));
    collapse_->setToolTip(tr("Hide the sidebar (Ctrl+B)"));
    collapse_->setAccessibleName(tr("Hide the sidebar"));
    auto* top = new QHBoxLayout;
    top->setContentsMargins(18, 10, 10, 6);
    top->addWidget(name, 1);
    top->addWidget(collapse_);

    newChat_ = new QPushButton(tr("New chat"), this);
    newChat_->setObjectName(QStringLiteral("sidebarButton"));
    newChat_->setToolTip(tr("New chat (Ctrl+N)"));
    newChat_->setIconSize(QSize(18, 18));
    search_ = new QLineEdit(this);
    search_->setObjectName(QStringLiteral("searchField"));
    search_->setPlaceholderText(tr("Search"));
    search_->setAccessibleName(tr("Search conversations"));
    search_->setToolTip(tr("Search all conversations (Ctrl+K)"));
    search_->setClearButtonEnabled(true);
    searchIcon_ = search_->addAction(QIcon(), QLineEdit::LeadingPosition);
    search_->installEventFilter(this);
    auto* verbs = new QVBoxLayout;
    verbs->setContentsMargins(8, 0, 8, 6);
    verbs->setSpacing(6);
    verbs->addWidget(newChat_);
    verbs->addWidget(search_);

    view_ = new QListView(this);
    view_->setObjectName(QStringLiteral("conversationList"));
    view_->setAccessibleName(tr("Conversations"));
    view_->setFrameShape(QFrame::NoFrame);
    view_->setModel(model_);
    view_->setItemDelegate(new ConversationDelegate(theme, *model_, view_));
    view_->setEditTriggers(QAbstractItemView::EditKeyPressed);
    view_->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    view_->setVerticalScrollMode(QAbstractItemView::ScrollPerPixel);
    view_->setMouseTracking(true);
    view_->setContextMenuPolicy(Qt::CustomContextMenu);
    view_->viewport()->installEventFilter(this);
    view_->installEventFilter(this);

    nothing_ = new QLabel(tr("Nothing found"), this);
    nothing_->setObjectName(QStringLiteral("secondary"));
    nothing_->setAlignment(Qt::AlignCenter);
    nothing_->hide();
    settings_ = new QPushButton(tr("Settings"), this);
    settings_->setObjectName(QStringLiteral("sidebarButton"));
    settings_->setIconSize(QSize(18, 18));
    settings_->setToolTip(tr("Settings (Ctrl+,)"));
    auto* bottom = new QVBoxLayout;
    bottom->setContentsMargins(8, 6, 8, 8);
    bottom->addWidget(settings_);

    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(0);
    column->addLayout(top);
    column->addLayout(verbs);
    column->addWidget(nothing_);
    column->addWidget(view_, 1);
    column->addLayout(bottom);

    searchTimer_.setSingleShot(true);
    searchTimer_.setInterval(kSearchMillis);
    connect(&searchTimer_, &QTimer::timeout, this, [this] { model_->setSearch(search_->text()); });
    connect(search_, &QLineEdit::textChanged, this, [this](const QString& text) {
        if (text.isEmpty()) {
            searchTimer_.stop();
            model_->setSearch(QString());
        } else if (!searchTimer_.isActive()) {
            searchTimer_.start();
        }
    });
    connect(search_, &QLineEdit::returnPressed, this, [this] {
        model_->setSearch(search_->text());
        if (!model_->search().isEmpty() && model_->rowCount() > 0) open(model_->index(0));
    });
    connect(collapse_, &QToolButton::clicked, this, &ConversationList::collapseRequested);
    connect(newChat_, &QPushButton::clicked, this, &ConversationList::newChatRequested);
    connect(settings_, &QPushButton::clicked, this, &ConversationList::settingsRequested);
    connect(model_, &ConversationModel::renamed, this, &ConversationList::renamed);
    connect(model_, &QAbstractItemModel::modelReset, this, &ConversationList::showCurrent);
    connect(view_, &QListView::activated, this, &ConversationList::open);
    connect(view_, &QListView::customContextMenuRequested, this, [this](const QPoint& point) {
        const QModelIndex index = view_->indexAt(point);
        if (index.isValid()) showMenu(index, view_->viewport()->mapToGlobal(point));
    });
    connect(&theme, &Theme::changed, this, &ConversationList::restyle);
    restyle();
}

void ConversationList::restyle() {
    collapse_->setIcon(theme_.icon(QStringLiteral("sidebar")));
    newChat_->setIcon(theme_.icon(QStringLiteral("new-chat"), Token::Text));
    settings_->setIcon(theme_.icon(QStringLiteral("settings"), Token::Text));
    searchIcon_->setIcon(theme_.icon(QStringLiteral("search"), Token::TextFaint));
    view_->viewport()->update();
}

void ConversationList::showCurrent() {
    nothing_->setVisible(!model_->search().isEmpty() && model_->rowCount() == 0);
    const int row = model_->search().isEmpty() ? model_->rowOf(current_) : -1;
    if (row < 0) {
        view_->clearSelection();
        view_->setCurrentIndex({});
    } else {
        view_->setCurrentIndex(model_->index(row));
        view_->scrollTo(model_->index(row));
    }
}

void ConversationList::setCurrent(app::ConversationId id) {
    current_ = id;
    showCurrent();
}

void ConversationList::renameCurrent() {
    search_->clear();
    const int row = model_->rowOf(current_);
    if (row >= 0) view_->edit(model_->index(row));
}

void ConversationList::focusSearch() {
    search_->setFocus(Qt::ShortcutFocusReason);
    search_->selectAll();
}

void ConversationList::open(const QModelIndex& index) {
    if (!index.isValid()) return;
    const ConversationModel::Item item = model_->item(index.row());
    if (item.kind == ConversationModel::Kind::Conversation) Q_EMIT opened(item.conversation);
    if (item.kind == ConversationModel::Kind::Hit) Q_EMIT hitOpened(item.conversation, item.hit.message);
}

void ConversationList::showMenu(const QModelIndex& index, const QPoint& global) {
    const ConversationModel::Item item = model_->item(index.row());
    if (item.kind == ConversationModel::Kind::Heading) return;
    QMenu menu(this);
    const QAction* rename = nullptr;
    if (item.kind == ConversationModel::Kind::Conversation) {
        rename = menu.addAction(theme_.icon(QStringLiteral("edit")), tr("Rename") + QStringLiteral("\tF2"));
    }
    const QAction* exported = menu.addAction(theme_.icon(QStringLiteral("copy")), tr("Export…"));
    menu.addSeparator();
    const QAction* removed = menu.addAction(theme_.icon(QStringLiteral("trash"), Token::Error),
                                            tr("Delete") + QStringLiteral("\tDel"));
    const QPersistentModelIndex kept(index);
    const QAction* chosen = menu.exec(global);
    if (chosen == nullptr) return;
    if (chosen == rename && kept.isValid()) view_->edit(kept);
    if (chosen == exported) Q_EMIT exportRequested(item.conversation);
    if (chosen == removed) Q_EMIT deleteRequested(item.conversation);
}

bool ConversationList::eventFilter(QObject* watched, QEvent* event) {
    if (watched == view_->viewport() && event->type() == QEvent::MouseButtonRelease) {
        const auto* mouse = static_cast<QMouseEvent*>(event);
        const QModelIndex index = view_->indexAt(mouse->pos());
        if (mouse->button() == Qt::LeftButton && index.isValid()) {
            const bool onMenu =
                mouse->pos().x() > view_->viewport()->width() - 8 - ConversationDelegate::kMenuRoom &&
                model_->item(index.row()).kind == ConversationModel::Kind::Conversation;
            if (onMenu) {
                showMenu(index, mouse->globalPosition().toPoint());
            } else {
                open(index);
            }
        }
    }
    if (watched == view_ && event->type() == QEvent::FocusIn) {
        const auto reason = static_cast<QFocusEvent*>(event)->reason();
        view_->setProperty("keys", reason == Qt::TabFocusReason || reason == Qt::BacktabFocusReason);
    }
    if (watched == view_ && event->type() == QEvent::KeyPress) {
        const auto* key = static_cast<QKeyEvent*>(event);
        const QModelIndex index = view_->currentIndex();
        if (key->key() == Qt::Key_Delete && index.isValid() &&
            index.data(ConversationModel::IdRole).toLongLong() != 0) {
            Q_EMIT deleteRequested(index.data(ConversationModel::IdRole).toLongLong());
            return true;
        }
        if ((key->key() == Qt::Key_Return || key->key() == Qt::Key_Enter) && index.isValid()) {
            open(index);
            return true;
        }
    }
    if (watched == search_ && event->type() == QEvent::KeyPress) {
        const auto* key = static_cast<QKeyEvent*>(event);
        if (key->key() == Qt::Key_Escape && !search_->text().isEmpty()) {
            search_->clear();
            return true;
        }
        if (key->key() == Qt::Key_Down) {
            view_->setFocus(Qt::TabFocusReason);
            if (model_->rowCount() > 0 && !view_->currentIndex().isValid()) {
                const bool heading = model_->item(0).kind == ConversationModel::Kind::Heading;
                view_->setCurrentIndex(model_->index(heading ? 1 : 0));
            }
            return true;
        }
    }
    return QWidget::eventFilter(watched, event);
}

}  // namespace ui
