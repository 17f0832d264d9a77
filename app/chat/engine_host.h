#pragma once

#include <QHash>
#include <QThreadPool>
#include <QTimer>
#include <atomic>
#include <memory>

#include "app/chat/chat_engine.h"

namespace app {

/// The ChatEngine over engine::Engine, whose thread it only ever hands values to.
///
/// Models load and go away on a worker thread, one after another. The engine says once that events are
/// waiting; one queued call then takes them all and joins the text of each reply into one textAppended.
/// A model or a device that fails is a message; the program lives on.
class EngineHost final : public ChatEngine {
    Q_OBJECT
  public:
    explicit EngineHost(QObject* parent = nullptr);
    ~EngineHost() override;

    ReplyId submit(const ReplyRequest& request) override;
    void cancel(ReplyId reply) override;
    void setPriority(ReplyId reply, int priority) override;
    void loadModel(const ModelOptions& options) override;
    void unloadModel() override;
    const ModelStatus& model() const override { return status_; }
    EngineSnapshot snapshot() const override;
    void forget(const QList<ReplyRequest>& paths) override;
    void forgetEverything() override;
    void shutDown() override;
    quint64 countTokens(const ReplyRequest& request) override;

    /// Where models that are loaded from now on keep their prefix cache; empty (the default): nowhere.
    void setCacheFolder(const QString& folder) { cacheFolder_ = folder; }

    /// How often the event queue was emptied: for tests of how seldom the GUI thread is bothered.
    int drains() const { return drains_; }

  private:
    struct Loaded;   ///< an engine and how to reach it
    struct Outcome;  ///< what a load came to
    struct Waiting {
        ReplyId id;
        ReplyRequest request;
    };

    void drain();
    void loadFinished(quint64 load, const std::shared_ptr<Outcome>& outcome);
    void retire();  ///< ends replies and gives the engine to the worker to be destroyed
    void forward(const Waiting& waiting);
    void failLater(ReplyId reply, const QString& message);
    ReplyId take(quint64 request);  ///< the reply of the engine's request, which has ended
    void failWaiting(const QString& message);
    void forgetPending();
    void eraseFiles();

    ModelStatus status_;
    QString cacheFolder_;
    QList<ReplyRequest> toForget_;  ///< by the model that is being loaded
    bool forgetAll_ = false;
    std::shared_ptr<Loaded> loaded_;   ///< null: no model
    QList<Waiting> waiting_;           ///< for the model that is being loaded
    QHash<quint64, ReplyId> replies_;  ///< the engine's request to ours
    ReplyId nextReply_ = 1;
    quint64 nextTicket_ = 1;
    quint64 currentLoad_ = 0;  ///< results of earlier loads are dropped
    std::shared_ptr<std::atomic<bool>> giveUp_;
    QTimer snapshotTimer_;
    int drains_ = 0;
    QThreadPool worker_;
};

}  // namespace app
