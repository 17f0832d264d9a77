#pragma once

#include <QHash>
#include <QObject>
#include <QString>
#include <optional>

#include "app/chat/chat_engine.h"
#include "app/chat/prompt.h"
#include "app/store/conversation_store.h"

namespace app {

class Settings;

/// Tokens that the shown path takes of the context.
struct ContextUse {
    int tokens = 0;  ///< 0: not known yet
    int limit = 0;   ///< 0: no model is loaded
    bool isFull() const { return limit > 0 && tokens >= limit; }
};

/// One open conversation: the messages on its active path as a list for a view, and what can be done with
/// them. GUI thread. Every verb returns within a millisecond.
///
/// Nothing unsaved is answered: the user's message goes to the store, and only its messageCommitted submits
/// the request. A session goes on in the background when no view shows it, and several may answer at once.
///
/// A new conversation has no row in the store until its first message.
class ChatSession : public QObject {
    Q_OBJECT
  public:
    /// Shows `conversation` of the store, or a new one when it is not there. The references outlive the
    /// session.
    ChatSession(ConversationId conversation, ConversationStore& store, ChatEngine& engine, Settings& settings,
                QObject* parent = nullptr);
    /// A reply that is being written ends as Stopped.
    ~ChatSession() override;

    const Conversation& conversation() const { return conversation_; }
    const MessageTree& tree() const { return tree_; }
    bool isNew() const { return !stored_; }  ///< nothing was sent yet

    // --- the list ---
    int messageCount() const { return static_cast<int>(tree_.path().size()); }
    const Message& messageAt(int index) const;
    int indexOf(MessageId message) const;  ///< -1: not on the shown path
    /// The message's place among its versions: `< 2/3 >` is {1, 3}.
    struct Version {
        int index = 0;
        int count = 1;
    };
    Version versionAt(int index) const;

    // --- verbs ---
    /// False (and nothing happens) when the text is blank or a reply is being written.
    bool send(const QString& text);
    void stop();  ///< ends the reply that is being written; its text so far stands
    /// Another answer to the same question, as a sibling. `index` is an answer on the path; -1: the last one.
    void regenerate(int index = -1);
    /// Another version of the user's message at `index`, which is then answered.
    void edit(int index, const QString& text);
    void selectVersion(int index, int version);
    /// Shows the path to this message, e.g. a search hit.
    void reveal(MessageId message);

    /// A view begins or ends to show this conversation (several may): what somebody looks at is more urgent.
    void setInFront(bool inFront);

    bool isBusy() const { return reply_ != 0; }  ///< a reply is waited for or being written
    /// Whether the busy reply has its first text; false: it waits for the model, its turn or the prompt.
    bool isWriting() const;
    /// Of the prompt that is being read now, 0 to 1; 1 when it is read.
    double promptProgress() const { return promptProgress_; }
    ContextUse contextUse() const { return context_; }
    /// The first message on the shown path that the model still reads, when those before it had to be left
    /// out because the context was full; -1: it reads them all.
    int firstKeptIndex() const;

    // --- settings of this conversation ---
    void rename(const QString& title);
    void setSystemPrompt(const QString& text);
    void setSampling(const std::optional<SamplingSettings>& sampling);
    void setWhenFull(std::optional<WhenFull> whenFull);
    WhenFull whenFull() const;          ///< its own, or the settings' default
    SamplingSettings sampling() const;  ///< its own, or the settings' default

  Q_SIGNALS:
    void messagesReset();
    void messagesInserted(int first, int last);
    void messagesRemoved(int first, int last);
    void messageChanged(int index);  ///< state, stats, error, versions
    /// The text of the message at `index` grew by `text` (messageAt() has it already).
    void textAppended(int index, const QString& text);
    void busyChanged();
    void promptProgressChanged();
    void contextChanged();
    void conversationChanged();  ///< title, system prompt, sampling
    /// One line for people about something that went wrong and belongs to no message.
    void notice(const QString& text);

  private:
    MessageId addQuestion(const QString& text, MessageId parent);
    void add(Message message);
    void showPath(MessageId leaf);
    Prompt promptOf(MessageId last) const;
    void saveConversation();
    void refreshContext();

    // chat_session_reply.cpp
    void connectEngine();
    int priority() const { return viewers_ > 0 ? kPriorityInFront : kPriorityBackground; }
    bool isReply(ReplyId reply) const { return reply != 0 && reply == request_; }
    void startReply(MessageId question);
    void onCommitted(MessageId message);
    void onWriteFailed(MessageId message, const QString& text);
    void onContextCut(int firstMessage, int messages, int tokensBefore, int tokensAfter);
    void onText(const QString& text, const QList<qint32>& ids);
    void onFinished(const ReplyStats& stats);
    void finish(MessageState state, const ReplyStats& stats, const QString& error);

    ConversationStore& store_;
    ChatEngine& engine_;
    Settings& settings_;
    Conversation conversation_;
    MessageTree tree_;
    bool stored_ = false;
    int viewers_ = 0;
    MessageId reply_ = 0;       ///< the message being written; 0: none
    bool committed_ = false;    ///< the reply's row, and the question before it, are on disk
    QList<MessageId> sources_;  ///< of the request's messages
    ReplyId request_ = 0;       ///< the engine's; 0: not submitted yet
    double promptProgress_ = 1;
    ContextUse context_;
    quint64 countTicket_ = 0;
};

}  // namespace app
