#pragma once

#include <QHash>
#include <QList>

#include "app/store/conversation.h"

namespace app {

/// The messages of one conversation and the path through them that is shown. A plain value; one thread.
///
/// Siblings are the messages with one parent, in the order of their ids, which is the order they were made
/// in. The active path runs from a first message to `activeLeaf`.
class MessageTree {
  public:
    MessageTree() = default;
    /// Messages whose parent is missing become first messages, so that a damaged row never hides others.
    /// A leaf that is not there: the newest message is taken.
    MessageTree(QList<Message> messages, MessageId activeLeaf);

    bool isEmpty() const { return messages_.isEmpty(); }
    int size() const { return static_cast<int>(messages_.size()); }
    bool contains(MessageId id) const { return messages_.contains(id); }
    const Message& at(MessageId id) const;
    Message& at(MessageId id);

    /// Adds a message; its parent must be there or 0. The active path ends at it afterwards if `activate`.
    void add(const Message& message, bool activate = true);

    /// First message to leaf.
    const QList<MessageId>& path() const { return path_; }
    MessageId activeLeaf() const { return path_.isEmpty() ? 0 : path_.last(); }
    /// Ends the path at `leaf`. It must be there; 0 empties the path.
    void setActiveLeaf(MessageId leaf);

    const QList<MessageId>& children(MessageId parent) const;  ///< of 0: the first messages
    const QList<MessageId>& siblings(MessageId id) const { return children(at(id).parent); }
    /// The newest leaf below `id`, following the newest child each time; `id` itself if it has none.
    MessageId newestLeaf(MessageId id) const;

    /// Every message, parents before children.
    QList<Message> all() const;

  private:
    QHash<MessageId, Message> messages_;
    QHash<MessageId, QList<MessageId>> children_;
    QList<MessageId> path_;
};

}  // namespace app
