#include "app/store/store_writer.h"

#include <QDir>
#include <QFile>
#include <QFileInfo>

#include "app/store/conversation_store.h"
#include "app/store/rows.h"
#include "app/store/salvage.h"
#include "app/store/schema.h"

namespace app {
namespace {

constexpr int kTidyMillis = 50;
constexpr int kTidyRetryMillis = 1000;
constexpr int kMergePages = 256;

qint64 now() {
    return QDateTime::currentMSecsSinceEpoch();
}

}  // namespace

StoreWriter::StoreWriter(QString file) : file_(std::move(file)), flushTimer_(this), tidyTimer_(this) {
    flushTimer_.setSingleShot(true);
    tidyTimer_.setSingleShot(true);
    connect(&flushTimer_, &QTimer::timeout, this, &StoreWriter::flush);
    connect(&tidyTimer_, &QTimer::timeout, this, &StoreWriter::tidyAfterRemoval);
}

StoreWriter::Opened StoreWriter::open() {
    Opened result;
    const QString folder = QFileInfo(file_).path();
    if (!QDir(folder).exists() && QDir().mkpath(folder))
        QFile::setPermissions(folder,
                              QFileDevice::ReadOwner | QFileDevice::WriteOwner | QFileDevice::ExeOwner);
    // Whoever holds it may say that replies were interrupted; another program (`alcove export` beside the
    // window) may not. It is the kernel's when its holder dies.
    lock_ = std::make_unique<QLockFile>(file_ + QStringLiteral(".lock"));
    lock_->setStaleLockTime(0);
    const bool alone = lock_->tryLock(0);
    if (!alone) lock_.reset();

    QString problem;
    if (!openDatabase(problem)) {
        if (!database_.isDamaged() || !alone) {
            database_.close();
            closedReason_ = tr("Conversations cannot be kept: %1: %2.").arg(file_, problem);
            result.notice = closedReason_;
            return result;
        }
        database_.close();
        const QString aside = moveAside(file_);
        if (aside.isEmpty() || !openDatabase(problem)) {
            database_.close();
            closedReason_ = tr("Conversations cannot be kept: %1 is damaged and cannot be moved aside; move "
                               "it away by hand.")
                                .arg(file_);
            result.notice = closedReason_;
            return result;
        }
        const Salvaged salvaged = salvage(aside, database_);
        result.notice =
            tr("The conversation database was damaged. It is kept as %1; %2 conversations with %3 "
               "messages could be read from it and are here.")
                .arg(aside)
                .arg(salvaged.conversations)
                .arg(salvaged.messages);
    }
    fullText_ = ensureSearchIndex(database_);
    if (alone)
        database_.run(
            QStringLiteral("UPDATE messages SET state = ? WHERE state = ?"),
            {static_cast<int>(MessageState::Interrupted), static_cast<int>(MessageState::Streaming)});
    result.open = true;
    result.fullText = fullText_;
    return result;
}

/// `problem` says what failed; database_.isDamaged() whether the file itself is at fault.
bool StoreWriter::openDatabase(QString& problem) {
    // SQLite removes its log on a clean end.
    const bool crashed = QFileInfo(file_ + QStringLiteral("-wal")).size() > 0;
    const bool ready = database_.open(file_, Database::Access::ReadWrite) &&
                       database_.run(QStringLiteral("PRAGMA secure_delete = ON")) &&
                       database_.run(QStringLiteral("PRAGMA journal_mode = WAL")) &&
                       database_.run(QStringLiteral("PRAGMA synchronous = FULL"));
    if (!ready) {
        problem = database_.error().text();
        return false;
    }
    if (crashed && !isIntact()) {
        problem = tr("it is damaged");
        return false;
    }
    problem = migrate(database_);
    return problem.isEmpty();
}

/// Leaves a damage error behind when it is not.
bool StoreWriter::isIntact() {
    const QVariant verdict = database_.value(QStringLiteral("PRAGMA quick_check(1)"));
    if (verdict.toString() == QLatin1String("ok")) return true;
    database_.noteDamage(verdict.toString());
    return false;
}

void StoreWriter::close() {
    flush();
    database_.close();
    lock_.reset();
}

/// One transaction. On failure nothing of it is kept and the failure is reported.
bool StoreWriter::write(MessageId message, const std::function<bool()>& statements) {
    if (database_.isOpen()) {
        Transaction transaction(database_);
        if (transaction.begun() && statements() && transaction.commit()) return true;
        complain(message);
    } else {
        complain(message);
    }
    return false;
}

void StoreWriter::complain(MessageId message) {
    const QString reason =
        database_.isOpen()
            ? tr("Writing to %1 failed: %2. Free some disk space or check the folder's permissions, "
                 "then try again.")
                  .arg(file_, database_.error().text())
            : closedReason_;
    Q_EMIT writeFailed(message, reason);
}

void StoreWriter::announce(ConversationId id) {
    QSqlQuery row = database_.query(
        QStringLiteral("SELECT %1 FROM conversations WHERE id = ?").arg(kConversationColumns), {id});
    if (row.isActive() && row.next()) Q_EMIT conversationChanged(conversationFromRow(row));
}

void StoreWriter::addTree(const Conversation& conversation, const QList<Message>& messages) {
    const bool done = write(0, [&] {
        if (!database_.run(insertStatement(QStringLiteral("conversations"), kConversationColumns),
                           toRow(conversation)))
            return false;
        const QString insert = insertStatement(QStringLiteral("messages"), kMessageColumns);
        for (const Message& message : messages)
            if (!database_.run(insert, toRow(message))) return false;
        return true;
    });
    if (!done) return;
    Q_EMIT conversationAdded(conversation);
    for (const Message& message : messages) Q_EMIT messageCommitted(message.id);
}

void StoreWriter::updateConversation(const Conversation& conversation) {
    QVariantList values = toRow(conversation);
    values.removeAt(6);  // active_leaf
    values.removeAt(2);  // created
    values.append(values.takeFirst());
    const bool done = write(0, [&] {
        return database_.run(QStringLiteral("UPDATE conversations SET title = ?, updated = ?, model_path = ?,"
                                            " system_prompt = ?, pinned = ?, archived = ?, folder = ?,"
                                            " sampling = ?, when_full = ? WHERE id = ?"),
                             values);
    });
    if (done) announce(conversation.id);
}

void StoreWriter::setActiveLeaf(ConversationId conversation, MessageId leaf) {
    const bool done = write(0, [&] {
        return database_.run(QStringLiteral("UPDATE conversations SET active_leaf = ? WHERE id = ?"),
                             {leaf, conversation});
    });
    if (done) announce(conversation);
}

void StoreWriter::remove(ConversationId conversation) {
    const bool done = write(0, [&] {
        return database_.run(QStringLiteral("DELETE FROM messages WHERE conversation = ?"), {conversation}) &&
               database_.run(QStringLiteral("DELETE FROM conversations WHERE id = ?"), {conversation});
    });
    if (!done) return;
    Q_EMIT conversationRemoved(conversation);
    firstMerge_ = true;
    tidyTimer_.start(kTidyMillis);
}

void StoreWriter::removeAll() {
    QList<ConversationId> removed;
    const bool done = write(0, [&] {
        QSqlQuery rows = database_.query(QStringLiteral("SELECT id FROM conversations"));
        if (!rows.isActive()) return false;
        while (rows.next()) removed.append(rows.value(0).toLongLong());
        return database_.run(QStringLiteral("DELETE FROM messages")) &&
               database_.run(QStringLiteral("DELETE FROM conversations"));
    });
    if (!done) return;
    for (const ConversationId conversation : std::as_const(removed)) Q_EMIT conversationRemoved(conversation);
    firstMerge_ = true;
    tidyTimer_.start(kTidyMillis);
}

/// Deleted words live on in the index until its parts are merged, and in the log until it is emptied. A
/// piece at a time, so that replies are flushed in between.
void StoreWriter::tidyAfterRemoval() {
    if (!database_.isOpen()) return;
    if (fullText_) {
        const QString changes = QStringLiteral("SELECT total_changes()");
        const int before = database_.value(changes).toInt();
        database_.run(QStringLiteral("INSERT INTO search(search, rank) VALUES ('merge', ?)"),
                      {firstMerge_ ? -kMergePages : kMergePages});
        const bool merged = database_.value(changes).toInt() - before >= 2;
        firstMerge_ = false;
        if (merged) return tidyTimer_.start(0);
    }
    // A reader may keep the log in use; then it is emptied a little later.
    const int busy = database_.value(QStringLiteral("PRAGMA wal_checkpoint(TRUNCATE)")).toInt();
    if (busy != 0) tidyTimer_.start(kTidyRetryMillis);
}

void StoreWriter::addMessage(const Message& message) {
    const bool done = write(message.id, [&] {
        return database_.run(insertStatement(QStringLiteral("messages"), kMessageColumns), toRow(message)) &&
               database_.run(
                   QStringLiteral("UPDATE conversations SET active_leaf = ?, updated = ? WHERE id = ?"),
                   {message.id, now(), message.conversation});
    });
    if (!done) return;
    if (message.state == MessageState::Streaming)
        replies_.insert(message.id, {message.text, message.generated, false, false});
    Q_EMIT messageCommitted(message.id);
    announce(message.conversation);
}

void StoreWriter::appendToReply(MessageId reply, const QString& text, const GeneratedIds& ids) {
    const auto found = replies_.find(reply);
    if (found == replies_.end()) return;
    found->text += text;
    found->generated.vocabularyHash = ids.vocabularyHash;
    found->generated.ids += ids.ids;
    found->changed = true;
    // Started only if idle: a timer that each token restarts never fires.
    if (!flushTimer_.isActive()) flushTimer_.start(ConversationStore::kFlushMillis);
}

void StoreWriter::flush() {
    flushTimer_.stop();
    for (auto reply = replies_.begin(); reply != replies_.end(); ++reply) {
        if (!reply->changed) continue;
        Transaction transaction(database_);
        const bool done =
            transaction.begun() &&
            database_.run(
                QStringLiteral("UPDATE messages SET text = ?, vocabulary = ?, ids = ? WHERE id = ?"),
                {reply->text, static_cast<qint64>(reply->generated.vocabularyHash),
                 packIds(reply->generated.ids), reply.key()}) &&
            transaction.commit();
        // The text is still here and goes out with the next flush; people hear of it once.
        if (!done && !std::exchange(reply->complained, true)) complain(reply.key());
        reply->changed = !done;
    }
}

void StoreWriter::finishReply(const Message& reply) {
    replies_.remove(reply.id);
    const QVariantList row = toRow(reply);
    const bool done = write(reply.id, [&] {
        return database_.run(
            QStringLiteral("UPDATE messages SET text = ?, error = ?, vocabulary = ?, ids = ?,"
                           " stats = ?, state = ? WHERE id = ?"),
            {row[6], row[7], row[8], row[9], row[10], row[4], reply.id});
    });
    if (done) Q_EMIT messageCommitted(reply.id);
}

}  // namespace app
