#pragma once

#include <QDateTime>
#include <QList>
#include <QMetaType>
#include <QString>
#include <QStringList>
#include <optional>

/// What a chat application is without a window. Plain values; nothing of the engine shows here.
namespace app {

/// Given out by ConversationStore::newId(), growing with time; 0: none.
using ConversationId = qint64;
using MessageId = qint64;

enum class Role { System, User, Assistant };

/// Where a message is in its life. Everything but Streaming is final.
enum class MessageState {
    Complete,
    Streaming,    ///< a reply that is being written
    Stopped,      ///< the user stopped it, or the model was switched: the text so far stands
    Failed,       ///< `error` says why; the text so far stands
    Interrupted,  ///< the program ended while it was being written: the text that was flushed stands
};

/// Why a reply ended.
enum class EndReason {
    None,    ///< not yet
    Stop,    ///< the model ended its turn, or a stop string came
    Length,  ///< the token limit or the end of the context was reached
    Cancelled,
    Failed,
};

/// What to do when a conversation no longer fits into the context. Never silent: either it is said and
/// nothing is answered, or the oldest whole turns are left out of the prompt, which is stored with the answer
/// and marked in the conversation.
enum class WhenFull { Stop, LeaveOutOldest };

/// How replies are drawn. The defaults suit a chat; a conversation may have its own.
struct SamplingSettings {
    double temperature = 0.7;  ///< 0: always the likeliest token
    int topK = 40;             ///< 0: no limit
    double topP = 0.95;
    double minP = 0.05;
    double repeatPenalty = 1.0;
    double presencePenalty = 0.0;
    int penaltyWindow = 64;       ///< tokens looked back; -1: all
    std::optional<quint64> seed;  ///< nothing: another one for each reply
    int maxNewTokens = -1;        ///< -1: to the end of the context
    QStringList stop;             ///< the reply ends before the first of these

    bool operator==(const SamplingSettings&) const = default;
};

/// What a reply cost, kept with it. Zero where unknown.
struct ReplyStats {
    int promptTokens = 0;
    int cachedTokens = 0;  ///< of the prompt, found in a cache
    int newTokens = 0;
    int draftedTokens = 0;
    int acceptedTokens = 0;
    double speculationGain = 0;  ///< times faster than without drafts
    int contextTokens = 0;       ///< of the conversation at the reply's end
    int contextLimit = 0;
    double queueMillis = 0;
    double ttftMillis = 0;  ///< from submit to the first token
    double prefillTokensPerSecond = 0;
    double decodeTokensPerSecond = 0;
    EndReason reason = EndReason::None;
    /// When the context was full: the message that the prompt began with, after the system prompt; those
    /// before it were left out, `leftOut` of them with `leftOutTokens` tokens. 0: none were.
    MessageId firstKept = 0;
    int leftOut = 0;
    int leftOutTokens = 0;
    QString model;
    QString device;

    bool operator==(const ReplyStats&) const = default;
};

/// The token ids behind a reply's text. They mean something to models with the same vocabulary only.
struct GeneratedIds {
    quint64 vocabularyHash = 0;
    QList<qint32> ids;

    bool operator==(const GeneratedIds&) const = default;
};

/// One message of a conversation's tree. Once it is final its text never changes: editing and regenerating
/// add siblings.
struct Message {
    MessageId id = 0;
    ConversationId conversation = 0;
    MessageId parent = 0;  ///< 0: the first message of a conversation (there may be several, as siblings)
    Role role = Role::User;
    MessageState state = MessageState::Complete;
    QString text;
    QDateTime created;  ///< UTC, to the millisecond
    GeneratedIds generated;
    ReplyStats stats;
    QString error;  ///< one line for people: why it failed, or what to know about how it ended

    bool operator==(const Message&) const = default;
};

/// A conversation without its messages.
struct Conversation {
    ConversationId id = 0;
    QString title;  ///< empty until the first message
    QDateTime created;
    QDateTime updated;         ///< when a message was last added
    QString modelPath;         ///< the model last used; empty: the default one
    QString systemPrompt;      ///< empty: none
    MessageId activeLeaf = 0;  ///< the end of the path that is shown; 0: no message yet
    bool pinned = false;
    bool archived = false;
    QString folder;  ///< empty: none
    /// Nothing: Settings::sampling().
    std::optional<SamplingSettings> sampling;
    std::optional<WhenFull> whenFull;  ///< nothing: Settings::whenFull()

    bool operator==(const Conversation&) const = default;
};

}  // namespace app

Q_DECLARE_METATYPE(app::Conversation)
Q_DECLARE_METATYPE(app::Message)
