#include "app/chat/scripted_engine.h"

#include <algorithm>
#include <utility>

namespace app {
namespace {

constexpr int kTickMillis = 5;
constexpr int kCharactersPerToken = 4;

int tokensIn(const QString& text) {
    return static_cast<int>((text.size() + kCharactersPerToken - 1) / kCharactersPerToken);
}

}  // namespace

ScriptedEngine::ScriptedEngine(QObject* parent) : ChatEngine(parent), timer_(this) {
    setText(QStringLiteral("Hello. This answer was written beforehand."));
    status_.state = ModelState::Ready;
    status_.path = QStringLiteral("scripted");
    status_.name = QStringLiteral("Scripted");
    status_.device = QStringLiteral("none");
    status_.progress = 1;
    status_.contextLimit = 4096;
    status_.trainedContext = 4096;
    status_.hasChatTemplate = true;
    status_.vocabularyHash = 1;
    timer_.setInterval(kTickMillis);
    connect(&timer_, &QTimer::timeout, this, &ScriptedEngine::tick);
}

void ScriptedEngine::setText(const QString& text) {
    writer_ = [text](const ReplyRequest&) { return Script{text, {}, EndReason::Stop}; };
}

void ScriptedEngine::setPaused(bool paused) {
    if (std::exchange(paused_, paused) == paused) return;
    for (Reply& reply : replies_) reply.clock.restart();
}

void ScriptedEngine::setModel(const ModelStatus& status) {
    status_ = status;
    Q_EMIT modelChanged();
}

ReplyId ScriptedEngine::submit(const ReplyRequest& request) {
    requests_.append(request);
    Reply reply;
    reply.id = nextId_++;
    reply.script = writer_(request);
    reply.promptTokens = tokensOf(request);
    reply.firstMessage = !request.messages.isEmpty() && request.messages.first().role == Role::System ? 1 : 0;
    if (request.whenFull == WhenFull::Stop) reply.script.leftOut = 0;
    reply.clock.start();
    replies_.append(reply);
    if (!timer_.isActive()) timer_.start();
    return reply.id;
}

void ScriptedEngine::cancel(ReplyId id) {
    for (Reply& reply : replies_)
        if (reply.id == id) reply.cancelled = true;
}

void ScriptedEngine::setPriority(ReplyId id, int priority) {
    if (id >= 1 && id < nextId_) requests_[static_cast<qsizetype>(id) - 1].priority = priority;
}

void ScriptedEngine::loadModel(const ModelOptions& options) {
    for (Reply& reply : replies_) reply.cancelled = true;
    status_.path = options.path;
    status_.draftPath = options.draftPath;
    status_.draftProblem.clear();
    status_.state = ModelState::Ready;
    Q_EMIT modelChanged();
}

void ScriptedEngine::unloadModel() {
    for (Reply& reply : replies_) reply.cancelled = true;
    status_ = {};
    Q_EMIT modelChanged();
}

void ScriptedEngine::shutDown() {
    for (Reply& reply : replies_) reply.cancelled = true;
    QTimer::singleShot(savingMillis_, this, &ChatEngine::shutDownFinished);
}

void ScriptedEngine::setSnapshot(const EngineSnapshot& snapshot) {
    snapshot_ = snapshot;
    Q_EMIT snapshotChanged();
}

EngineSnapshot ScriptedEngine::snapshot() const {
    EngineSnapshot snapshot = snapshot_;
    snapshot.device = status_.device;
    snapshot.running = running();
    snapshot.decodeTokensPerSecond = replies_.isEmpty() ? 0 : rate_ * running();
    return snapshot;
}

quint64 ScriptedEngine::countTokens(const ReplyRequest& request) {
    const quint64 ticket = nextTicket_++;
    const int tokens = tokensOf(request);
    QTimer::singleShot(0, this, [this, ticket, tokens] { Q_EMIT promptCounted(ticket, tokens); });
    return ticket;
}

int ScriptedEngine::tokensOf(const ReplyRequest& request) const {
    int tokens = 0;
    for (const PromptMessage& message : request.messages) tokens += 1 + tokensIn(message.text);
    return tokens;
}

void ScriptedEngine::tick() {
    // What the signals lead to may submit and cancel: only ids are kept across them.
    QList<ReplyId> ids;
    for (const Reply& reply : std::as_const(replies_)) ids.append(reply.id);
    for (const ReplyId id : std::as_const(ids)) advance(id);
    if (replies_.isEmpty()) timer_.stop();
}

ScriptedEngine::Reply* ScriptedEngine::find(ReplyId id) {
    for (Reply& reply : replies_)
        if (reply.id == id) return &reply;
    return nullptr;
}

void ScriptedEngine::advance(ReplyId id) {
    Reply* reply = find(id);
    if (reply->cancelled) return end(id, EndReason::Cancelled, {});
    if (!reply->started && reply->script.leftOut > 0) {
        const int before = reply->promptTokens;
        reply->promptTokens = before * 6 / 10;
        Q_EMIT contextCut(id, reply->firstMessage, reply->script.leftOut, before, reply->promptTokens);
        reply = find(id);
        if (reply == nullptr) return;
    }
    if (!std::exchange(reply->started, true)) Q_EMIT replyStarted(id, reply->promptTokens, 0);
    reply = find(id);
    if (reply == nullptr || paused_) return;
    const int all = tokensIn(reply->script.text);
    const int due =
        rate_ > 0 ? static_cast<int>(static_cast<double>(reply->clock.elapsed()) * rate_ / 1000) : all;
    const int upTo = std::min(all, std::max(due, reply->tokens));
    if (upTo > reply->tokens) write(*reply, upTo);
    reply = find(id);
    if (reply == nullptr || reply->tokens < all || reply->cancelled) return;
    const Script script = reply->script;
    end(id, script.failure.isEmpty() ? script.reason : EndReason::Failed, script.failure);
}

void ScriptedEngine::write(Reply& reply, int upTo) {
    qsizetype to = std::min<qsizetype>(reply.script.text.size(), qsizetype{upTo} * kCharactersPerToken);
    // Never half a character.
    if (to < reply.script.text.size() && reply.script.text.at(to).isLowSurrogate()) ++to;
    const QString text = reply.script.text.mid(reply.written, to - reply.written);
    QList<qint32> ids;
    for (int token = reply.tokens; token < upTo; ++token) ids.append(token + 1);
    reply.written = to;
    reply.tokens = upTo;
    Q_EMIT textAppended(reply.id, text, ids);
}

void ScriptedEngine::end(ReplyId id, EndReason reason, const QString& failure) {
    Reply* reply = find(id);
    ReplyStats stats;
    stats.promptTokens = reply->promptTokens;
    stats.newTokens = reply->tokens;
    stats.contextTokens = reply->promptTokens + reply->tokens;
    stats.contextLimit = status_.contextLimit;
    stats.decodeTokensPerSecond = rate_;
    stats.reason = reason;
    stats.model = status_.name;
    stats.device = status_.device;
    replies_.removeIf([id](const Reply& other) { return other.id == id; });
    if (failure.isEmpty())
        Q_EMIT replyFinished(id, stats);
    else
        Q_EMIT replyFailed(id, failure);
}

}  // namespace app
