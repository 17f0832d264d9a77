#pragma once

#include <QList>
#include <QObject>
#include <QString>
#include <memory>

#include "app/store/conversation.h"
#include "app/store/message_tree.h"

namespace app {

/// Where a search text was found.
struct SearchHit {
    ConversationId conversation = 0;
    MessageId message = 0;  ///< 0: in the title
    QString title;
    QString snippet;  ///< plain text around the hit, with "…" where it was cut
    struct Range {
        int start = 0;
        int length = 0;
    };
    QList<Range> marks;  ///< the hits inside `snippet`, in UTF-16 units
};

/// Conversations on disk: one SQLite database (WAL), private to its user.
///
/// One store thread owns the only writing connection. Writes return at once and are made in order; each is
/// one transaction, durable (fsync) when its signal comes. Reads run on the caller's thread over a
/// connection of their own and see what is committed. All signals come on the thread that the store lives
/// in (the GUI's). Call everything there, except the reads, which any thread may call.
///
/// When the program died, replies that were being written become Interrupted at the next start, with the
/// text that was flushed (at most kFlushMillis old). A damaged database is moved aside, never deleted; what
/// can be read of it is copied into a fresh one, and `notice()` says so.
class ConversationStore : public QObject {
    Q_OBJECT
  public:
    static constexpr int kFlushMillis = 200;

    /// Opens or creates `file` and brings it to the current schema; takes milliseconds. When that is
    /// impossible (a full disk, a folder that cannot be written, a database of a newer Alcove) `isOpen()` is
    /// false, `notice()` says why and what to do, and every write fails with that message.
    explicit ConversationStore(const QString& file, QObject* parent = nullptr);
    /// Commits everything that was asked for, then closes.
    ~ConversationStore() override;

    bool isOpen() const;
    QString fileName() const;
    /// One line for people about the last opening (damage, failure); empty: all is well.
    QString notice() const;
    bool hasFullTextIndex() const;  ///< false: SQLite came without FTS5 and search() reads every message

    /// For a new conversation or message: unique, growing, also across programs that write one database.
    static qint64 newId();

    // --- reads: committed state ---
    QList<Conversation> conversations() const;  ///< newest first, archived ones too
    std::optional<Conversation> conversation(ConversationId id) const;
    /// The whole conversation, with its active path.
    MessageTree tree(ConversationId id) const;
    std::optional<Message> message(MessageId id) const;
    /// Every word (the last one as a prefix) in a title or message; best first.
    QList<SearchHit> search(const QString& text, int limit = 100) const;

    // --- writes: asynchronous; the ids are the caller's, from newId() ---
    void addConversation(const Conversation& conversation);
    /// Everything but id, created and activeLeaf.
    void updateConversation(const Conversation& conversation);
    void setActiveLeaf(ConversationId conversation, MessageId leaf);
    /// The conversation and all its messages are overwritten on disk, and leave the index too.
    void remove(ConversationId conversation);
    /// Every conversation likewise.
    void removeAll();
    /// Adds a message below its parent, makes it the active leaf and touches the conversation's `updated`.
    void addMessage(const Message& message);
    /// More of a Streaming reply; on disk within kFlushMillis.
    void appendToReply(MessageId reply, const QString& text, const GeneratedIds& ids);
    /// A reply's last state: everything of `reply` but id, conversation, parent, role, created.
    void finishReply(const Message& reply);
    /// A whole conversation in one transaction, e.g. an import.
    void addTree(const Conversation& conversation, const QList<Message>& messages);

    /// Waits until everything asked for so far is committed (signals may still be on their way).
    void flush();

  Q_SIGNALS:
    void messageCommitted(qint64 message);
    /// A message could not be written; the text says what to do. `message` 0: another kind of write.
    void writeFailed(qint64 message, const QString& text);
    void conversationAdded(const app::Conversation& conversation);
    /// Title, pin, folder, time, leaf, …: as now committed.
    void conversationChanged(const app::Conversation& conversation);
    void conversationRemoved(qint64 conversation);

  private:
    class Private;
    std::unique_ptr<Private> d_;
};

}  // namespace app
