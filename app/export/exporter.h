#pragma once

#include <QByteArray>
#include <QList>
#include <QString>

#include "app/store/conversation.h"
#include "app/store/message_tree.h"

namespace app {

/// The shown path as Markdown: a title, then each message under its speaker. Texts stand as they are.
QString toMarkdown(const Conversation& conversation, const MessageTree& tree);

/// The whole tree with everything that is known of it, as JSON (format "alcove-conversation", version 1).
QByteArray toJson(const Conversation& conversation, const MessageTree& tree);

/// What an export holds, with fresh ids.
struct ImportedConversation {
    Conversation conversation;
    QList<Message> messages;  ///< parents before children
    QString error;            ///< one line for people when it could not be read; else empty
};

/// Reads toJson's format; exporting the result gives the same bytes again.
ImportedConversation fromJson(const QByteArray& json);

}  // namespace app
