#pragma once

#include <QByteArray>
#include <QObject>
#include <QSettings>
#include <QString>

#include "app/chat/chat_engine.h"
#include "app/store/conversation.h"

namespace app {

enum class ThemeChoice { System, Light, Dark };

/// The user's choices, kept in an INI file under the XDG configuration folder. Values out of range read as
/// their defaults. GUI thread.
class Settings : public QObject {
    Q_OBJECT
  public:
    explicit Settings(const QString& file, QObject* parent = nullptr);

    ThemeChoice theme() const;
    void setTheme(ThemeChoice theme);

    /// Enter sends and Shift+Enter breaks the line; false: Enter breaks it and Ctrl+Enter sends.
    bool sendOnEnter() const;
    void setSendOnEnter(bool send);

    /// How models are loaded; `path` is the model last used (empty: none yet), `draftPath` the one that
    /// guesses ahead for it.
    ModelOptions modelOptions() const;
    void setModelOptions(const ModelOptions& options);

    /// The model that guesses ahead for another one; empty: none.
    QString draftFor(const QString& model) const;
    void setDraftFor(const QString& model, const QString& draft);

    SamplingSettings sampling() const;
    void setSampling(const SamplingSettings& sampling);
    /// What conversations do when they outgrow the context, if they have no choice of their own.
    WhenFull whenFull() const;
    void setWhenFull(WhenFull whenFull);
    QString systemPrompt() const;  ///< of new conversations
    void setSystemPrompt(const QString& text);

    ConversationId lastConversation() const;
    void setLastConversation(ConversationId id);

    QByteArray windowState(const QString& key) const;  ///< geometry, splitters, …
    void setWindowState(const QString& key, const QByteArray& state);

    void sync();  ///< writes now; otherwise it happens soon by itself

  Q_SIGNALS:
    void changed();  ///< anything but windowState and lastConversation

  private:
    template <class T>
    void set(const char* key, const T& value);
    mutable QSettings file_;
};

}  // namespace app
