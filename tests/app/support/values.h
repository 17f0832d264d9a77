#pragma once

#include <QDateTime>
#include <QString>

#include "app/store/conversation_store.h"

/// Short ways to make the values that tests are about.
namespace app::testing {

inline QDateTime time(qint64 millis = 1700000000000) {
    return QDateTime::fromMSecsSinceEpoch(millis, Qt::UTC);
}

inline Conversation conversation(const QString& title) {
    Conversation result;
    result.id = ConversationStore::newId();
    result.title = title;
    result.created = result.updated = time();
    return result;
}

inline Message message(ConversationId conversation, MessageId parent, Role role, const QString& text,
                       MessageState state = MessageState::Complete) {
    Message result;
    result.id = ConversationStore::newId();
    result.conversation = conversation;
    result.parent = parent;
    result.role = role;
    result.text = text;
    result.state = state;
    result.created = time();
    return result;
}

}  // namespace app::testing
