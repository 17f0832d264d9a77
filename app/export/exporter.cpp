#include "app/export/exporter.h"

#include <QHash>
#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>
#include <algorithm>

#include "app/store/conversation_store.h"
#include "app/store/rows.h"

namespace app {
namespace {

const QString kFormat = QStringLiteral("alcove-conversation");
constexpr int kVersion = 1;
const QStringList kRoles = {QStringLiteral("system"), QStringLiteral("user"), QStringLiteral("assistant")};
const QStringList kStates = {QStringLiteral("complete"), QStringLiteral("streaming"),
                             QStringLiteral("stopped"), QStringLiteral("failed"),
                             QStringLiteral("interrupted")};

QString toText(const QDateTime& time) {
    return time.toUTC().toString(Qt::ISODateWithMs);
}

QDateTime toTime(const QJsonValue& text) {
    const QDateTime time = QDateTime::fromString(text.toString(), Qt::ISODateWithMs);
    return time.isValid() ? time.toUTC() : QDateTime::fromMSecsSinceEpoch(0, Qt::UTC);
}

QJsonObject toJson(const Message& message, const QHash<MessageId, int>& numbers) {
    QJsonObject json{{"id", numbers.value(message.id)},
                     {"parent", numbers.value(message.parent, 0)},
                     {"role", kRoles[static_cast<int>(message.role)]},
                     {"state", kStates[static_cast<int>(message.state)]},
                     {"created", toText(message.created)},
                     {"text", message.text}};
    if (!message.error.isEmpty()) json["error"] = message.error;
    if (!message.generated.ids.isEmpty()) {
        QJsonArray ids;
        for (const qint32 id : message.generated.ids) ids.append(id);
        json["generated"] =
            QJsonObject{{"vocabulary", QString::number(message.generated.vocabularyHash, 16)}, {"ids", ids}};
    }
    ReplyStats stats = message.stats;
    stats.firstKept = numbers.value(stats.firstKept, 0);
    if (stats != ReplyStats{}) json["stats"] = toJson(stats);
    return json;
}

Message messageFrom(const QJsonObject& json) {
    Message message;
    message.role = static_cast<Role>(std::max<qsizetype>(0, kRoles.indexOf(json["role"].toString())));
    message.state =
        static_cast<MessageState>(std::max<qsizetype>(0, kStates.indexOf(json["state"].toString())));
    // Nobody will write on in an imported reply.
    if (message.state == MessageState::Streaming) message.state = MessageState::Interrupted;
    message.created = toTime(json["created"]);
    message.text = json["text"].toString();
    message.error = json["error"].toString();
    const QJsonObject generated = json["generated"].toObject();
    message.generated.vocabularyHash = generated["vocabulary"].toString().toULongLong(nullptr, 16);
    for (const QJsonValue id : generated["ids"].toArray()) message.generated.ids.append(id.toInt());
    if (json.contains("stats")) message.stats = statsFromJson(json["stats"].toObject());
    return message;
}

ImportedConversation refuse(const QString& reason) {
    ImportedConversation result;
    result.error = reason;
    return result;
}

/// A text that stands in a heading line.
QString oneLine(const QString& text) {
    return text.simplified();
}

QString speaker(const Message& message) {
    if (message.role == Role::User) return QStringLiteral("You");
    if (message.role == Role::System) return QStringLiteral("System");
    return message.stats.model.isEmpty() ? QStringLiteral("Assistant") : message.stats.model;
}

}  // namespace

QString toMarkdown(const Conversation& conversation, const MessageTree& tree) {
    QString text = "# " + oneLine(conversation.title) + "\n";
    if (!conversation.systemPrompt.isEmpty()) text += "\n## System\n\n" + conversation.systemPrompt + "\n";
    for (const MessageId id : tree.path()) {
        const Message& message = tree.at(id);
        text += "\n## " + oneLine(speaker(message)) + "\n\n" + message.text + "\n";
        if (!message.error.isEmpty()) text += "\n> " + oneLine(message.error) + "\n";
    }
    return text;
}

QByteArray toJson(const Conversation& conversation, const MessageTree& tree) {
    // Small numbers in place of ids: they name the messages inside this file only. In the order of the ids,
    // so that siblings keep theirs.
    QList<Message> messages = tree.all();
    std::sort(messages.begin(), messages.end(),
              [](const Message& a, const Message& b) { return a.id < b.id; });
    QHash<MessageId, int> numbers;
    for (const Message& message : std::as_const(messages))
        numbers.insert(message.id, static_cast<int>(numbers.size()) + 1);
    QJsonArray list;
    for (const Message& message : std::as_const(messages)) list.append(toJson(message, numbers));
    QJsonObject json{{"format", kFormat},
                     {"version", kVersion},
                     {"title", conversation.title},
                     {"created", toText(conversation.created)},
                     {"updated", toText(conversation.updated)},
                     {"model", conversation.modelPath},
                     {"systemPrompt", conversation.systemPrompt},
                     {"pinned", conversation.pinned},
                     {"archived", conversation.archived},
                     {"folder", conversation.folder},
                     {"active", numbers.value(tree.activeLeaf(), 0)},
                     {"messages", list}};
    if (conversation.whenFull) json["whenFull"] = static_cast<int>(*conversation.whenFull);
    if (conversation.sampling) json["sampling"] = toJson(*conversation.sampling);
    return QJsonDocument(json).toJson();
}

ImportedConversation fromJson(const QByteArray& bytes) {
    QJsonParseError problem;
    const QJsonDocument document = QJsonDocument::fromJson(bytes, &problem);
    if (document.isNull())
        return refuse(
            QStringLiteral("not JSON: %1 at byte %2").arg(problem.errorString()).arg(problem.offset));
    if (document["format"].toString() != kFormat)
        return refuse(QStringLiteral("not a conversation that Alcove exported (its \"format\" is \"%1\")")
                          .arg(document["format"].toString()));
    if (document["version"].toInt() != kVersion)
        return refuse(QStringLiteral("version %1 of the format; this Alcove reads version %2, so update it")
                          .arg(document["version"].toInt())
                          .arg(kVersion));
    ImportedConversation result;
    Conversation& conversation = result.conversation;
    conversation.id = ConversationStore::newId();
    conversation.title = document["title"].toString();
    conversation.created = toTime(document["created"]);
    conversation.updated = toTime(document["updated"]);
    conversation.modelPath = document["model"].toString();
    conversation.systemPrompt = document["systemPrompt"].toString();
    conversation.pinned = document["pinned"].toBool();
    conversation.archived = document["archived"].toBool();
    conversation.folder = document["folder"].toString();
    if (document["sampling"].isObject())
        conversation.sampling = samplingFromJson(document["sampling"].toObject());

    if (document["whenFull"].isDouble())
        conversation.whenFull = document["whenFull"].toInt() == 0 ? WhenFull::Stop : WhenFull::LeaveOutOldest;

    QHash<int, MessageId> ids;
    for (const QJsonValue value : document["messages"].toArray()) {
        Message message = messageFrom(value.toObject());
        const int number = value["id"].toInt();
        const int parent = value["parent"].toInt();
        if (number <= 0 || ids.contains(number) || (parent != 0 && !ids.contains(parent)))
            return refuse(QStringLiteral("message %1 has the parent %2, which does not come before it")
                              .arg(number)
                              .arg(parent));
        message.id = ConversationStore::newId();
        message.conversation = conversation.id;
        message.parent = ids.value(parent, 0);
        message.stats.firstKept = ids.value(static_cast<int>(message.stats.firstKept), 0);
        ids.insert(number, message.id);
        result.messages.append(message);
    }
    conversation.activeLeaf = ids.value(document["active"].toInt(), 0);
    return result;
}

}  // namespace app
