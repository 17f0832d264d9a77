#pragma once

#include <QHash>
#include <QObject>
#include <QString>
#include <memory>

#include "app/chat/chat_engine.h"
#include "app/chat/chat_session.h"
#include "app/models/model_library.h"
#include "app/settings/settings.h"
#include "app/store/conversation_store.h"

namespace app {

/// Everything the program has besides its windows, owned in one place. GUI thread.
class Application : public QObject {
    Q_OBJECT
  public:
    struct Options {
        QString dataFolder;                  ///< empty: XDG data, "alcove"
        QString configFolder;                ///< empty: XDG configuration, "alcove"
        QString cacheFolder;                 ///< empty: XDG cache, or a folder of a given dataFolder
        QString model;                       ///< a path to load instead of the one last used
        QString device;                      ///< "best", "cpu", "cuda"; empty: as the settings say
        bool otherPrograms = true;           ///< look for models in other programs' folders too
        std::unique_ptr<ChatEngine> engine;  ///< null: the real one
    };

    explicit Application(Options options);
    ~Application() override;

    /// Begins what takes time in the background: looks for models, loads the one to use. Call it once, when
    /// the window stands.
    void start();

    ConversationStore& store() { return *store_; }
    ChatEngine& engine() { return *engine_; }
    ModelLibrary& models() { return *models_; }
    Settings& settings() { return *settings_; }

    /// The session of a conversation for one view, made if need be. Owned here; stays while a view has it or
    /// it is answering.
    ChatSession& session(ConversationId conversation);
    ChatSession& newSession();
    /// The view is done with it: once for each session() and newSession(). The reference may dangle later.
    void release(ChatSession& session);
    /// Says conversationRemoved, so that views let go of its session, then deletes both for good, and what
    /// the engine keeps of it.
    void removeConversation(ConversationId conversation);
    /// Likewise every conversation, and all that the engine keeps.
    void removeAllConversations();

    /// The program is about to end: says closing, and closed once everything is saved. The event loop has to
    /// go on meanwhile. Once; later calls do nothing.
    void close();

    /// Loads a model with the settings' options and remembers it.
    void useModel(const QString& path);
    /// Loads the model in use again with another one that guesses ahead for it (empty: none), and remembers
    /// it.
    void useDraft(const QString& path);

    QString dataFolder() const { return dataFolder_; }
    QString cacheFolder() const { return cacheFolder_; }  ///< of the engine; may be erased at any time
    QString modelsFolder() const;                         ///< Alcove's own, where a user may put files

  Q_SIGNALS:
    void conversationRemoved(qint64 conversation);
    void closing();
    void closed();
    /// Some view asked for another window.
    void windowRequested();

  private:
    void dropIdleSessions();

    std::unique_ptr<ChatEngine> makeEngine() const;

    QString dataFolder_;
    QString cacheFolder_;
    QString wantedModel_;
    QString wantedDevice_;
    std::unique_ptr<Settings> settings_;
    std::unique_ptr<ConversationStore> store_;
    std::unique_ptr<ChatEngine> engine_;
    std::unique_ptr<ModelLibrary> models_;
    QHash<ConversationId, ChatSession*> sessions_;
    QHash<ConversationId, int> views_;  ///< how many views hold a session
    bool isClosing_ = false;
};

}  // namespace app
