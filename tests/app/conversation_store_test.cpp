#include "app/store/conversation_store.h"

#include <QDir>
#include <QDirIterator>
#include <QFile>
#include <QProcess>
#include <QSignalSpy>
#include <QTemporaryDir>
#include <QTest>
#include <csignal>

#include "app/store/database.h"
#include "tests/app/support/values.h"

using namespace app;
using app::testing::conversation;
using app::testing::message;

namespace {

/// Everything that the store's folder holds, as bytes.
QByteArray allBytes(const QString& folder) {
    QByteArray bytes;
    QDirIterator files(folder, QDir::Files);
    while (files.hasNext()) {
        QFile file(files.next());
        if (file.open(QIODevice::ReadOnly)) bytes += file.readAll();
    }
    return bytes;
}

QStringList textsOf(const MessageTree& tree) {
    QStringList texts;
    for (const MessageId id : tree.path()) texts.append(tree.at(id).text);
    return texts;
}

QStringList hitsOf(const QList<SearchHit>& hits) {
    QStringList texts;
    for (const SearchHit& hit : hits) texts.append(hit.snippet);
    return texts;
}

}  // namespace

class ConversationStoreTest : public QObject {
    Q_OBJECT
    std::unique_ptr<QTemporaryDir> folder_;
    std::unique_ptr<ConversationStore> store_;

    QString file() const { return folder_->filePath("data/conversations.db"); }
    void reopen() {
        store_.reset();
        store_ = std::make_unique<ConversationStore>(file());
    }

  private Q_SLOTS:
    void init() {
        folder_ = std::make_unique<QTemporaryDir>();
        reopen();
        QVERIFY2(store_->isOpen(), qPrintable(store_->notice()));
    }
    void cleanup() { store_.reset(); }

    void keepsEveryFieldOfConversationsAndMessages() {
        Conversation chat = conversation("Ünïcode 😀 title");
        chat.modelPath = "/models/a.gguf";
        chat.systemPrompt = "Be brief.\n";
        chat.pinned = chat.archived = true;
        chat.folder = "Work";
        chat.sampling = SamplingSettings{0.1, 2, 0.3, 0.4, 1.5, 0.6, -1, quint64(-3), 8, {"a", "\n"}};
        Message question = message(chat.id, 0, Role::User, QString::fromLatin1("nul \0 inside", 12));
        Message answer = message(chat.id, question.id, Role::Assistant, "42", MessageState::Failed);
        answer.error = "the device failed";
        answer.generated = {0xFEDCBA9876543210ULL, {0, 1, 151935, -1}};
        answer.stats = {1,  2,  3,  4,   5,    1.5, 6, 7, 8.5, 9.5, 10.5, 11.5, EndReason::Failed,
                        12, 13, 14, "m", "cpu"};
        chat.activeLeaf = answer.id;
        store_->addTree(chat, {question, answer});
        reopen();
        QCOMPARE(store_->conversations(), QList<Conversation>{chat});
        QCOMPARE(store_->conversation(chat.id), std::optional(chat));
        const MessageTree tree = store_->tree(chat.id);
        QCOMPARE(tree.path(), (QList<MessageId>{question.id, answer.id}));
        QVERIFY(tree.at(question.id) == question);
        QVERIFY(tree.at(answer.id) == answer);
    }

    void filesArePrivateToTheirUser() {
        store_->addConversation(conversation("secret"));
        store_->flush();
        int files = 0;
        QDirIterator entries(folder_->filePath("data"), QDir::Files | QDir::Hidden);
        while (entries.hasNext()) {
            const QFileInfo info(entries.next());
            if (info.fileName().endsWith(".lock")) continue;
            ++files;
            const QFileDevice::Permissions others = QFileDevice::ReadGroup | QFileDevice::WriteGroup |
                                                    QFileDevice::ReadOther | QFileDevice::WriteOther;
            QVERIFY2(!(info.permissions() & others), qPrintable(info.fileName()));
        }
        QVERIFY(files >= 2);  // the database and its log
        QCOMPARE(QFileInfo(folder_->filePath("data")).permissions() & QFileDevice::ReadOther,
                 QFileDevice::Permissions());
    }

