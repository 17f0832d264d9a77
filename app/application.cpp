#include "app/application.h"

#include <QDir>
#include <QFileInfo>
#include <QStandardPaths>
#include <utility>

#include "app/chat/engine_host.h"

namespace app {
namespace {

QString folderOr(const QString& given, QStandardPaths::StandardLocation location) {
    return given.isEmpty() ? QStandardPaths::writableLocation(location) + QStringLiteral("/alcove") : given;
}

}  // namespace

Application::Application(Options options)
    : dataFolder_(folderOr(options.dataFolder, QStandardPaths::GenericDataLocation)),
      cacheFolder_(!options.cacheFolder.isEmpty() ? options.cacheFolder
                   : !options.dataFolder.isEmpty()
                       ? dataFolder_ + QStringLiteral("/cache")
                       : QStandardPaths::writableLocation(QStandardPaths::GenericCacheLocation) +
                             QStringLiteral("/alcove/kv")),
      wantedModel_(options.model),
      wantedDevice_(options.device),
      settings_(
          std::make_unique<Settings>(folderOr(options.configFolder, QStandardPaths::GenericConfigLocation) +
                                     QStringLiteral("/alcove.ini"))),
      store_(std::make_unique<ConversationStore>(dataFolder_ + QStringLiteral("/conversations.db"))),
      engine_(options.engine ? std::move(options.engine) : makeEngine()),
      models_(std::make_unique<ModelLibrary>(
          options.otherPrograms ? ModelLibrary::standardStores(dataFolder_)
                                : QList<ModelStore>{{modelsFolder(), QStringLiteral("Alcove"), {}}})) {
    connect(engine_.get(), &ChatEngine::replyFinished, this, &Application::dropIdleSessions,
            Qt::QueuedConnection);
    connect(engine_.get(), &ChatEngine::replyFailed, this, &Application::dropIdleSessions,
            Qt::QueuedConnection);
    connect(models_.get(), &ModelLibrary::scanFinished, this, [this] {
        if (engine_->model().state == ModelState::None && !models_->defaultModel().isEmpty())
            useModel(models_->defaultModel());
    });
}

std::unique_ptr<ChatEngine> Application::makeEngine() const {
    auto host = std::make_unique<EngineHost>();
    host->setCacheFolder(cacheFolder_);
    return host;
}

Application::~Application() {
    // Sessions save what their replies came to, so they go while the store stands.
    qDeleteAll(sessions_);
}

QString Application::modelsFolder() const {
    return dataFolder_ + QStringLiteral("/models");
}

void Application::start() {
    QDir().mkpath(modelsFolder());
    models_->scan();
    const QString last = settings_->modelOptions().path;
    if (!wantedModel_.isEmpty())
        useModel(QFileInfo(wantedModel_).absoluteFilePath());
    else if (!last.isEmpty() && QFileInfo::exists(last))
        useModel(last);
}

void Application::useModel(const QString& path) {
    ModelOptions options = settings_->modelOptions();
    options.path = path;
    options.draftPath = settings_->draftFor(path);
    if (!QFileInfo::exists(options.draftPath)) options.draftPath.clear();
    settings_->setModelOptions(options);
    if (!wantedDevice_.isEmpty()) options.device = wantedDevice_;
    engine_->loadModel(options);
}

void Application::useDraft(const QString& path) {
    const QString model = engine_->model().path;
    if (model.isEmpty()) return;
    settings_->setDraftFor(model, path);
    useModel(model);
}

ChatSession& Application::session(ConversationId conversation) {
    ChatSession*& session = sessions_[conversation];
    if (session == nullptr) session = new ChatSession(conversation, *store_, *engine_, *settings_);
    ++views_[conversation];
    return *session;
}

ChatSession& Application::newSession() {
    return session(ConversationStore::newId());
}

void Application::release(ChatSession& session) {
    --views_[session.conversation().id];
    QMetaObject::invokeMethod(this, &Application::dropIdleSessions, Qt::QueuedConnection);
}

void Application::dropIdleSessions() {
    const QList<ConversationId> ids = sessions_.keys();
    for (const ConversationId id : ids) {
        if (views_.value(id) > 0 || sessions_[id]->isBusy()) continue;
        delete sessions_.take(id);
        views_.remove(id);
    }
}

void Application::removeConversation(ConversationId conversation) {
    Q_EMIT conversationRemoved(conversation);
    // A reply that is being written is cancelled first, so that nothing of it is kept after the forgetting.
    const ChatSession* session = sessions_.value(conversation);
    const bool wasBusy = session != nullptr && session->isBusy();
    const MessageTree tree = session != nullptr ? session->tree() : store_->tree(conversation);
    const Conversation removed = session != nullptr
                                     ? session->conversation()
                                     : store_->conversation(conversation).value_or(Conversation{});
    delete sessions_.take(conversation);
    views_.remove(conversation);
    if (wasBusy)
        engine_->forgetEverything();  // what the reply came to is not known here yet
    else
        forgetConversation(*engine_, removed, tree);
    store_->remove(conversation);
}

void Application::removeAllConversations() {
    QList<ConversationId> ids;
    const QList<Conversation> stored = store_->conversations();
    for (const Conversation& conversation : stored) ids.append(conversation.id);
    for (auto session = sessions_.cbegin(); session != sessions_.cend(); ++session)
        if (!session.value()->isNew() && !ids.contains(session.key())) ids.append(session.key());
    // Views turn to new conversations, which stay.
    for (const ConversationId id : std::as_const(ids)) Q_EMIT conversationRemoved(id);
    for (const ConversationId id : std::as_const(ids)) {
        delete sessions_.take(id);  // cancels its reply
        views_.remove(id);
    }
    engine_->forgetEverything();
    store_->removeAll();
}

void Application::close() {
    if (std::exchange(isClosing_, true)) return;
    connect(engine_.get(), &ChatEngine::shutDownFinished, this, &Application::closed);
    Q_EMIT closing();
    engine_->shutDown();
}

}  // namespace app
