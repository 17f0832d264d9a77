#pragma once

#include <QElapsedTimer>
#include <QTimer>
#include <functional>

#include "app/chat/chat_engine.h"

namespace app {

/// A ChatEngine that says what it was told to, at a given rate: for tests, benchmarks and pictures. A token
/// is four characters; a reply's ids number its tokens from 1.
class ScriptedEngine final : public ChatEngine {
    Q_OBJECT
  public:
    /// What to answer a request with, or how to fail.
    struct Script {
        QString text;
        QString failure;  ///< not empty: the reply fails with it after `text`
        EndReason reason = EndReason::Stop;
        int leftOut = 0;  ///< messages after the system prompt that do not fit into the context
    };
    using Writer = std::function<Script(const ReplyRequest&)>;

    explicit ScriptedEngine(QObject* parent = nullptr);

    void setWriter(Writer writer) { writer_ = std::move(writer); }
    void setText(const QString& text);
    void setTokensPerSecond(double rate) { rate_ = rate; }  ///< 0: everything at once
    /// Paused: replies start but write nothing until this is lifted.
    void setPaused(bool paused);
    void setModel(const ModelStatus& status);
    /// All that were submitted, with their latest priorities.
    const QList<ReplyRequest>& requests() const { return requests_; }
    /// What snapshot() says besides what is running; signals the change.
    void setSnapshot(const EngineSnapshot& snapshot);
    int forgottenPaths() const { return forgottenPaths_; }
    bool forgotEverything() const { return forgotEverything_; }
    int running() const { return static_cast<int>(replies_.size()); }

    ReplyId submit(const ReplyRequest& request) override;
    void cancel(ReplyId reply) override;
    void setPriority(ReplyId reply, int priority) override;
    void loadModel(const ModelOptions& options) override;
    void unloadModel() override;
    const ModelStatus& model() const override { return status_; }
    EngineSnapshot snapshot() const override;
    void forget(const QList<ReplyRequest>& paths) override {
        forgottenPaths_ += static_cast<int>(paths.size());
    }
    void forgetEverything() override { forgotEverything_ = true; }
    void shutDown() override;
    void setSavingMillis(int millis) { savingMillis_ = millis; }  ///< that shutDown takes
    quint64 countTokens(const ReplyRequest& request) override;

  private:
    struct Reply {
        ReplyId id = 0;
        Script script;
        int promptTokens = 0;
        int firstMessage = 0;   ///< of the messages left out
        qsizetype written = 0;  ///< UTF-16 units
        int tokens = 0;
        QElapsedTimer clock;
        bool started = false;
        bool cancelled = false;
    };
    void tick();
    void advance(ReplyId id);
    void write(Reply& reply, int upTo);
    void end(ReplyId id, EndReason reason, const QString& failure);
    Reply* find(ReplyId id);
    int tokensOf(const ReplyRequest& request) const;

    Writer writer_;
    double rate_ = 0;
    bool paused_ = false;
    int forgottenPaths_ = 0;
    bool forgotEverything_ = false;
    int savingMillis_ = 0;
    EngineSnapshot snapshot_;
    ModelStatus status_;
    QList<ReplyRequest> requests_;
    QList<Reply> replies_;
    ReplyId nextId_ = 1;
    quint64 nextTicket_ = 1;
    QTimer timer_;
};

}  // namespace app