    void saysCommittedOnlyWhenAnotherConnectionSeesIt() {
        const Conversation chat = conversation("chat");
        const Message question = message(chat.id, 0, Role::User, "hello");
        Database other;
        bool seen = false;
        connect(store_.get(), &ConversationStore::messageCommitted, this, [&](qint64 id) {
            QVERIFY(other.open(file(), Database::Access::ReadOnly));
            seen = other.value("SELECT text FROM messages WHERE id = ?", {id}).toString() == "hello";
        });
        store_->addConversation(chat);
        store_->addMessage(question);
        QTRY_VERIFY(seen);
    }

    void addingAMessageMovesTheActiveLeafAndTheTime() {
        const Conversation chat = conversation("chat");
        const Message first = message(chat.id, 0, Role::User, "one");
        const Message second = message(chat.id, 0, Role::User, "another one");
        QSignalSpy changed(store_.get(), &ConversationStore::conversationChanged);
        store_->addConversation(chat);
        store_->addMessage(first);
        store_->addMessage(second);
        store_->flush();
        QCOMPARE(textsOf(store_->tree(chat.id)), QStringList{"another one"});
        store_->setActiveLeaf(chat.id, first.id);
        store_->flush();
        QCOMPARE(textsOf(store_->tree(chat.id)), QStringList{"one"});
        QVERIFY(store_->conversation(chat.id)->updated > chat.updated);
        QTRY_COMPARE(changed.size(), 3);
        QCOMPARE(changed.last().first().value<Conversation>().activeLeaf, first.id);
    }

    void updatingLeavesTheLeafAndTheCreationAlone() {
        Conversation chat = conversation("before");
        const Message question = message(chat.id, 0, Role::User, "q");
        store_->addConversation(chat);
        store_->addMessage(question);
        Conversation changed = chat;
        changed.title = "after";
        changed.pinned = true;
        changed.created = app::testing::time(1);
        changed.activeLeaf = 77;
        store_->updateConversation(changed);
        store_->flush();
        const Conversation now = *store_->conversation(chat.id);
        QCOMPARE(now.title, QString("after"));
        QVERIFY(now.pinned);
        QCOMPARE(now.created, chat.created);
        QCOMPARE(now.activeLeaf, question.id);
    }

    void newestConversationsComeFirst() {
        Conversation old = conversation("old"), young = conversation("young");
        old.updated = app::testing::time(1000);
        young.updated = app::testing::time(2000);
        store_->addConversation(young);
        store_->addConversation(old);
        store_->flush();
        QCOMPARE(store_->conversations().first().title, QString("young"));
    }

    void aReplyGrowsOnDiskWhileItIsWritten() {
        const Conversation chat = conversation("chat");
        const Message reply = message(chat.id, 0, Role::Assistant, "", MessageState::Streaming);
        store_->addConversation(chat);
        store_->addMessage(reply);
        store_->appendToReply(reply.id, "Hel", {7, {1, 2}});
        store_->appendToReply(reply.id, "lo", {7, {3}});
        // With no call to flush(): the store's own clock does it.
        QTRY_COMPARE(store_->message(reply.id)->text, QString("Hello"));
        QCOMPARE(store_->message(reply.id)->generated, (GeneratedIds{7, {1, 2, 3}}));
        QCOMPARE(store_->message(reply.id)->state, MessageState::Streaming);
        Message last = reply;
        last.text = "Hello.";
        last.state = MessageState::Stopped;
        last.generated = {7, {1, 2, 3, 4}};
        last.stats.newTokens = 4;
        store_->finishReply(last);
        store_->appendToReply(reply.id, "too late", {7, {5}});
        store_->flush();
        QVERIFY(*store_->message(reply.id) == last);
    }

    void constantAppendingDoesNotKeepTheTextFromDisk() {
        const Conversation chat = conversation("chat");
        const Message reply = message(chat.id, 0, Role::Assistant, "", MessageState::Streaming);
        store_->addConversation(chat);
        store_->addMessage(reply);
        bool onDisk = false;
        QElapsedTimer clock;
        clock.start();
        while (!onDisk && clock.elapsed() < 20000) {
            store_->appendToReply(reply.id, "x", {});
            QTest::qWait(2);
            onDisk = !store_->message(reply.id)->text.isEmpty();
        }
        QVERIFY(onDisk);
    }

