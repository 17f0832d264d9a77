#include "app/chat/prompt.h"

#include <algorithm>

namespace app {
namespace {

QList<MessageId> pathTo(const MessageTree& tree, MessageId last) {
    QList<MessageId> ids;
    for (MessageId id = last; id != 0; id = tree.at(id).parent) ids.prepend(id);
    return ids;
}

}  // namespace

MessageId firstKept(const MessageTree& tree, MessageId last, const ModelStatus& model) {
    for (MessageId id = last; id != 0; id = tree.at(id).parent) {
        const ReplyStats& stats = tree.at(id).stats;
        if (stats.firstKept == 0) continue;
        if (model.contextLimit > stats.contextLimit) continue;
        const bool isOnPath = pathTo(tree, id).contains(stats.firstKept);
        if (isOnPath) return stats.firstKept;
    }
    return 0;
}

Prompt promptFor(const Conversation& conversation, const MessageTree& tree, MessageId last,
                 const ModelStatus& model) {
    Prompt prompt;
    ReplyRequest& request = prompt.request;
    request.whenFull = conversation.whenFull.value_or(WhenFull::LeaveOutOldest);
    if (!conversation.systemPrompt.trimmed().isEmpty()) {
        request.messages.append({Role::System, conversation.systemPrompt, {}});
        prompt.sources.append(0);
    }
    QList<MessageId> ids = pathTo(tree, last);
    const MessageId kept = firstKept(tree, last, model);
    if (kept != 0) ids = ids.mid(ids.indexOf(kept));
    for (const MessageId id : std::as_const(ids)) {
        const Message& message = tree.at(id);
        if (message.text.isEmpty()) continue;
        if (!request.messages.isEmpty() && request.messages.last().role == message.role) {
            PromptMessage& joined = request.messages.last();
            joined.text += QStringLiteral("\n\n") + message.text;
            joined.generated = {};
            continue;
        }
        const bool sameVocabulary =
            model.vocabularyHash != 0 && message.generated.vocabularyHash == model.vocabularyHash;
        request.messages.append(
            {message.role, message.text, sameVocabulary ? message.generated : GeneratedIds{}});
        prompt.sources.append(id);
    }
    return prompt;
}

QList<ReplyRequest> allPaths(const Conversation& conversation, const MessageTree& tree,
                             const ModelStatus& model) {
    QList<ReplyRequest> paths;
    const auto add = [&paths](ReplyRequest request) {
        if (!request.messages.isEmpty()) paths.append(std::move(request));
    };
    // Also to answers in the middle: a template may write the last answer otherwise than earlier ones.
    for (const Message& message : tree.all())
        if (message.role == Role::Assistant || tree.children(message.id).isEmpty())
            add(promptFor(conversation, tree, message.id, model).request);
    // And as they were sent under a smaller context, to an engine that was loaded with it.
    ModelStatus smaller = model;
    smaller.contextLimit = 0;
    for (const Message& message : tree.all())
        if (message.role == Role::Assistant && firstKept(tree, message.id, smaller) != 0)
            add(promptFor(conversation, tree, message.id, smaller).request);
    return paths;
}

bool isAllOf(const MessageTree& tree, const ModelStatus& model) {
    const QList<Message> messages = tree.all();
    return model.vocabularyHash != 0 && std::all_of(messages.begin(), messages.end(), [&](const Message& m) {
               return m.role != Role::Assistant || m.generated.vocabularyHash == model.vocabularyHash;
           });
}

void forgetConversation(ChatEngine& engine, const Conversation& conversation, const MessageTree& tree) {
    if (tree.isEmpty()) return;
    if (isAllOf(tree, engine.model()))
        engine.forget(allPaths(conversation, tree, engine.model()));
    else
        engine.forgetEverything();
}

}  // namespace app
