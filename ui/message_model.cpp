#include "ui/message_model.h"

namespace ui {

void MessageModel::setSession(app::ChatSession* session) {
    if (session_ != nullptr) session_->disconnect(this);
    beginResetModel();
    session_ = session;
    count_ = session != nullptr ? session->messageCount() : 0;
    endResetModel();
    if (session == nullptr) return;

    connect(session, &app::ChatSession::messagesReset, this, [this] {
        beginResetModel();
        count_ = session_->messageCount();
        endResetModel();
    });
    connect(session, &app::ChatSession::messagesInserted, this, [this](int first, int last) {
        beginInsertRows({}, first, last);
        count_ = session_->messageCount();
        endInsertRows();
    });
    connect(session, &app::ChatSession::messagesRemoved, this, [this](int first, int last) {
        beginRemoveRows({}, first, last);
        count_ = session_->messageCount();
        endRemoveRows();
    });
    connect(session, &app::ChatSession::messageChanged, this,
            [this](int row) { Q_EMIT dataChanged(index(row), index(row)); });
    connect(session, &app::ChatSession::textAppended, this, &MessageModel::textGrown);
    connect(session, &app::ChatSession::promptProgressChanged, this, &MessageModel::progressChanged);
    connect(session, &QObject::destroyed, this, [this] {
        beginResetModel();
        count_ = 0;
        endResetModel();
    });
}

int MessageModel::rowCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : count_;
}

QVariant MessageModel::data(const QModelIndex& index, int role) const {
    if (session_ == nullptr || !index.isValid() || index.row() >= session_->messageCount()) return {};
    const app::Message& message = session_->messageAt(index.row());
    switch (role) {
        case Qt::DisplayRole:
            return message.text;
        case SpeakerRole:
            return speaker(index.row());
        case StateRole:
            return int(message.state);
        case ErrorRole:
            return message.error;
        case VersionRole:
            return version(index.row()).index;
        case VersionCountRole:
            return version(index.row()).count;
        default:
            return {};
    }
}

QString MessageModel::speaker(int row) const {
    const app::Message& sent = message(row);
    if (sent.role == app::Role::User) return tr("You");
    return sent.stats.model.isEmpty() ? tr("Assistant") : sent.stats.model;
}

}  // namespace ui