    void removingAllLeavesNothing() {
        QList<qint64> gone;
        connect(store_.get(), &ConversationStore::conversationRemoved, this, [&](qint64 id) { gone += id; });
        QList<ConversationId> ids;
        for (const char* text : {"walrus one", "walrus two"}) {
            Conversation chat = conversation("chat");
            store_->addTree(chat, {message(chat.id, 0, Role::User, text)});
            ids += chat.id;
        }
        store_->flush();
        QCOMPARE(store_->search("walrus").size(), 2);
        store_->removeAll();
        store_->flush();
        QTRY_COMPARE(gone.size(), 2);
        QCOMPARE(QSet<qint64>(gone.begin(), gone.end()), QSet<qint64>(ids.begin(), ids.end()));
        QVERIFY(store_->conversations().isEmpty());
        QVERIFY(store_->search("walrus").isEmpty());
        reopen();
        QVERIFY(store_->conversations().isEmpty());
        QVERIFY(!store_->message(ids.first()));
    }

    void removedConversationsLeaveNoBytesBehind() {
        // Letters that no other part of the file holds, several of them to fill more than one page.
        const QString secret = "Xylotrupesgideon";
        const Conversation kept = conversation("kept");
        const Conversation gone = conversation("gone " + secret);
        store_->addConversation(kept);
        store_->addMessage(message(kept.id, 0, Role::User, "stays here"));
        store_->addConversation(gone);
        Message last = message(gone.id, 0, Role::User, secret);
        store_->addMessage(last);
        for (int i = 0; i < 50; ++i) {
            last = message(gone.id, last.id, Role::User, (secret + QString::number(i) + ' ').repeated(40));
            store_->addMessage(last);
        }
        store_->flush();
        const auto holdsSecret = [&] {
            // The index keeps words in lower case, with the beginnings of neighbours left out.
            return allBytes(folder_->filePath("data")).toLower().contains("ylotrupesgideon");
        };
        QVERIFY(holdsSecret());
        QSignalSpy removed(store_.get(), &ConversationStore::conversationRemoved);
        store_->remove(gone.id);
        QTRY_COMPARE(removed.size(), 1);
        QTRY_VERIFY_WITH_TIMEOUT(!holdsSecret(), 20000);
        QVERIFY(store_->tree(gone.id).isEmpty());
        QVERIFY(store_->search(secret).isEmpty());
        QCOMPARE(textsOf(store_->tree(kept.id)), QStringList{"stays here"});
    }

    void deepConversationsCanBeRemoved() {
        Conversation chat = conversation("deep");
        QList<Message> messages;
        for (int i = 0; i < 3000; ++i)
            messages.append(message(chat.id, i > 0 ? messages.last().id : 0, Role::User, QString::number(i)));
        chat.activeLeaf = messages.last().id;
        store_->addTree(chat, messages);
        store_->flush();
        QCOMPARE(store_->tree(chat.id).path().size(), 3000);
        store_->remove(chat.id);
        store_->flush();
        QVERIFY(store_->conversations().isEmpty());
        QCOMPARE(store_->message(messages.last().id), std::optional<Message>());
    }

    void searchFindsWordsInTitlesAndMessages() {
        QVERIFY(store_->hasFullTextIndex());
        const Conversation chat = conversation("Rust borrow checker");
        const Message question = message(chat.id, 0, Role::User, "Explain lifetimes, please. Café au lait.");
        store_->addConversation(chat);
        store_->addMessage(question);
        store_->flush();
        const QList<SearchHit> title = store_->search("borrow");
        QCOMPARE(title.size(), 1);
        QCOMPARE(title.first().message, MessageId(0));
        QCOMPARE(title.first().conversation, chat.id);
        const QList<SearchHit> word = store_->search("LIFETIMES");
        QCOMPARE(word.size(), 1);
        QCOMPARE(word.first().message, question.id);
        QCOMPARE(word.first().title, chat.title);
        QCOMPARE(word.first().marks.size(), 1);
        const SearchHit::Range mark = word.first().marks.first();
        QCOMPARE(word.first().snippet.mid(mark.start, mark.length), QString("lifetimes"));
        QCOMPARE(store_->search("lifet").size(), 1);             // the last word is a beginning
        QCOMPARE(store_->search("please lifetimes").size(), 1);  // in any order
        QCOMPARE(store_->search("lifet please").size(), 0);      // the others are whole
        QCOMPARE(store_->search("cafe").size(), 1);              // accents do not count
        QCOMPARE(store_->search("lifetimes missing").size(), 0);
    }

