#include "app/chat/chat_session.h"

#include <algorithm>
#include <utility>

#include "app/settings/settings.h"

namespace app {
namespace {

constexpr int kTitleLength = 60;

QDateTime now() {
    return QDateTime::fromMSecsSinceEpoch(QDateTime::currentMSecsSinceEpoch(), Qt::UTC);
}

}  // namespace

QString titleFrom(const QString& text) {
    for (const QString& line : text.split('\n')) {
        QString title = line.simplified();
        while (title.startsWith('#')) title = title.mid(1).trimmed();
        if (title.isEmpty()) continue;
        if (title.size() <= kTitleLength) return title;
        const qsizetype space = title.lastIndexOf(' ', kTitleLength - 1);
        title.truncate(space > kTitleLength / 2 ? space : kTitleLength - 1);
        if (title.back().isHighSurrogate()) title.chop(1);
        return title + QChar(0x2026);
    }
    return {};
}

ChatSession::ChatSession(ConversationId conversation, ConversationStore& store, ChatEngine& engine,
                         Settings& settings, QObject* parent)
    : QObject(parent), store_(store), engine_(engine), settings_(settings) {
    if (const auto known = store.conversation(conversation)) {
        conversation_ = *known;
        stored_ = true;
        tree_ = store.tree(conversation);
    } else {
        conversation_.id = conversation != 0 ? conversation : ConversationStore::newId();
        conversation_.created = conversation_.updated = now();
        conversation_.systemPrompt = settings.systemPrompt();
    }
    connect(&store, &ConversationStore::messageCommitted, this, &ChatSession::onCommitted);
    connect(&store, &ConversationStore::writeFailed, this, &ChatSession::onWriteFailed);
    connect(&store, &ConversationStore::conversationChanged, this, [this](const Conversation& changed) {
        if (changed.id != conversation_.id) return;
        const MessageId leaf = conversation_.activeLeaf;
        conversation_ = changed;
        conversation_.activeLeaf = leaf;
        Q_EMIT conversationChanged();
    });
    connectEngine();
    conversation_.activeLeaf = tree_.activeLeaf();
    context_.limit = engine.model().contextLimit;
    refreshContext();
}

ChatSession::~ChatSession() {
    if (!isBusy()) return;
    blockSignals(true);
    if (request_ != 0) engine_.cancel(request_);
    finish(MessageState::Stopped, {}, {});
}

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

const Message& ChatSession::messageAt(int index) const {
    return tree_.at(tree_.path().at(index));
}

int ChatSession::indexOf(MessageId message) const {
    return static_cast<int>(tree_.path().lastIndexOf(message));
}

ChatSession::Version ChatSession::versionAt(int index) const {
    const MessageId id = tree_.path().at(index);
    const QList<MessageId>& siblings = tree_.siblings(id);
    return {static_cast<int>(siblings.indexOf(id)), static_cast<int>(siblings.size())};
}

bool ChatSession::isWriting() const {
    return isBusy() && !tree_.at(reply_).text.isEmpty();
}

WhenFull ChatSession::whenFull() const {
    return conversation_.whenFull.value_or(settings_.whenFull());
}

void ChatSession::setWhenFull(std::optional<WhenFull> whenFull) {
    conversation_.whenFull = whenFull;
    saveConversation();
    Q_EMIT conversationChanged();
}

SamplingSettings ChatSession::sampling() const {
    return conversation_.sampling.value_or(settings_.sampling());
}

bool ChatSession::send(const QString& text) {
    if (isBusy() || text.trimmed().isEmpty()) return false;
    startReply(addQuestion(text, tree_.activeLeaf()));
    return true;
}

MessageId ChatSession::addQuestion(const QString& text, MessageId parent) {
    Message message;
    message.id = ConversationStore::newId();
    message.parent = parent;
    message.text = text;
    add(message);
    return message.id;
}

/// Puts a message at the end of the shown path and asks the store to keep it.
void ChatSession::add(Message message) {
    message.conversation = conversation_.id;
    message.created = now();
    if (!stored_) {
        if (conversation_.title.isEmpty()) conversation_.title = titleFrom(message.text);
        conversation_.modelPath = engine_.model().path;
        store_.addConversation(conversation_);
        stored_ = true;
        Q_EMIT conversationChanged();
    }
    conversation_.updated = message.created;
    conversation_.activeLeaf = message.id;
    store_.addMessage(message);
    tree_.add(std::move(message));
    Q_EMIT messagesInserted(messageCount() - 1, messageCount() - 1);
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

void ChatSession::regenerate(int index) {
    if (isBusy() || messageCount() == 0) return;
    if (index < 0) index = messageCount() - 1;
    const Message& message = messageAt(index);
    // A question that was never answered is answered now.
    const MessageId question = message.role == Role::User ? message.id : message.parent;
    if (question == 0) return;
    showPath(question);
    startReply(question);
}

void ChatSession::edit(int index, const QString& text) {
    if (isBusy() || text.trimmed().isEmpty() || messageAt(index).role != Role::User) return;
    const MessageId parent = messageAt(index).parent;
    showPath(parent);
    startReply(addQuestion(text, parent));
}

void ChatSession::selectVersion(int index, int version) {
    const QList<MessageId>& siblings = tree_.siblings(tree_.path().at(index));
    if (version < 0 || version >= siblings.size() || siblings[version] == tree_.path().at(index)) return;
    showPath(tree_.newestLeaf(siblings[version]));
    store_.setActiveLeaf(conversation_.id, tree_.activeLeaf());
    refreshContext();
}

void ChatSession::reveal(MessageId message) {
    if (!tree_.contains(message) || indexOf(message) >= 0) return;
    showPath(tree_.newestLeaf(message));
    store_.setActiveLeaf(conversation_.id, tree_.activeLeaf());
    refreshContext();
}

/// In two steps, so that a view sees the list it is told about each time.
void ChatSession::showPath(MessageId leaf) {
    const QList<MessageId> before = tree_.path();
    MessageTree target = tree_;
    target.setActiveLeaf(leaf);
    const QList<MessageId>& after = target.path();
    qsizetype common = 0;
    while (common < before.size() && common < after.size() && before[common] == after[common]) ++common;
    if (common < before.size()) {
        tree_.setActiveLeaf(common > 0 ? before[common - 1] : 0);
        Q_EMIT messagesRemoved(static_cast<int>(common), static_cast<int>(before.size()) - 1);
    }
    if (common < after.size()) {
        tree_.setActiveLeaf(leaf);
        Q_EMIT messagesInserted(static_cast<int>(common), static_cast<int>(after.size()) - 1);
    }
    conversation_.activeLeaf = leaf;
}

Prompt ChatSession::promptOf(MessageId last) const {
    Prompt prompt = promptFor(conversation_, tree_, last, engine_.model());
    prompt.request.sampling = sampling();
    prompt.request.whenFull = whenFull();
    return prompt;
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

int ChatSession::firstKeptIndex() const {
    const MessageId kept = firstKept(tree_, tree_.activeLeaf(), engine_.model());
    return kept != 0 ? indexOf(kept) : -1;
}

void ChatSession::refreshContext() {
    if (isBusy() || context_.limit <= 0) return;
    countTicket_ = engine_.countTokens(promptOf(tree_.activeLeaf()).request);
}

void ChatSession::saveConversation() {
    if (stored_) store_.updateConversation(conversation_);
}

void ChatSession::rename(const QString& title) {
    conversation_.title = title.simplified();
    saveConversation();
    Q_EMIT conversationChanged();
}

void ChatSession::setSystemPrompt(const QString& text) {
    // Nothing will begin with the old one again.
    if (text != conversation_.systemPrompt) forgetConversation(engine_, conversation_, tree_);
    conversation_.systemPrompt = text;
    saveConversation();
    Q_EMIT conversationChanged();
    refreshContext();
}

void ChatSession::setSampling(const std::optional<SamplingSettings>& sampling) {
    conversation_.sampling = sampling;
    saveConversation();
    Q_EMIT conversationChanged();
}

}  // namespace app
