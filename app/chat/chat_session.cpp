#include "app/chat/chat_session.h"

#include <utility>

#include "app/chat/conversation_title.h"
#include "app/settings/settings.h"

namespace app {
namespace {

QDateTime now() {
    return QDateTime::fromMSecsSinceEpoch(QDateTime::currentMSecsSinceEpoch(), Qt::UTC);
}

}  // namespace

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