    void nothingInASearchIsSyntax() {
        const Conversation chat = conversation("chat");
        store_->addConversation(chat);
        store_->addMessage(message(chat.id, 0, Role::User, "call f(\"x\") AND NOT -y* ^z"));
        store_->flush();
        for (const char* text :
             {"\"", "f(\"x", "AND", "NOT -y", "*", "^z", "text:call", "a OR b", "(", "%", "\\"})
            store_->search(text);
        QCOMPARE(store_->search("f(\"x\")").size(), 1);
        QCOMPARE(store_->search("(\"").size(), 1);  // no word in it: looked for as it stands
        QCOMPARE(store_->search("%").size(), 0);
        QCOMPARE(store_->search("  ").size(), 0);
        QCOMPARE(store_->search("text:call").size(), 0);
    }

    void searchFindsPartsOfTextsWrittenWithoutSpaces() {
        const Conversation chat = conversation("chat");
        store_->addConversation(chat);
        store_->addMessage(message(chat.id, 0, Role::User, "请解释一下量子计算的原理"));
        store_->flush();
        const QList<SearchHit> hits = store_->search("量子计算");
        QCOMPARE(hits.size(), 1);
        const SearchHit::Range mark = hits.first().marks.first();
        QCOMPARE(hits.first().snippet.mid(mark.start, mark.length), QString("量子计算"));
    }

    void aReplyIsFoundOnceItIsFinished() {
        const Conversation chat = conversation("chat");
        Message reply = message(chat.id, 0, Role::Assistant, "", MessageState::Streaming);
        store_->addConversation(chat);
        store_->addMessage(reply);
        store_->appendToReply(reply.id, "platypus", {});
        store_->flush();
        QCOMPARE(store_->search("platypus").size(), 0);
        reply.text = "platypus";
        reply.state = MessageState::Complete;
        store_->finishReply(reply);
        store_->flush();
        QCOMPARE(hitsOf(store_->search("platypus")), QStringList{"platypus"});
    }

    void idsGrowAndNeverRepeat() {
        qint64 last = 0;
        for (int i = 0; i < 100000; ++i) {
            const qint64 id = ConversationStore::newId();
            QVERIFY(id > last);
            last = id;
        }
    }

    void readsWorkFromAnyThread() {
        store_->addConversation(conversation("chat"));
        store_->flush();
        QString title;
        std::unique_ptr<QThread> thread(
            QThread::create([&] { title = store_->conversations().first().title; }));
        thread->start();
        QVERIFY(thread->wait(20000));
        QCOMPARE(title, QString("chat"));
    }

    void aFailedWriteSaysWhatToDo() {
        QSignalSpy failed(store_.get(), &ConversationStore::writeFailed);
        QSignalSpy committed(store_.get(), &ConversationStore::messageCommitted);
        const Message orphan = message(12345, 0, Role::User, "for a conversation that is not there");
        store_->addMessage(orphan);
        QTRY_COMPARE(failed.size(), 1);
        QCOMPARE(failed.first().at(0).toLongLong(), orphan.id);
        QVERIFY(failed.first().at(1).toString().contains("try again"));
        QCOMPARE(committed.size(), 0);
        QCOMPARE(store_->message(orphan.id), std::optional<Message>());
    }

    void aFolderThatCannotBeWrittenIsAMessageAndEveryWriteSaysIt() {
        ConversationStore store("/proc/alcove/conversations.db");
        QVERIFY(!store.isOpen());
        QVERIFY(store.notice().contains("/proc/alcove"));
        QSignalSpy failed(&store, &ConversationStore::writeFailed);
        store.addConversation(conversation("chat"));
        store.flush();
        QTRY_COMPARE(failed.size(), 1);
        QCOMPARE(failed.first().at(1).toString(), store.notice());
        QVERIFY(store.conversations().isEmpty());
        QVERIFY(store.search("chat").isEmpty());
    }

