#include <utility>

#include "app/chat/chat_session.h"

/// The reply that is being written: from the question's commit to the last token.
namespace app {

void ChatSession::connectEngine() {
    connect(&engine_, &ChatEngine::modelChanged, this, [this] {
        if (context_.limit == engine_.model().contextLimit) return;
        context_.limit = engine_.model().contextLimit;
        context_.tokens = 0;
        Q_EMIT contextChanged();
        refreshContext();
    });
    connect(&engine_, &ChatEngine::promptCounted, this, [this](quint64 ticket, int tokens) {
        if (ticket != countTicket_ || isBusy()) return;
        context_.tokens = tokens;
        Q_EMIT contextChanged();
    });
    connect(&engine_, &ChatEngine::replyStarted, this,
            [this](ReplyId reply, int promptTokens, int cachedTokens) {
                if (!isReply(reply)) return;
                context_.tokens = promptTokens;
                promptProgress_ = promptTokens > 0 ? static_cast<double>(cachedTokens) / promptTokens : 0;
                Q_EMIT contextChanged();
                Q_EMIT promptProgressChanged();
            });
    connect(&engine_, &ChatEngine::contextCut, this,
            [this](ReplyId reply, int firstMessage, int messages, int before, int after) {
                if (isReply(reply)) onContextCut(firstMessage, messages, before, after);
            });
    connect(&engine_, &ChatEngine::promptProgress, this, [this](ReplyId reply, int done, int total) {
        if (!isReply(reply)) return;
        promptProgress_ = total > 0 ? static_cast<double>(done) / total : 1;
        Q_EMIT promptProgressChanged();
    });
    connect(&engine_, &ChatEngine::textAppended, this,
            [this](ReplyId reply, const QString& text, const QList<qint32>& ids) {
                if (isReply(reply)) onText(text, ids);
            });
    connect(&engine_, &ChatEngine::replyFinished, this, [this](ReplyId reply, const ReplyStats& stats) {
        if (isReply(reply)) onFinished(stats);
    });
    connect(&engine_, &ChatEngine::replyFailed, this, [this](ReplyId reply, const QString& message) {
        if (!isReply(reply)) return;
        ReplyStats stats;
        stats.reason = EndReason::Failed;
        finish(MessageState::Failed, stats, message);
    });
}

void ChatSession::startReply(MessageId question) {
    if (!engine_.model().path.isEmpty() && conversation_.modelPath != engine_.model().path) {
        conversation_.modelPath = engine_.model().path;
        saveConversation();
    }
    // Busy from here on: what the view does at the new row already sees it.
    committed_ = false;
    request_ = 0;
    promptProgress_ = 0;
    Message reply;
    reply.id = reply_ = ConversationStore::newId();
    reply.parent = question;
    reply.role = Role::Assistant;
    reply.state = MessageState::Streaming;
    add(std::move(reply));
    Q_EMIT busyChanged();
}

void ChatSession::onCommitted(MessageId message) {
    if (message != reply_ || committed_) return;
    // The store writes in order: the question is on disk too. Nothing unsaved is answered.
    committed_ = true;
    Prompt prompt = promptOf(tree_.at(reply_).parent);
    sources_ = std::move(prompt.sources);
    prompt.request.priority = priority();
    request_ = engine_.submit(prompt.request);
}

void ChatSession::onWriteFailed(MessageId message, const QString& text) {
    if (message == 0 || !tree_.contains(message)) return;
    Message& failed = tree_.at(message);
    if (failed.role == Role::User) {
        failed.state = MessageState::Failed;
        failed.error = text;
        if (const int index = indexOf(message); index >= 0) Q_EMIT messageChanged(index);
    } else if (message == reply_ && !committed_) {
        finish(MessageState::Failed, {}, text);
    } else {
        Q_EMIT notice(text);
    }
}

void ChatSession::onText(const QString& text, const QList<qint32>& ids) {
    Message& reply = tree_.at(reply_);
    reply.text += text;
    reply.generated.vocabularyHash = engine_.model().vocabularyHash;
    reply.generated.ids += ids;
    store_.appendToReply(reply_, text, {reply.generated.vocabularyHash, ids});
    context_.tokens += static_cast<int>(ids.size());
    if (std::exchange(promptProgress_, 1.0) < 1.0) Q_EMIT promptProgressChanged();
    const int index = indexOf(reply_);
    if (index >= 0 && !text.isEmpty()) Q_EMIT textAppended(index, text);
    Q_EMIT contextChanged();
}

void ChatSession::onFinished(const ReplyStats& stats) {
    QString remark;
    if (stats.reason == EndReason::Length && stats.contextLimit > 0 &&
        stats.contextTokens >= stats.contextLimit)
        remark =
            tr("The context of %1 tokens is full, so the answer ends here. Start a new chat, or load the "
               "model with a larger context.")
                .arg(stats.contextLimit);
    finish(stats.reason == EndReason::Cancelled ? MessageState::Stopped : MessageState::Complete, stats,
           remark);
}

void ChatSession::finish(MessageState state, const ReplyStats& stats, const QString& error) {
    Message& reply = tree_.at(reply_);
    reply.state = state;
    const ReplyStats cut = std::exchange(reply.stats, stats);
    if (cut.firstKept != 0) {
        reply.stats.firstKept = cut.firstKept;
        reply.stats.leftOut = cut.leftOut;
        reply.stats.leftOutTokens = cut.leftOutTokens;
        reply.stats.contextLimit = cut.contextLimit;
    }
    reply.error = error;
    store_.finishReply(reply);
    const int index = indexOf(std::exchange(reply_, 0));
    request_ = 0;
    promptProgress_ = 1;
    if (stats.contextTokens > 0) context_.tokens = stats.contextTokens;
    if (index >= 0) Q_EMIT messageChanged(index);
    Q_EMIT busyChanged();
    Q_EMIT promptProgressChanged();
    Q_EMIT contextChanged();
}

void ChatSession::stop() {
    if (!isBusy()) return;
    if (request_ != 0) return engine_.cancel(request_);
    ReplyStats stats;
    stats.reason = EndReason::Cancelled;
    finish(MessageState::Stopped, stats, {});
}

void ChatSession::setInFront(bool inFront) {
    const int before = priority();
    viewers_ += inFront ? 1 : -1;
    if (request_ != 0 && priority() != before) engine_.setPriority(request_, priority());
}

/// The cut belongs to the answer that is given with it, so each branch has its own.
void ChatSession::onContextCut(int firstMessage, int messages, int tokensBefore, int tokensAfter) {
    const int kept = firstMessage + messages;
    if (kept < 0 || kept >= sources_.size() || sources_[kept] == 0) return;
    const int before = firstKeptIndex();
    ReplyStats& stats = tree_.at(reply_).stats;
    stats.firstKept = sources_[kept];
    stats.leftOutTokens = tokensBefore - tokensAfter;
    stats.contextLimit = engine_.model().contextLimit;
    const int index = indexOf(stats.firstKept);
    if (index < 0) return;
    stats.leftOut = index;
    for (const int row : {before, index})
        if (row >= 0) Q_EMIT messageChanged(row);
}

}  // namespace app
