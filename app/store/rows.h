#pragma once

#include <QJsonObject>
#include <QSqlQuery>
#include <QVariantList>
#include <functional>

#include "app/store/conversation.h"
#include "app/store/database.h"

/// Values to rows and back. A column that holds nonsense reads as its default: one bad row never hides
/// others.
namespace app {

QJsonObject toJson(const SamplingSettings& sampling);
SamplingSettings samplingFromJson(const QJsonObject& json);
QJsonObject toJson(const ReplyStats& stats);
ReplyStats statsFromJson(const QJsonObject& json);

/// In the order of the names.
inline const QString kConversationColumns = QStringLiteral(
    "id, title, created, updated, model_path, system_prompt, active_leaf, pinned, archived, folder, "
    "sampling, when_full");
QVariantList toRow(const Conversation& conversation);
Conversation conversationFromRow(const QSqlQuery& row);

inline const QString kMessageColumns =
    QStringLiteral("id, conversation, parent, role, state, created, text, error, vocabulary, ids, stats");
QVariantList toRow(const Message& message);
Message messageFromRow(const QSqlQuery& row);

QByteArray packIds(const QList<qint32>& ids);  ///< little-endian, 4 bytes each
QList<qint32> unpackIds(const QByteArray& bytes);

/// "INSERT INTO table (columns) VALUES (?, …)".
QString insertStatement(const QString& table, const QString& columns);

/// Runs `SELECT columns FROM table [WHERE …] ORDER BY id` and hands out each row. Where a damaged page ends
/// the walk, the rows behind it are read from the other end. False: something could not be read.
bool forEachRow(Database& database, const QString& table, const QString& columns, const QString& where,
                const QVariantList& values, const std::function<void(const QSqlQuery&)>& visit);

}  // namespace app