    void aKilledProgramLosesNoMoreThanTheLastFlush() {
        store_.reset();
        QProcess child;
        child.setProcessChannelMode(QProcess::ForwardedErrorChannel);
        child.start(QCoreApplication::applicationFilePath(), {"--write-until-killed", file()});
        QVERIFY(child.waitForStarted());
        // The child reports what it handed to the store and when, in milliseconds of its own clock.
        QList<QPair<qint64, qsizetype>> handed;
        while (handed.size() < 400 && child.waitForReadyRead(20000))
            while (child.canReadLine()) {
                const QList<QByteArray> words = child.readLine().trimmed().split(' ');
                handed.append({words[0].toLongLong(), words[1].toLongLong()});
            }
        QVERIFY(handed.size() >= 400);
        ::kill(static_cast<pid_t>(child.processId()), SIGKILL);
        child.waitForFinished();
        while (child.canReadLine()) {
            const QList<QByteArray> words = child.readLine().trimmed().split(' ');
            if (words.size() == 2) handed.append({words[0].toLongLong(), words[1].toLongLong()});
        }

        store_ = std::make_unique<ConversationStore>(file());
        QVERIFY(store_->isOpen());
        QVERIFY2(store_->notice().isEmpty(), qPrintable(store_->notice()));
        const MessageTree tree = store_->tree(store_->conversations().first().id);
        QCOMPARE(tree.path().size(), 2);
        const Message& reply = tree.at(tree.activeLeaf());
        QCOMPARE(reply.state, MessageState::Interrupted);
        QCOMPARE(tree.at(tree.path().first()).state, MessageState::Complete);
        QVERIFY(reply.text.size() % 5 == 0);
        QCOMPARE(reply.generated.ids.size(), reply.text.size() / 5);
        // What was handed over longer ago than a flush and a commit take is there. The child says how long
        // its slowest turn took, so that a busy machine is not blamed on the store.
        qint64 slowest = 0;
        for (qsizetype i = 1; i < handed.size(); ++i)
            slowest = std::max(slowest, handed[i].first - handed[i - 1].first);
        const qint64 last = handed.last().first;
        qsizetype due = 0;
        for (const auto& [at, length] : handed)
            if (at <= last - 250 - 4 * slowest) due = length;
        QVERIFY(due > 0);
        QVERIFY2(reply.text.size() >= due,
                 qPrintable(QString("%1 kept, %2 due").arg(reply.text.size()).arg(due)));
        // And an interrupted reply can be found.
        QCOMPARE(store_->search("word").size(), 1);
    }

    void aSecondProgramDoesNotCallRunningRepliesInterrupted() {
        const Conversation chat = conversation("chat");
        const Message reply = message(chat.id, 0, Role::Assistant, "", MessageState::Streaming);
        store_->addConversation(chat);
        store_->addMessage(reply);
        store_->flush();
        ConversationStore second(file());
        QVERIFY(second.isOpen());
        QCOMPARE(second.message(reply.id)->state, MessageState::Streaming);
    }
};

namespace {

/// What a program does until it dies: writes a reply, a word each millisecond or so.
int writeUntilKilled(const QString& file) {
    ConversationStore store(file);
    const Conversation chat = conversation("chat");
    const Message question = message(chat.id, 0, Role::User, "write");
    const Message reply = message(chat.id, question.id, Role::Assistant, "", MessageState::Streaming);
    store.addConversation(chat);
    store.addMessage(question);
    store.addMessage(reply);
    store.flush();
    QElapsedTimer clock;
    clock.start();
    for (qsizetype length = 5;; length += 5) {
        store.appendToReply(reply.id, "word ", {1, {static_cast<qint32>(length)}});
        std::printf("%lld %lld\n", static_cast<long long>(clock.elapsed()), static_cast<long long>(length));
        std::fflush(stdout);
        QThread::msleep(1);
    }
}

}  // namespace

int main(int argc, char** argv) {
    QCoreApplication program(argc, argv);
    if (argc == 3 && qstrcmp(argv[1], "--write-until-killed") == 0)
        return writeUntilKilled(QString::fromLocal8Bit(argv[2]));
    ConversationStoreTest test;
    return QTest::qExec(&test, argc, argv);
}

#include "conversation_store_test.moc"
