#include "app/store/message_tree.h"

#include <QSet>
#include <algorithm>

namespace app {
namespace {

/// Whether following parents from `id` ends at a first message.
bool reachesTop(const QHash<MessageId, Message>& messages, MessageId id) {
    QSet<MessageId> seen;
    while (id != 0) {
        if (seen.contains(id)) return false;
        seen.insert(id);
        id = messages.value(id).parent;
    }
    return true;
}

}  // namespace

MessageTree::MessageTree(QList<Message> messages, MessageId activeLeaf) {
    std::sort(messages.begin(), messages.end(),
              [](const Message& a, const Message& b) { return a.id < b.id; });
    for (const Message& message : std::as_const(messages)) messages_.insert(message.id, message);
    for (Message& message : messages_)
        if (message.parent != 0 && !messages_.contains(message.parent)) message.parent = 0;
    // A ring of parents can only come from a damaged database; it is cut at its oldest message.
    for (const Message& message : std::as_const(messages))
        if (messages_[message.id].parent >= message.id && !reachesTop(messages_, message.id))
            messages_[message.id].parent = 0;
    for (const Message& message : std::as_const(messages))
        if (!reachesTop(messages_, message.id)) messages_[message.id].parent = 0;
    for (const Message& message : std::as_const(messages))
        children_[messages_[message.id].parent].append(message.id);
    if (messages.isEmpty()) return;
    setActiveLeaf(messages_.contains(activeLeaf) ? activeLeaf : messages.last().id);
}

const Message& MessageTree::at(MessageId id) const {
    const auto found = messages_.constFind(id);
    Q_ASSERT_X(found != messages_.constEnd(), "MessageTree::at", "no such message");
    return *found;
}

Message& MessageTree::at(MessageId id) {
    const auto found = messages_.find(id);
    Q_ASSERT_X(found != messages_.end(), "MessageTree::at", "no such message");
    return *found;
}

void MessageTree::add(const Message& message, bool activate) {
    Q_ASSERT(message.id != 0 && !messages_.contains(message.id));
    Q_ASSERT(message.parent == 0 || messages_.contains(message.parent));
    const MessageId id = message.id;
    QList<MessageId>& siblings = children_[message.parent];
    siblings.insert(std::upper_bound(siblings.begin(), siblings.end(), id), id);
    messages_.insert(id, message);
    if (activate) setActiveLeaf(id);
}

void MessageTree::setActiveLeaf(MessageId leaf) {
    path_.clear();
    for (MessageId id = leaf; id != 0; id = at(id).parent) path_.prepend(id);
}

const QList<MessageId>& MessageTree::children(MessageId parent) const {
    static const QList<MessageId> kNone;
    const auto found = children_.constFind(parent);
    return found == children_.constEnd() ? kNone : *found;
}

MessageId MessageTree::newestLeaf(MessageId id) const {
    while (!children(id).isEmpty()) id = children(id).last();
    return id;
}

QList<Message> MessageTree::all() const {
    QList<Message> result;
    QList<MessageId> open = children(0);
    while (!open.isEmpty()) {
        const MessageId id = open.takeFirst();
        result.append(at(id));
        open.append(children(id));
    }
    return result;
}

}  // namespace app
