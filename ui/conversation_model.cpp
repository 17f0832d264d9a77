#include "ui/conversation_model.h"

#include <QLocale>
#include <algorithm>

namespace ui {

ConversationModel::ConversationModel(app::ConversationStore& store, QObject* parent)
    : QAbstractListModel(parent), store_(store), conversations_(store.conversations()) {
    connect(&store, &app::ConversationStore::conversationAdded, this, &ConversationModel::changed);
    connect(&store, &app::ConversationStore::conversationChanged, this, &ConversationModel::changed);
    connect(&store, &app::ConversationStore::conversationRemoved, this, [this](qint64 id) {
        conversations_.removeIf(
            [id](const app::Conversation& conversation) { return conversation.id == id; });
        hidden_.remove(id);
        busy_.remove(id);
        rebuild();
    });
    rebuild();
}

void ConversationModel::changed(const app::Conversation& conversation) {
    for (app::Conversation& known : conversations_) {
        if (known.id != conversation.id) continue;
        const bool moved = known.updated != conversation.updated || known.archived != conversation.archived ||
                           known.pinned != conversation.pinned;
        const bool renamed = known.title != conversation.title;
        known = conversation;
        if (moved) {
            rebuild();
        } else if (renamed && search_.isEmpty()) {
            const int row = rowOf(conversation.id);
            if (row < 0) return rebuild();
            items_[row].text = title(conversation.id);
            Q_EMIT dataChanged(index(row), index(row));
        }
        return;
    }
    conversations_.prepend(conversation);
    rebuild();
}

void ConversationModel::setSearch(const QString& text) {
    const QString trimmed = text.trimmed();
    if (trimmed == search_) return;
    search_ = trimmed;
    rebuild();
}

void ConversationModel::setHidden(app::ConversationId id, bool hidden) {
    if (hidden) {
        hidden_.insert(id);
    } else {
        hidden_.remove(id);
    }
    rebuild();
}

void ConversationModel::setBusy(app::ConversationId id, bool busy) {
    if (busy == busy_.contains(id)) return;
    if (busy) {
        busy_.insert(id);
    } else {
        busy_.remove(id);
    }
    const int row = rowOf(id);
    if (row >= 0) Q_EMIT dataChanged(index(row), index(row));
}

QString ConversationModel::heading(const QDate& date, const QDate& today) {
    const qint64 days = date.daysTo(today);
    if (days <= 0) return tr("Today");
    if (days == 1) return tr("Yesterday");
    if (days <= 7) return tr("Previous 7 days");
    if (days <= 30) return tr("Previous 30 days");
    return QLocale().toString(
        date, date.year() == today.year() ? QStringLiteral("MMMM") : QStringLiteral("MMMM yyyy"));
}

void ConversationModel::rebuild() {
    QList<Item> items;
    if (!search_.isEmpty()) {
        for (const app::SearchHit& hit : store_.search(search_)) {
            if (!hidden_.contains(hit.conversation))
                items.push_back({Kind::Hit, hit.title, hit.conversation, hit});
        }
    } else {
        std::stable_sort(conversations_.begin(), conversations_.end(),
                         [](const app::Conversation& a, const app::Conversation& b) {
                             return a.pinned != b.pinned ? a.pinned : a.updated > b.updated;
                         });
        const QDate today = QDate::currentDate();
        QString last;
        for (const app::Conversation& conversation : conversations_) {
            if (conversation.archived || hidden_.contains(conversation.id)) continue;
            const QString under = conversation.pinned
                                      ? tr("Pinned")
                                      : heading(conversation.updated.toLocalTime().date(), today);
            if (under != last) items.push_back({Kind::Heading, under, 0, {}});
            last = under;
            items.push_back({Kind::Conversation, title(conversation.id), conversation.id, {}});
        }
    }
    beginResetModel();
    items_ = std::move(items);
    endResetModel();
}

QString ConversationModel::title(app::ConversationId id) const {
    for (const app::Conversation& conversation : conversations_) {
        if (conversation.id == id && !conversation.title.isEmpty()) return conversation.title;
    }
    return tr("New chat");
}

int ConversationModel::rowOf(app::ConversationId id) const {
    for (int row = 0; row < items_.size(); ++row) {
        if (items_[row].kind != Kind::Heading && items_[row].conversation == id) return row;
    }
    return -1;
}

int ConversationModel::rowCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : int(items_.size());
}

QVariant ConversationModel::data(const QModelIndex& index, int role) const {
    if (!index.isValid()) return {};
    const Item& item = items_[index.row()];
    switch (role) {
        case Qt::DisplayRole:
        case Qt::EditRole:
            return item.text;
        case Qt::ToolTipRole:
            return item.kind == Kind::Heading ? QVariant() : item.text;
        case Qt::AccessibleTextRole:
            return item.kind == Kind::Hit ? item.text + QStringLiteral(": ") + item.hit.snippet : item.text;
        case KindRole:
            return int(item.kind);
        case IdRole:
            return item.conversation;
        default:
            return {};
    }
}

bool ConversationModel::setData(const QModelIndex& index, const QVariant& value, int role) {
    const QString title = value.toString().simplified();
    if (role != Qt::EditRole || !index.isValid() || title.isEmpty()) return false;
    Item& item = items_[index.row()];
    if (item.kind != Kind::Conversation) return false;
    if (title == item.text) return true;
    item.text = title;
    Q_EMIT dataChanged(index, index);
    Q_EMIT renamed(item.conversation, title);
    return true;
}

Qt::ItemFlags ConversationModel::flags(const QModelIndex& index) const {
    if (!index.isValid()) return Qt::NoItemFlags;
    switch (items_[index.row()].kind) {
        case Kind::Heading:
            return Qt::ItemNeverHasChildren;
        case Kind::Conversation:
            return Qt::ItemIsEnabled | Qt::ItemIsSelectable | Qt::ItemIsEditable;
        case Kind::Hit:
            return Qt::ItemIsEnabled | Qt::ItemIsSelectable;
    }
    return Qt::NoItemFlags;
}

}  // namespace ui
