#include "app/store/conversation_store.h"

#include <QDateTime>
#include <QRandomGenerator>
#include <QThread>
#include <algorithm>
#include <atomic>

#include "app/store/rows.h"
#include "app/store/search.h"
#include "app/store/store_writer.h"

namespace app {

class ConversationStore::Private {
  public:
    explicit Private(const QString& path) : file(path), writer(new StoreWriter(path)) {}

    /// Queues a write. Copies what it captures; runs on the store thread.
    template <class Write>
    void post(Write write) {
        QMetaObject::invokeMethod(writer, [this, write = std::move(write)] { write(*writer); });
    }

    /// Runs `read` over a connection of the calling thread: the store's own thread keeps one open.
    template <class Read>
    auto reading(const QThread* home, Read read) {
        if (QThread::currentThread() == home) {
            if (!homeReader.isOpen()) homeReader.open(file, Database::Access::ReadOnly);
            return read(homeReader);
        }
        Database reader;
        reader.open(file, Database::Access::ReadOnly);
        return read(reader);
    }

    QString file;
    QThread thread;
    StoreWriter* writer;  ///< lives on `thread`
    StoreWriter::Opened opened;
    Database homeReader;
};

ConversationStore::ConversationStore(const QString& file, QObject* parent)
    : QObject(parent), d_(std::make_unique<Private>(file)) {
    qRegisterMetaType<Conversation>();
    StoreWriter* writer = d_->writer;
    connect(writer, &StoreWriter::messageCommitted, this, &ConversationStore::messageCommitted);
    connect(writer, &StoreWriter::writeFailed, this, &ConversationStore::writeFailed);
    connect(writer, &StoreWriter::conversationAdded, this, &ConversationStore::conversationAdded);
    connect(writer, &StoreWriter::conversationChanged, this, &ConversationStore::conversationChanged);
    connect(writer, &StoreWriter::conversationRemoved, this, &ConversationStore::conversationRemoved);
    d_->thread.setObjectName(QStringLiteral("store"));
    writer->moveToThread(&d_->thread);
    connect(&d_->thread, &QThread::finished, writer, &QObject::deleteLater);
    d_->thread.start();
    QMetaObject::invokeMethod(
        writer, [this] { d_->opened = d_->writer->open(); }, Qt::BlockingQueuedConnection);
}

ConversationStore::~ConversationStore() {
    d_->homeReader.close();
    // Last in the queue, so after every write. The connection belongs to the store thread.
    QMetaObject::invokeMethod(d_->writer, [this] {
        d_->writer->close();
        QThread::currentThread()->quit();
    });
    d_->thread.wait();
}

bool ConversationStore::isOpen() const {
    return d_->opened.open;
}

QString ConversationStore::fileName() const {
    return d_->file;
}

QString ConversationStore::notice() const {
    return d_->opened.notice;
}

bool ConversationStore::hasFullTextIndex() const {
    return d_->opened.fullText;
}

qint64 ConversationStore::newId() {
    // Milliseconds since 2020 in 41 bits, then 22 bits that begin somewhere else in each process.
    constexpr qint64 kEpoch = 1577836800000;
    constexpr int kLowBits = 22;
    static const qint64 kSalt = QRandomGenerator::global()->bounded(1U << kLowBits);
    static std::atomic<qint64> last{0};
    const qint64 candidate = ((QDateTime::currentMSecsSinceEpoch() - kEpoch) << kLowBits) | kSalt;
    qint64 previous = last.load();
    qint64 next = 0;
    do {
        next = std::max(previous + 1, candidate);
    } while (!last.compare_exchange_weak(previous, next));
    return next;
}

QList<Conversation> ConversationStore::conversations() const {
    return d_->reading(thread(), [&](Database& reader) {
        QList<Conversation> result;
        forEachRow(reader, QStringLiteral("conversations"), kConversationColumns, {}, {},
                   [&](const QSqlQuery& row) { result.append(conversationFromRow(row)); });
        std::stable_sort(result.begin(), result.end(), [](const Conversation& a, const Conversation& b) {
            return a.updated != b.updated ? a.updated > b.updated : a.id > b.id;
        });
        return result;
    });
}

std::optional<Conversation> ConversationStore::conversation(ConversationId id) const {
    return d_->reading(thread(), [&](Database& reader) {
        std::optional<Conversation> result;
        forEachRow(reader, QStringLiteral("conversations"), kConversationColumns,
                   QStringLiteral("WHERE id = ?"), {id},
                   [&](const QSqlQuery& row) { result = conversationFromRow(row); });
        return result;
    });
}

MessageTree ConversationStore::tree(ConversationId id) const {
    return d_->reading(thread(), [&](Database& reader) {
        QList<Message> messages;
        forEachRow(reader, QStringLiteral("messages"), kMessageColumns,
                   QStringLiteral("WHERE conversation = ?"), {id},
                   [&](const QSqlQuery& row) { messages.append(messageFromRow(row)); });
        const QVariant leaf =
            reader.value(QStringLiteral("SELECT active_leaf FROM conversations WHERE id = ?"), {id});
        return MessageTree(std::move(messages), leaf.toLongLong());
    });
}

std::optional<Message> ConversationStore::message(MessageId id) const {
    return d_->reading(thread(), [&](Database& reader) {
        std::optional<Message> result;
        forEachRow(reader, QStringLiteral("messages"), kMessageColumns, QStringLiteral("WHERE id = ?"), {id},
                   [&](const QSqlQuery& row) { result = messageFromRow(row); });
        return result;
    });
}

QList<SearchHit> ConversationStore::search(const QString& text, int limit) const {
    return d_->reading(thread(), [&](Database& reader) {
        return searchConversations(reader, text, limit, d_->opened.fullText);
    });
}

void ConversationStore::addConversation(const Conversation& conversation) {
    addTree(conversation, {});
}

void ConversationStore::addTree(const Conversation& conversation, const QList<Message>& messages) {
    d_->post([conversation, messages](StoreWriter& writer) { writer.addTree(conversation, messages); });
}

void ConversationStore::updateConversation(const Conversation& conversation) {
    d_->post([conversation](StoreWriter& writer) { writer.updateConversation(conversation); });
}

void ConversationStore::setActiveLeaf(ConversationId conversation, MessageId leaf) {
    d_->post([conversation, leaf](StoreWriter& writer) { writer.setActiveLeaf(conversation, leaf); });
}

void ConversationStore::remove(ConversationId conversation) {
    d_->post([conversation](StoreWriter& writer) { writer.remove(conversation); });
}

void ConversationStore::removeAll() {
    d_->post([](StoreWriter& writer) { writer.removeAll(); });
}

void ConversationStore::addMessage(const Message& message) {
    d_->post([message](StoreWriter& writer) { writer.addMessage(message); });
}

void ConversationStore::appendToReply(MessageId reply, const QString& text, const GeneratedIds& ids) {
    d_->post([reply, text, ids](StoreWriter& writer) { writer.appendToReply(reply, text, ids); });
}

void ConversationStore::finishReply(const Message& reply) {
    d_->post([reply](StoreWriter& writer) { writer.finishReply(reply); });
}

void ConversationStore::flush() {
    QMetaObject::invokeMethod(
        d_->writer, [this] { d_->writer->flush(); }, Qt::BlockingQueuedConnection);
}

}  // namespace app
