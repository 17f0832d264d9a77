#include "app/store/rows.h"

#include <QJsonArray>
#include <QJsonDocument>
#include <QSet>
#include <QTimeZone>
#include <QtEndian>

namespace app {
namespace {

template <class Enum>
Enum toEnum(const QVariant& value, Enum last, Enum otherwise) {
    bool isNumber = false;
    const int number = value.toInt(&isNumber);
    return isNumber && number >= 0 && number <= static_cast<int>(last) ? static_cast<Enum>(number)
                                                                       : otherwise;
}

QDateTime toTime(const QVariant& millis) {
    return QDateTime::fromMSecsSinceEpoch(millis.toLongLong(), Qt::UTC);
}

QVariant compact(const QJsonObject& json) {
    return QString::fromUtf8(QJsonDocument(json).toJson(QJsonDocument::Compact));
}

QJsonObject parse(const QVariant& text) {
    return QJsonDocument::fromJson(text.toString().toUtf8()).object();
}

/// SQLite has signed integers only.
qint64 asSigned(quint64 value) {
    return static_cast<qint64>(value);
}

}  // namespace

QJsonObject toJson(const SamplingSettings& sampling) {
    QJsonObject json{{"temperature", sampling.temperature},
                     {"topK", sampling.topK},
                     {"topP", sampling.topP},
                     {"minP", sampling.minP},
                     {"repeatPenalty", sampling.repeatPenalty},
                     {"presencePenalty", sampling.presencePenalty},
                     {"penaltyWindow", sampling.penaltyWindow},
                     {"maxNewTokens", sampling.maxNewTokens},
                     {"stop", QJsonArray::fromStringList(sampling.stop)}};
    // As text: JSON numbers are doubles to most readers.
    if (sampling.seed) json["seed"] = QString::number(*sampling.seed);
    return json;
}

SamplingSettings samplingFromJson(const QJsonObject& json) {
    SamplingSettings sampling;
    sampling.temperature = json["temperature"].toDouble(sampling.temperature);
    sampling.topK = json["topK"].toInt(sampling.topK);
    sampling.topP = json["topP"].toDouble(sampling.topP);
    sampling.minP = json["minP"].toDouble(sampling.minP);
    sampling.repeatPenalty = json["repeatPenalty"].toDouble(sampling.repeatPenalty);
    sampling.presencePenalty = json["presencePenalty"].toDouble(sampling.presencePenalty);
    sampling.penaltyWindow = json["penaltyWindow"].toInt(sampling.penaltyWindow);
    sampling.maxNewTokens = json["maxNewTokens"].toInt(sampling.maxNewTokens);
    for (const QJsonValue stop : json["stop"].toArray()) sampling.stop.append(stop.toString());
    bool isNumber = false;
    const quint64 seed = json["seed"].toString().toULongLong(&isNumber);
    if (isNumber) sampling.seed = seed;
    return sampling;
}

QJsonObject toJson(const ReplyStats& stats) {
    QJsonObject json{{"promptTokens", stats.promptTokens},
                     {"cachedTokens", stats.cachedTokens},
                     {"newTokens", stats.newTokens},
                     {"draftedTokens", stats.draftedTokens},
                     {"acceptedTokens", stats.acceptedTokens},
                     {"speculationGain", stats.speculationGain},
                     {"contextTokens", stats.contextTokens},
                     {"contextLimit", stats.contextLimit},
                     {"queueMillis", stats.queueMillis},
                     {"ttftMillis", stats.ttftMillis},
                     {"prefillTokensPerSecond", stats.prefillTokensPerSecond},
                     {"decodeTokensPerSecond", stats.decodeTokensPerSecond},
                     {"reason", static_cast<int>(stats.reason)},
                     {"model", stats.model},
                     {"device", stats.device}};
    if (stats.firstKept != 0) {
        json["firstKept"] = QString::number(stats.firstKept);  // JSON numbers are doubles to most readers
        json["leftOut"] = stats.leftOut;
        json["leftOutTokens"] = stats.leftOutTokens;
    }
    return json;
}

ReplyStats statsFromJson(const QJsonObject& json) {
    ReplyStats stats;
    stats.promptTokens = json["promptTokens"].toInt();
    stats.cachedTokens = json["cachedTokens"].toInt();
    stats.newTokens = json["newTokens"].toInt();
    stats.draftedTokens = json["draftedTokens"].toInt();
    stats.acceptedTokens = json["acceptedTokens"].toInt();
    stats.speculationGain = json["speculationGain"].toDouble();
    stats.contextTokens = json["contextTokens"].toInt();
    stats.contextLimit = json["contextLimit"].toInt();
    stats.queueMillis = json["queueMillis"].toDouble();
    stats.ttftMillis = json["ttftMillis"].toDouble();
    stats.prefillTokensPerSecond = json["prefillTokensPerSecond"].toDouble();
    stats.decodeTokensPerSecond = json["decodeTokensPerSecond"].toDouble();
    stats.reason = toEnum(json["reason"].toVariant(), EndReason::Failed, EndReason::None);
    stats.firstKept = json["firstKept"].toString().toLongLong();
    stats.leftOut = json["leftOut"].toInt();
    stats.leftOutTokens = json["leftOutTokens"].toInt();
    stats.model = json["model"].toString();
    stats.device = json["device"].toString();
    return stats;
}

QVariantList toRow(const Conversation& conversation) {
    return {conversation.id,
            conversation.title.isNull() ? QStringLiteral("") : conversation.title,
            conversation.created.toMSecsSinceEpoch(),
            conversation.updated.toMSecsSinceEpoch(),
            conversation.modelPath.isNull() ? QStringLiteral("") : conversation.modelPath,
            conversation.systemPrompt.isNull() ? QStringLiteral("") : conversation.systemPrompt,
            conversation.activeLeaf,
            conversation.pinned ? 1 : 0,
            conversation.archived ? 1 : 0,
            conversation.folder.isNull() ? QStringLiteral("") : conversation.folder,
            conversation.sampling ? compact(toJson(*conversation.sampling))
                                  : QVariant(QMetaType(QMetaType::QString)),
            conversation.whenFull ? QVariant(static_cast<int>(*conversation.whenFull))
                                  : QVariant(QMetaType(QMetaType::Int))};
}

Conversation conversationFromRow(const QSqlQuery& row) {
    Conversation conversation;
    conversation.id = row.value(0).toLongLong();
    conversation.title = row.value(1).toString();
    conversation.created = toTime(row.value(2));
    conversation.updated = toTime(row.value(3));
    conversation.modelPath = row.value(4).toString();
    conversation.systemPrompt = row.value(5).toString();
    conversation.activeLeaf = row.value(6).toLongLong();
    conversation.pinned = row.value(7).toInt() != 0;
    conversation.archived = row.value(8).toInt() != 0;
    conversation.folder = row.value(9).toString();
    if (!row.isNull(10)) conversation.sampling = samplingFromJson(parse(row.value(10)));
    if (!row.isNull(11))
        conversation.whenFull = toEnum(row.value(11), WhenFull::LeaveOutOldest, WhenFull::LeaveOutOldest);
    return conversation;
}

QVariantList toRow(const Message& message) {
    return {message.id,
            message.conversation,
            message.parent != 0 ? QVariant(message.parent) : QVariant(QMetaType(QMetaType::LongLong)),
            static_cast<int>(message.role),
            static_cast<int>(message.state),
            message.created.toMSecsSinceEpoch(),
            message.text.isNull() ? QStringLiteral("") : message.text,
            message.error.isNull() ? QStringLiteral("") : message.error,
            asSigned(message.generated.vocabularyHash),
            packIds(message.generated.ids),
            message.role == Role::Assistant ? compact(toJson(message.stats))
                                            : QVariant(QMetaType(QMetaType::QString))};
}

Message messageFromRow(const QSqlQuery& row) {
    Message message;
    message.id = row.value(0).toLongLong();
    message.conversation = row.value(1).toLongLong();
    message.parent = row.value(2).toLongLong();
    message.role = toEnum(row.value(3), Role::Assistant, Role::User);
    message.state = toEnum(row.value(4), MessageState::Interrupted, MessageState::Interrupted);
    message.created = toTime(row.value(5));
    message.text = row.value(6).toString();
    message.error = row.value(7).toString();
    message.generated = {static_cast<quint64>(row.value(8).toLongLong()),
                         unpackIds(row.value(9).toByteArray())};
    if (!row.isNull(10)) message.stats = statsFromJson(parse(row.value(10)));
    return message;
}

QByteArray packIds(const QList<qint32>& ids) {
    QByteArray bytes(ids.size() * 4, Qt::Uninitialized);
    for (qsizetype i = 0; i < ids.size(); ++i) qToLittleEndian(ids[i], bytes.data() + i * 4);
    return bytes;
}

QList<qint32> unpackIds(const QByteArray& bytes) {
    QList<qint32> ids(bytes.size() / 4);
    for (qsizetype i = 0; i < ids.size(); ++i) ids[i] = qFromLittleEndian<qint32>(bytes.constData() + i * 4);
    return ids;
}

QString insertStatement(const QString& table, const QString& columns) {
    QStringList marks;
    for (qsizetype i = columns.count(',') + 1; i > 0; --i) marks.append(QStringLiteral("?"));
    return QStringLiteral("INSERT INTO %1 (%2) VALUES (%3)").arg(table, columns, marks.join(','));
}

bool forEachRow(Database& database, const QString& table, const QString& columns, const QString& where,
                const QVariantList& values, const std::function<void(const QSqlQuery&)>& visit) {
    QSet<qint64> seen;
    const auto walk = [&](const QString& order) {
        QSqlQuery rows = database.query(
            QStringLiteral("SELECT %1 FROM %2 %3 ORDER BY id %4").arg(columns, table, where, order), values);
        while (rows.isActive() && rows.next()) {
            const qint64 id = rows.value(0).toLongLong();
            if (seen.contains(id)) return false;
            seen.insert(id);
            visit(rows);
        }
        return rows.isActive() && !rows.lastError().isValid();
    };
    if (walk(QStringLiteral("ASC"))) return true;
    walk(QStringLiteral("DESC"));
    return false;
}

}  // namespace app
