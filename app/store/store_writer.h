#pragma once

#include <QHash>
#include <QList>
#include <QLockFile>
#include <QObject>
#include <QTimer>
#include <functional>
#include <memory>

#include "app/store/conversation.h"
#include "app/store/database.h"

namespace app {

/// The store thread's half of ConversationStore: the only writing connection. Everything here runs on that
/// thread; signals go out once the change is committed.
class StoreWriter : public QObject {
    Q_OBJECT
  public:
    explicit StoreWriter(QString file);

    struct Opened {
        bool open = false;
        bool fullText = false;
        QString notice;
    };
    Opened open();
    void close();

    void addTree(const Conversation& conversation, const QList<Message>& messages);
    void updateConversation(const Conversation& conversation);
    void setActiveLeaf(ConversationId conversation, MessageId leaf);
    void remove(ConversationId conversation);
    void removeAll();
    void addMessage(const Message& message);
    void appendToReply(MessageId reply, const QString& text, const GeneratedIds& ids);
    void finishReply(const Message& reply);
    void flush();  ///< what replies have grown by since the last flush

  Q_SIGNALS:
    void messageCommitted(qint64 message);
    void writeFailed(qint64 message, const QString& text);
    void conversationAdded(const app::Conversation& conversation);
    void conversationChanged(const app::Conversation& conversation);
    void conversationRemoved(qint64 conversation);

  private:
    struct GrowingReply {
        QString text;
        GeneratedIds generated;
        bool changed = false;
        bool complained = false;
    };
    bool openDatabase(QString& problem);
    bool isIntact();
    bool write(MessageId message, const std::function<bool()>& statements);
    void complain(MessageId message);
    void announce(ConversationId conversation);
    void tidyAfterRemoval();

    QString file_;
    Database database_;
    std::unique_ptr<QLockFile> lock_;
    bool fullText_ = false;
    QString closedReason_;
    QHash<MessageId, GrowingReply> replies_;
    QTimer flushTimer_;
    QTimer tidyTimer_;
    bool firstMerge_ = true;
};

}  // namespace app
