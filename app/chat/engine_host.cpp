#include "app/chat/engine_host.h"

#include <new>
#include <utility>

#include "app/chat/engine_values.h"
#include "app/models/model_library.h"
#include "engine/runtime/engine.h"

namespace app {
namespace {

constexpr int kSnapshotMillis = 500;
constexpr double kProgressStep = 0.01;  ///< of a load; finer news is not worth a repaint

/// What one reply did since the last drain, in the order it is told.
struct Joined {
    std::string text;
    QList<qint32> ids;
    int done = 0, total = 0;
};

}  // namespace

/// Shared with the worker's jobs, so that a job that still uses the engine keeps it alive.
struct EngineHost::Loaded {
    std::unique_ptr<engine::Engine> engine;
};

struct EngineHost::Outcome {
    std::shared_ptr<Loaded> loaded;  ///< null: it failed
    QString error;
    QString draftPath, draftProblem;
};

EngineHost::EngineHost(QObject* parent) : ChatEngine(parent), snapshotTimer_(this) {
    // One thread: a model is gone before the next one takes its memory.
    worker_.setMaxThreadCount(1);
    worker_.setExpiryTimeout(-1);
    snapshotTimer_.setInterval(kSnapshotMillis);
    connect(&snapshotTimer_, &QTimer::timeout, this, [this] {
        Q_EMIT snapshotChanged();
        if (replies_.isEmpty()) snapshotTimer_.stop();
    });
}

EngineHost::~EngineHost() {
    if (giveUp_) *giveUp_ = true;
    worker_.waitForDone();
    if (loaded_) loaded_->engine->stop();
}

void EngineHost::loadModel(const ModelOptions& options) {
    retire();
    const quint64 load = ++currentLoad_;
    status_ = {};
    status_.state = ModelState::Loading;
    status_.path = options.path;
    status_.name = ModelLibrary::displayName(options.path, {});
    giveUp_ = std::make_shared<std::atomic<bool>>(false);
    // What was kept before the switch was turned goes before anything else is loaded.
    if (!options.diskCache) eraseFiles();
    worker_.start([this, load, options, folder = cacheFolder_, giveUp = giveUp_] {
        const auto outcome = std::make_shared<Outcome>();
        double told = 0;
        const auto progress = [&](size_t done, size_t total) {
            const double share = total > 0 ? static_cast<double>(done) / static_cast<double>(total) : 0;
            if (share >= told + kProgressStep) {
                told = share;
                QMetaObject::invokeMethod(this, [this, load, share] {
                    if (load != currentLoad_ || status_.state != ModelState::Loading) return;
                    status_.progress = share;
                    Q_EMIT modelChanged();
                });
            }
            return !giveUp->load();
        };
        try {
            if (giveUp->load()) return;
            auto loaded = engine::Engine::load(toEngine(options, folder), progress);
            outcome->draftPath = options.draftPath;
            if (!loaded && !options.draftPath.isEmpty() && !giveUp->load()) {
                // A model must not be lost for its draft: it is loaded alone, and the reason is told.
                const QString problem = QString::fromStdString(loaded.error().message);
                ModelOptions alone = options;
                alone.draftPath.clear();
                told = 0;
                loaded = engine::Engine::load(toEngine(alone, folder), progress);
                if (loaded) outcome->draftProblem = problem;
                outcome->draftPath.clear();
            }
            if (loaded)
                outcome->loaded = std::make_shared<Loaded>(Loaded{std::move(*loaded)});
            else
                outcome->error = QString::fromStdString(loaded.error().message);
        } catch (const std::bad_alloc&) {
            outcome->error =
                tr("%1 does not fit into memory; close other programs, choose a smaller context or a "
                   "smaller model.")
                    .arg(options.path);
        } catch (const std::exception& problem) {
            outcome->error =
                tr("%1 could not be loaded: %2.").arg(options.path, QString::fromUtf8(problem.what()));
        }
        QMetaObject::invokeMethod(this, [this, load, outcome] { loadFinished(load, outcome); });
    });
    Q_EMIT modelChanged();
}

void EngineHost::loadFinished(quint64 load, const std::shared_ptr<Outcome>& outcome) {
    if (load != currentLoad_) {
        // Another model was asked for meanwhile; this one goes away where it cannot block the window.
        worker_.start([unwanted = std::move(outcome->loaded)]() mutable { unwanted.reset(); });
        return;
    }
    giveUp_.reset();
    if (!outcome->loaded) {
        status_.state = ModelState::Failed;
        status_.message = outcome->error;
        Q_EMIT modelChanged();
        forgetPending();
        return failWaiting(outcome->error);
    }
    loaded_ = std::move(outcome->loaded);
    engine::Engine& engine = *loaded_->engine;
    const engine::LoadedModel& model = engine.model();
    status_.state = ModelState::Ready;
    status_.progress = 1;
    status_.name = ModelLibrary::displayName(status_.path, QString::fromStdString(model.name));
    status_.architecture = QString::fromStdString(model.architecture);
    status_.device = QString::fromStdString(engine.stats().device);
    status_.contextLimit = model.contextLimit;
    status_.trainedContext = model.trainedContext;
    status_.hasChatTemplate = model.hasChatTemplate;
    status_.vocabularyHash = model.vocabularyHash;
    status_.draftPath = outcome->draftPath;
    status_.draftProblem = outcome->draftProblem;
    engine.start([this] { QMetaObject::invokeMethod(this, &EngineHost::drain, Qt::QueuedConnection); });
    Q_EMIT modelChanged();
    Q_EMIT snapshotChanged();
    forgetPending();
    for (const Waiting& waiting : std::exchange(waiting_, {})) forward(waiting);
}

void EngineHost::unloadModel() {
    retire();
    ++currentLoad_;
    status_ = {};
    forgetPending();
    failWaiting(tr("The model was closed before it could answer; choose a model and try again."));
    Q_EMIT modelChanged();
    Q_EMIT snapshotChanged();
}

void EngineHost::retire() {
    if (giveUp_) *giveUp_ = true;
    giveUp_.reset();
    if (!loaded_) return;
    drain();  // what was written until now counts
    std::shared_ptr<Loaded> old = std::exchange(loaded_, nullptr);
    for (const ReplyId reply : std::exchange(replies_, {})) {
        ReplyStats stats;
        stats.reason = EndReason::Cancelled;
        stats.model = status_.name;
        stats.device = status_.device;
        QMetaObject::invokeMethod(
            this, [this, reply, stats] { Q_EMIT replyFinished(reply, stats); }, Qt::QueuedConnection);
    }
    worker_.start([old = std::move(old)]() mutable { old.reset(); });
}

ReplyId EngineHost::submit(const ReplyRequest& request) {
    const ReplyId reply = nextReply_++;
    switch (status_.state) {
        case ModelState::None:
            failLater(reply, tr("No model is loaded. Choose one, or add a GGUF file to the models folder."));
            break;
        case ModelState::Failed:
            failLater(reply, tr("The model could not be loaded: %1").arg(status_.message));
            break;
        case ModelState::Loading:
            waiting_.append({reply, request});
            break;
        case ModelState::Ready:
            forward({reply, request});
            break;
    }
    return reply;
}

void EngineHost::forward(const Waiting& waiting) {
    replies_.insert(loaded_->engine->submit(toEngine(waiting.request)), waiting.id);
    if (!snapshotTimer_.isActive()) snapshotTimer_.start();
}

void EngineHost::cancel(ReplyId reply) {
    if (const engine::RequestId request = replies_.key(reply); request != 0)
        return loaded_->engine->cancel(request);
    if (waiting_.removeIf([reply](const Waiting& waiting) { return waiting.id == reply; }) > 0) {
        ReplyStats stats;
        stats.reason = EndReason::Cancelled;
        QMetaObject::invokeMethod(
            this, [this, reply, stats] { Q_EMIT replyFinished(reply, stats); }, Qt::QueuedConnection);
    }
}

void EngineHost::setPriority(ReplyId reply, int priority) {
    if (const engine::RequestId request = replies_.key(reply); request != 0)
        return loaded_->engine->setPriority(request, priority);
    for (Waiting& waiting : waiting_)
        if (waiting.id == reply) waiting.request.priority = priority;
}

void EngineHost::failLater(ReplyId reply, const QString& message) {
    QMetaObject::invokeMethod(
        this, [this, reply, message] { Q_EMIT replyFailed(reply, message); }, Qt::QueuedConnection);
}

void EngineHost::failWaiting(const QString& message) {
    for (const Waiting& waiting : std::exchange(waiting_, {})) failLater(waiting.id, message);
}

void EngineHost::forget(const QList<ReplyRequest>& paths) {
    if (status_.state == ModelState::Loading) {
        toForget_ += paths;
    } else if (loaded_) {
        for (const ReplyRequest& path : paths) loaded_->engine->forget(toEngine(path));
    } else if (!paths.isEmpty()) {
        eraseFiles();
    }
}

void EngineHost::forgetEverything() {
    if (status_.state == ModelState::Loading)
        forgetAll_ = true;
    else if (loaded_)
        loaded_->engine->forgetEverything();
    else
        eraseFiles();
}

void EngineHost::shutDown() {
    retire();
    ++currentLoad_;
    status_ = {};
    failWaiting(tr("The program was closed before the model could answer."));
    // Behind the engine's end, which takes as long as saving does.
    worker_.start([this] { QMetaObject::invokeMethod(this, [this] { Q_EMIT shutDownFinished(); }); });
}

/// What was to be forgotten while a model was loading.
void EngineHost::forgetPending() {
    if (std::exchange(forgetAll_, false)) forgetEverything();
    forget(std::exchange(toForget_, {}));
}

/// Behind the last engine, which saves its blocks when it goes away.
void EngineHost::eraseFiles() {
    if (cacheFolder_.isEmpty()) return;
    worker_.start([folder = cacheFolder_.toStdString()] { engine::eraseDiskCache(folder); });
}

void EngineHost::drain() {
    if (!loaded_) return;
    const std::vector<engine::EngineEvent> events = loaded_->engine->takeEvents();
    if (events.empty()) return;
    ++drains_;
    QHash<ReplyId, Joined> joined;
    QList<ReplyId> order;
    const auto replyOf = [&](engine::RequestId request) { return replies_.value(request, 0); };
    const auto joinedOf = [&](ReplyId reply) -> Joined& {
        if (!joined.contains(reply)) order.append(reply);
        return joined[reply];
    };
    const auto tell = [&](ReplyId reply) {
        const Joined news = joined.take(reply);
        if (news.total > 0) Q_EMIT promptProgress(reply, news.done, news.total);
        if (!news.text.empty() || !news.ids.isEmpty())
            Q_EMIT textAppended(reply, QString::fromStdString(news.text), news.ids);
    };
    for (const engine::EngineEvent& event : events) {
        if (const auto* started = std::get_if<engine::Started>(&event)) {
            if (const ReplyId reply = replyOf(started->id))
                Q_EMIT replyStarted(reply, started->promptTokens, started->cachedTokens);
        } else if (const auto* cut = std::get_if<engine::ContextCut>(&event)) {
            if (const ReplyId reply = replyOf(cut->id))
                Q_EMIT contextCut(reply, cut->firstMessage, cut->messages, cut->tokensBefore,
                                  cut->tokensAfter);
        } else if (const auto* progress = std::get_if<engine::PromptProgress>(&event)) {
            if (const ReplyId reply = replyOf(progress->id)) {
                Joined& news = joinedOf(reply);
                news.done = progress->tokensDone;
                news.total = progress->tokensTotal;
            }
        } else if (const auto* delta = std::get_if<engine::TextDelta>(&event)) {
            if (const ReplyId reply = replyOf(delta->id)) {
                Joined& news = joinedOf(reply);
                news.text += delta->text;
                for (const engine::TokenId id : delta->ids) news.ids.append(id);
            }
        } else if (const auto* finished = std::get_if<engine::Finished>(&event)) {
            if (const ReplyId reply = take(finished->id)) {
                tell(reply);
                Q_EMIT replyFinished(reply, toReplyStats(finished->reason, finished->stats, status_));
            }
        } else if (const auto* failed = std::get_if<engine::Failed>(&event)) {
            if (const ReplyId reply = take(failed->id)) {
                tell(reply);
                Q_EMIT replyFailed(reply, QString::fromStdString(failed->error.message));
            }
        }
    }
    for (const ReplyId reply : std::as_const(order)) tell(reply);
}

ReplyId EngineHost::take(quint64 request) {
    return replies_.take(request);
}

EngineSnapshot EngineHost::snapshot() const {
    return loaded_ ? toSnapshot(loaded_->engine->stats()) : EngineSnapshot{};
}

quint64 EngineHost::countTokens(const ReplyRequest& request) {
    const quint64 ticket = nextTicket_++;
    if (!loaded_ || request.messages.isEmpty()) return ticket;
    worker_.start([this, ticket, loaded = loaded_, counted = toEngine(request)] {
        const auto ids = loaded->engine->promptTokens(counted);
        if (!ids) return;  // a template that refuses these messages says so when they are sent
        const int tokens = static_cast<int>(ids->size());
        QMetaObject::invokeMethod(this, [this, ticket, tokens] { Q_EMIT promptCounted(ticket, tokens); });
    });
    return ticket;
}

}  // namespace app
