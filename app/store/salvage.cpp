#include "app/store/salvage.h"

#include <QDateTime>
#include <QFile>
#include <QFileInfo>
#include <QSet>

#include "app/store/rows.h"

namespace app {

QString moveAside(const QString& file) {
    const QFileInfo info(file);
    const QString stem =
        QStringLiteral("%1/%2-damaged-%3")
            .arg(info.path(), info.completeBaseName(),
                 QDateTime::currentDateTimeUtc().toString(QStringLiteral("yyyyMMdd-hhmmss")));
    QString aside = stem + QStringLiteral(".db");
    for (int n = 2; QFile::exists(aside); ++n) aside = QStringLiteral("%1-%2.db").arg(stem).arg(n);
    if (!QFile::rename(file, aside)) return {};
    // The log holds committed rows that are not in the file yet; the index of the log is rebuilt.
    QFile::rename(file + QStringLiteral("-wal"), aside + QStringLiteral("-wal"));
    QFile::remove(file + QStringLiteral("-shm"));
    return aside;
}

Salvaged salvage(const QString& damagedFile, Database& fresh) {
    Salvaged result;
    Database damaged;
    if (!damaged.open(damagedFile, Database::Access::ReadWrite)) return result;
    // Otherwise one table or index whose definition is damaged keeps all the others from being read.
    damaged.run(QStringLiteral("PRAGMA writable_schema = ON"));
    Transaction transaction(fresh);
    if (!transaction.begun()) return result;
    QSet<ConversationId> known;
    QSet<MessageId> messages;
    const QString addConversation = insertStatement(QStringLiteral("conversations"), kConversationColumns);
    const QString addMessage = insertStatement(QStringLiteral("messages"), kMessageColumns);
    forEachRow(damaged, QStringLiteral("conversations"), kConversationColumns, {}, {},
               [&](const QSqlQuery& row) {
                   const Conversation conversation = conversationFromRow(row);
                   if (fresh.run(addConversation, toRow(conversation))) known.insert(conversation.id);
               });
    forEachRow(damaged, QStringLiteral("messages"), kMessageColumns, {}, {}, [&](const QSqlQuery& row) {
        const Message message = messageFromRow(row);
        if (!known.contains(message.conversation)) {
            Conversation lost;
            lost.id = message.conversation;
            lost.title = QStringLiteral("Recovered conversation");
            lost.created = lost.updated = message.created;
            if (!fresh.run(addConversation, toRow(lost))) return;
            known.insert(lost.id);
        }
        if (fresh.run(addMessage, toRow(message))) messages.insert(message.id);
    });
    fresh.run(
        QStringLiteral("UPDATE messages SET parent = NULL WHERE parent NOT IN (SELECT id FROM messages)"));
    if (!transaction.commit()) return result;
    result.conversations = static_cast<int>(known.size());
    result.messages = static_cast<int>(messages.size());
    return result;
}

}  // namespace app
