#include <QDir>
#include <QFile>
#include <QTemporaryDir>
#include <QTest>

#include "app/store/conversation_store.h"
#include "app/store/database.h"
#include "tests/app/support/values.h"

using namespace app;
using app::testing::conversation;
using app::testing::message;

namespace {

void overwrite(const QString& path, qint64 at, const QByteArray& bytes) {
    QFile file(path);
    QVERIFY(file.open(QIODevice::ReadWrite));
    QVERIFY(file.seek(at));
    QCOMPARE(file.write(bytes), bytes.size());
}

}  // namespace

/// What is left when files are damaged behind the program's back.
class StoreDamageTest : public QObject {
    Q_OBJECT
    std::unique_ptr<QTemporaryDir> folder_;
    QString file() const { return folder_->filePath("conversations.db"); }

    /// Conversations of messages long enough to fill many pages.
    void fill(int conversations, int messages) {
        ConversationStore store(file());
        for (int i = 0; i < conversations; ++i) {
            Conversation chat = conversation(QString("chat %1").arg(i));
            QList<Message> list;
            for (int k = 0; k < messages; ++k)
                list.append(message(chat.id, k > 0 ? list.last().id : 0, Role::User,
                                    QString("message %1 of %2. ").arg(k).arg(i).repeated(30)));
            chat.activeLeaf = list.last().id;
            store.addTree(chat, list);
        }
    }
    QStringList asideFiles() const {
        return QDir(folder_->path()).entryList({"conversations-damaged-*.db"}, QDir::Files);
    }
    static int messagesIn(const ConversationStore& store) {
        int count = 0;
        for (const Conversation& chat : store.conversations()) count += store.tree(chat.id).size();
        return count;
    }

  private Q_SLOTS:
    void init() { folder_ = std::make_unique<QTemporaryDir>(); }

    void aFileThatIsNoDatabaseIsMovedAsideAndKept() {
        QFile bad(file());
        QVERIFY(bad.open(QIODevice::WriteOnly));
        bad.write("This is a diary, not a database. ");
        bad.write(QByteArray(9000, 'x'));
        bad.close();
        ConversationStore store(file());
        QVERIFY(store.isOpen());
        QCOMPARE(asideFiles().size(), 1);
        QVERIFY2(store.notice().contains(asideFiles().first()), qPrintable(store.notice()));
        QFile aside(folder_->filePath(asideFiles().first()));
        QVERIFY(aside.open(QIODevice::ReadOnly));
        QVERIFY(aside.readAll().startsWith("This is a diary"));
        const Conversation chat = conversation("new life");
        store.addConversation(chat);
        store.flush();
        QCOMPARE(store.conversations().size(), 1);
    }

    void whatCanBeReadOfADamagedDatabaseComesOver() {
        fill(20, 20);
        // A stretch in the middle, as a bad sector leaves it. The crash before it makes the next start look.
        const qint64 size = QFileInfo(file()).size();
        overwrite(file(), size / 2 / 4096 * 4096, QByteArray(3 * 4096, '\x5A'));
        overwrite(file() + "-wal", 0, QByteArray(64, 'w'));
        ConversationStore store(file());
        QVERIFY2(store.isOpen(), qPrintable(store.notice()));
        QCOMPARE(asideFiles().size(), 1);
        QVERIFY2(store.notice().contains("damaged"), qPrintable(store.notice()));
        const int left = messagesIn(store);
        QVERIFY2(left > 200 && left <= 400, qPrintable(QString::number(left)));
        QVERIFY(store.conversations().size() >= 10);
        // And it is a whole database again.
        Database database;
        QVERIFY(database.open(file(), Database::Access::ReadOnly));
        QCOMPARE(database.value("PRAGMA integrity_check").toString(), QString("ok"));
        QVERIFY(!database.query("PRAGMA foreign_key_check").next());
    }

    void messagesWhoseConversationIsLostGetAnotherOne() {
        fill(1, 3);
        {
            Database database;
            QVERIFY(database.open(file(), Database::Access::ReadWrite));
            QVERIFY(database.run("PRAGMA foreign_keys = OFF"));
            QVERIFY(database.run("DELETE FROM conversations"));
            // Schema damage that makes opening fail: the index names a page that is not there.
            QVERIFY(database.run("PRAGMA writable_schema = ON"));
            QVERIFY(database.run("UPDATE sqlite_master SET rootpage = 99999 WHERE name = 'messages_parent'"));
        }
        overwrite(file() + "-wal", 0, QByteArray(64, 'w'));
        const ConversationStore store(file());
        QVERIFY2(store.isOpen(), qPrintable(store.notice()));
        QCOMPARE(store.conversations().size(), 1);
        QCOMPARE(store.conversations().first().title, QString("Recovered conversation"));
        QCOMPARE(messagesIn(store), 3);
    }

    void oneBadRowHidesNoOther() {
        fill(3, 2);
        {
            Database database;
            QVERIFY(database.open(file(), Database::Access::ReadWrite));
            QVERIFY(
                database.run("UPDATE messages SET role = 'nonsense', state = 77, created = 'x', ids = 'abc',"
                             " stats = '{broken', vocabulary = 'y'"
                             " WHERE id = (SELECT min(id) FROM messages)"));
            QVERIFY(
                database.run("UPDATE conversations SET sampling = '[1,2', active_leaf = 'z', pinned = 'q'"
                             " WHERE id = (SELECT min(id) FROM conversations)"));
            QVERIFY(database.run("PRAGMA foreign_keys = OFF"));
            QVERIFY(
                database.run("UPDATE messages SET parent = 4242 WHERE id = (SELECT max(id) FROM messages)"));
        }
        const ConversationStore store(file());
        QVERIFY(store.isOpen());
        QCOMPARE(store.conversations().size(), 3);
        QCOMPARE(messagesIn(store), 6);
    }

    void everyCutOfTheFileLeavesAProgramThatStarts() {
        fill(4, 4);
        QFile whole(file());
        QVERIFY(whole.open(QIODevice::ReadOnly));
        const QByteArray bytes = whole.readAll();
        whole.close();
        for (qsizetype length = 0; length < bytes.size(); length += bytes.size() / 23 + 1) {
            QTemporaryDir folder;
            QFile cut(folder.filePath("conversations.db"));
            QVERIFY(cut.open(QIODevice::WriteOnly));
            cut.write(bytes.left(length));
            cut.close();
            overwrite(cut.fileName() + "-wal", 0, QByteArray(64, 'w'));
            ConversationStore store(cut.fileName());
            QVERIFY2(store.isOpen(), qPrintable(QString("%1 bytes: %2").arg(length).arg(store.notice())));
            // The last page may hold nothing that counts; otherwise it is said that something is missing.
            if (length > 0 && messagesIn(store) < 16) QVERIFY(!store.notice().isEmpty());
            store.addConversation(conversation("after"));
            store.flush();
            bool found = false;
            for (const Conversation& chat : store.conversations()) found = found || chat.title == "after";
            QVERIFY(found);
        }
    }
};

QTEST_GUILESS_MAIN(StoreDamageTest)
#include "store_damage_test.moc"
