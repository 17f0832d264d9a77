#pragma once

#include <QList>
#include <QObject>
#include <QString>

#include "app/store/conversation.h"

namespace app {

using ReplyId = quint64;  ///< 0: none

/// How urgent a reply is, as ReplyRequest::priority. A level doubles its claim to be read next.
constexpr int kPriorityInFront = 4;     ///< somebody looks at its conversation
constexpr int kPriorityBackground = 0;  ///< nobody does now

/// One message of a prompt. `generated` lets the engine reuse a reply's own ids; leave it empty unless its
/// hash is the loaded model's.
struct PromptMessage {
    Role role = Role::User;
    QString text;
    GeneratedIds generated;
};

struct ReplyRequest {
    QList<PromptMessage> messages;  ///< a system prompt, if any, first
    SamplingSettings sampling;
    WhenFull whenFull = WhenFull::Stop;
    int priority = kPriorityBackground;  ///< larger goes first
};

enum class ModelState { None, Loading, Ready, Failed };

/// How to load a model.
struct ModelOptions {
    QString path;
    QString device = QStringLiteral("best");  ///< "best", "cpu", "cuda"
    int threads = 0;                          ///< 0: one for each core
    int contextTokens = 0;                    ///< 0: what the model was made for, as far as memory goes
    QString kvType = QStringLiteral("f16");   ///< "f16", "q8_0", "q4_0"
    QString draftPath{};                      ///< a smaller model that guesses ahead; empty: none
    qint64 hostCacheBytes = qint64(1) << 30;  ///< host memory for what the device has no room for; 0: none
    bool diskCache = true;                    ///< chats stay warm across restarts; false: files are erased
    qint64 diskCacheBytes = qint64(4) << 30;  ///< bound of the files

    bool operator==(const ModelOptions&) const = default;
};

/// What is loaded, being loaded or failed to load.
struct ModelStatus {
    ModelState state = ModelState::None;
    QString path;
    QString name;
    QString architecture;
    QString device;          ///< for people, e.g. "cpu: AVX-512 VNNI, 2 threads"
    double progress = 0;     ///< of loading, 0 to 1
    QString message;         ///< what was wrong, when Failed
    int contextLimit = 0;    ///< tokens of one conversation
    int trainedContext = 0;  ///< tokens the model was made for
    bool hasChatTemplate = false;
    quint64 vocabularyHash = 0;
    QString draftPath;     ///< of the model that guesses ahead; empty: none
    QString draftProblem;  ///< why the one that was asked for does not; the model answers without it
};

/// What the engine is doing now.
struct EngineSnapshot {
    QString device;
    int running = 0;
    int waiting = 0;
    int kvBlocksUsed = 0;
    int kvBlocksCached = 0;  ///< of those used, kept for a next turn and free for the taking
    int kvBlocksTotal = 0;
    int hostBlocks = 0;  ///< evicted from the device, kept in host memory
    int diskBlocks = 0;
    qint64 hostBytes = 0;
    qint64 diskBytes = 0;
    qint64 promptTokens = 0;  ///< of all prompts so far
    qint64 cachedTokens = 0;  ///< of these, not computed again
    qint64 restoredBlocks = 0;
    qint64 evictedBlocks = 0;
    qint64 preemptions = 0;
    double queueMillis = 0;  ///< means over the last replies
    double ttftMillis = 0;
    double itlP50Millis = 0;  ///< between tokens of a reply, over the last thousand
    double itlP99Millis = 0;
    double hitRate() const {
        return promptTokens > 0 ? static_cast<double>(cachedTokens) / static_cast<double>(promptTokens) : 0;
    }
    qint64 kvBytesUsed = 0;
    qint64 kvBytesTotal = 0;
    double kvWaste = 0;  ///< share of the rows in used blocks that hold no token, 0 to 1
    qint64 weightBytes = 0;
    qint64 peakDeviceBytes = 0;
    double decodeTokensPerSecond = 0;  ///< of the last second, all replies together
    qint64 draftedTokens = 0;          ///< guessed ahead since the model was loaded
    qint64 acceptedTokens = 0;         ///< of these, right
    double speculationGain = 1;        ///< times faster than without guesses
};

/// Answers conversations with the one model that is loaded. The seam between the application and the engine:
/// EngineHost is the real one, ScriptedEngine stands in for tests and benchmarks.
///
/// Lives on the GUI thread, where all signals come; every call returns at once. A reply's signals come in
/// the order contextCut?, replyStarted?, promptProgress*, textAppended*, then exactly one of replyFinished
/// and replyFailed, never from inside submit() or cancel().
class ChatEngine : public QObject {
    Q_OBJECT
  public:
    using QObject::QObject;

    /// While a model loads, the reply waits for it. With none it fails with what to do.
    virtual ReplyId submit(const ReplyRequest& request) = 0;
    /// The reply finishes with Cancelled; unknown or ended ids are ignored.
    virtual void cancel(ReplyId reply) = 0;
    /// Changes how urgent a reply is; unknown or ended ids are ignored.
    virtual void setPriority(ReplyId reply, int priority) = 0;

    /// Replaces the model. Replies of the old one finish with Cancelled; their text so far stands.
    virtual void loadModel(const ModelOptions& options) = 0;
    virtual void unloadModel() = 0;
    virtual const ModelStatus& model() const = 0;
    virtual EngineSnapshot snapshot() const = 0;

    /// Erases what is kept of these prompts and of what came after them, wherever it is kept, as far as no
    /// other conversation shares it. With no model to tell it by, everything is erased.
    virtual void forget(const QList<ReplyRequest>& paths) = 0;
    /// Erases what is kept of every conversation, also by models that are not loaded.
    virtual void forgetEverything() = 0;

    /// The program is about to end: replies finish with Cancelled, what is kept is saved, and
    /// shutDownFinished comes. Nothing may be asked of the engine afterwards.
    virtual void shutDown() = 0;

    /// Asks how many tokens these messages are; promptCounted brings the answer, later. Returns the ticket.
    virtual quint64 countTokens(const ReplyRequest& request) = 0;

  Q_SIGNALS:
    void modelChanged();  ///< any field of model()
    void snapshotChanged();
    void replyStarted(quint64 reply, int promptTokens, int cachedTokens);
    /// Messages [firstMessage, firstMessage + messages) of the request were left out: the context was full.
    void contextCut(quint64 reply, int firstMessage, int messages, int tokensBefore, int tokensAfter);
    void promptProgress(quint64 reply, int tokensDone, int tokensTotal);
    /// New text (whole UTF-8) and the ids behind it; either may be empty while the other runs ahead.
    void textAppended(quint64 reply, const QString& text, const QList<qint32>& ids);
    void replyFinished(quint64 reply, const app::ReplyStats& stats);
    void replyFailed(quint64 reply, const QString& message);
    void promptCounted(quint64 ticket, int tokens);
    void shutDownFinished();
};

}  // namespace app
