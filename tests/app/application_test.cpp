#include "app/application.h"

#include <QDir>
#include <QFile>
#include <QPointer>
#include <QSignalSpy>
#include <QTemporaryDir>
#include <QTest>

#include "app/chat/scripted_engine.h"
#include "app/instance/single_instance.h"
#include "app/verbs/verbs.h"
#include "tests/app/support/values.h"
#include "tests/engine/support/tiny_chat_model.h"

using namespace app;

class ApplicationTest : public QObject {
    Q_OBJECT
    engine::testing::TinyChatModel tiny_;
    std::unique_ptr<QTemporaryDir> folder_;

    std::unique_ptr<Application> start(std::unique_ptr<ChatEngine> engine, const QString& model = {}) {
        Application::Options options;
        options.dataFolder = folder_->filePath("data");
        options.configFolder = folder_->filePath("config");
        options.model = model;
        options.device = "cpu";
        options.otherPrograms = false;
        options.engine = std::move(engine);
        return std::make_unique<Application>(std::move(options));
    }
    QString tiny() const { return QString::fromStdString(tiny_.path().string()); }

  private Q_SLOTS:
    void init() { folder_ = std::make_unique<QTemporaryDir>(); }

    void loadsTheModelAskedForInTheBackgroundAndRemembersIt() {
        {
            auto program = start(nullptr, tiny());
            QCOMPARE(program->engine().model().state, ModelState::None);
            program->start();
            QCOMPARE(program->engine().model().state, ModelState::Loading);
            QTRY_COMPARE_WITH_TIMEOUT(program->engine().model().state, ModelState::Ready, 30000);
        }
        auto program = start(nullptr);
        program->start();
        QCOMPARE(program->engine().model().path, tiny());
        QCOMPARE(program->engine().model().state, ModelState::Loading);
    }

    void withNoChoiceTheDefaultModelOfTheFolderIsLoaded() {
        auto program = start(nullptr);
        QVERIFY(QDir().mkpath(program->modelsFolder()));
        QVERIFY(QFile::copy(tiny(), program->modelsFolder() + "/tiny.gguf"));
        program->start();
        QTRY_COMPARE_WITH_TIMEOUT(program->engine().model().state, ModelState::Ready, 30000);
        QVERIFY(program->engine().model().path.startsWith(program->modelsFolder()));
    }

    void oneSessionServesAllViewsOfAConversation() {
        auto program = start(std::make_unique<ScriptedEngine>());
        ChatSession& session = program->newSession();
        QCOMPARE(&program->session(session.conversation().id), &session);
    }

    void aReleasedSessionFinishesItsAnswerFirst() {
        auto scripted = std::make_unique<ScriptedEngine>();
        ScriptedEngine& engine = *scripted;
        engine.setText(QString("word ").repeated(50));
        engine.setPaused(true);
        auto program = start(std::move(scripted));
        ChatSession& session = program->newSession();
        const ConversationId id = session.conversation().id;
        QPointer<ChatSession> watched(&session);
        QVERIFY(session.send("go"));
        const MessageId reply = session.messageAt(1).id;
        program->release(session);
        QTest::qWait(20);
        QVERIFY(watched);
        engine.setPaused(false);
        QTRY_VERIFY(!watched);
        program->store().flush();
        QCOMPARE(program->store().message(reply)->state, MessageState::Complete);
        QCOMPARE(program->session(id).messageCount(), 2);
    }

    void removingAConversationStopsItsReplyAndSaysSoFirst() {
        auto scripted = std::make_unique<ScriptedEngine>();
        ScriptedEngine& engine = *scripted;
        engine.setPaused(true);
        auto program = start(std::move(scripted));
        ChatSession& session = program->newSession();
        QPointer<ChatSession> watched(&session);
        QVERIFY(session.send("go"));
        QTRY_COMPARE(engine.running(), 1);
        bool stillThere = false;
        connect(program.get(), &Application::conversationRemoved, this, [&] { stillThere = watched; });
        program->removeConversation(session.conversation().id);
        QVERIFY(stillThere);
        QVERIFY(!watched);
        QTRY_COMPARE(engine.running(), 0);
        program->store().flush();
        QVERIFY(program->store().conversations().isEmpty());
    }

    void removingAConversationMakesTheEngineForgetAllItsBranches() {
        auto scripted = std::make_unique<ScriptedEngine>();
        ScriptedEngine& engine = *scripted;
        auto program = start(std::move(scripted));
        ChatSession& session = program->newSession();
        QVERIFY(session.send("go"));
        QTRY_VERIFY(!session.isBusy());
        session.regenerate();
        QTRY_VERIFY(!session.isBusy());
        program->removeConversation(session.conversation().id);
        QCOMPARE(engine.forgottenPaths(), 2);
        QVERIFY(!engine.forgotEverything());
    }

    void removingEverythingStopsRepliesAndLeavesNothing() {
        auto scripted = std::make_unique<ScriptedEngine>();
        ScriptedEngine& engine = *scripted;
        auto program = start(std::move(scripted));
        ChatSession& kept = program->newSession();
        ChatSession& done = program->newSession();
        QVERIFY(done.send("one"));
        QTRY_VERIFY(!done.isBusy());
        engine.setText(QString("word ").repeated(5000));
        engine.setTokensPerSecond(300);
        ChatSession& busy = program->newSession();
        QVERIFY(busy.send("two"));
        QTRY_VERIFY(busy.isWriting());
        QPointer<ChatSession> watched(&busy), untouched(&kept);
        QSet<qint64> told;
        connect(program.get(), &Application::conversationRemoved, this, [&](qint64 id) { told.insert(id); });
        const QSet<qint64> expected = {done.conversation().id, busy.conversation().id};
        program->removeAllConversations();
        QCOMPARE(told, expected);
        QVERIFY(!watched);
        QVERIFY2(untouched, "a conversation without a message stays where it is shown");
        QVERIFY(engine.forgotEverything());
        program->store().flush();
        QVERIFY(program->store().conversations().isEmpty());
        QTRY_COMPARE(engine.running(), 0);
        // And it goes on.
        engine.setText("Hello.");
        QVERIFY(kept.send("three"));
        QTRY_VERIFY(!kept.isBusy());
        program->store().flush();
        QCOMPARE(program->store().conversations().size(), 1);
    }

    void closingSavesInTheBackgroundAndSaysWhenItIsDone() {
        auto scripted = std::make_unique<ScriptedEngine>();
        ScriptedEngine& engine = *scripted;
        engine.setText(QString("word ").repeated(5000));
        engine.setTokensPerSecond(300);
        engine.setSavingMillis(300);
        auto program = start(std::move(scripted));
        ChatSession& session = program->newSession();
        QVERIFY(session.send("go"));
        QTRY_VERIFY(session.isWriting());
        QSignalSpy closing(program.get(), &Application::closing), closed(program.get(), &Application::closed);
        program->close();
        program->close();
        QCOMPARE(closing.size(), 1);
        QCOMPARE(closed.size(), 0);
        QVERIFY(closed.wait(30000));
        QCOMPARE(closed.size(), 1);
        QVERIFY(!session.isBusy());
        QCOMPARE(session.messageAt(1).state, MessageState::Stopped);
    }

    void whatAnotherModelAnsweredIsForgottenWithEverythingElse() {
        auto scripted = std::make_unique<ScriptedEngine>();
        ScriptedEngine& engine = *scripted;
        auto program = start(std::move(scripted));
        ChatSession& session = program->newSession();
        QVERIFY(session.send("go"));
        QTRY_VERIFY(!session.isBusy());
        const ConversationId id = session.conversation().id;
        program->release(session);
        ModelStatus other = engine.model();
        other.vocabularyHash = 2;
        engine.setModel(other);
        program->store().flush();
        program->removeConversation(id);
        QVERIFY(engine.forgotEverything());
    }

    void endingTheProgramKeepsWhatWasWritten() {
        auto scripted = std::make_unique<ScriptedEngine>();
        scripted->setText(QString("word ").repeated(5000));
        scripted->setTokensPerSecond(1000);
        auto program = start(std::move(scripted));
        ChatSession& session = program->newSession();
        QVERIFY(session.send("go"));
        QTRY_VERIFY(session.isWriting());
        const MessageId reply = session.messageAt(1).id;
        program.reset();
        program = start(std::make_unique<ScriptedEngine>());
        QCOMPARE(program->store().message(reply)->state, MessageState::Stopped);
        QVERIFY(!program->store().message(reply)->text.isEmpty());
    }

    void aSecondStartHandsItsWishToTheFirst() {
        SingleInstance first(folder_->path());
        QVERIFY(!first.handOver(SingleInstance::Wish::Raise));
        QSignalSpy raised(&first, &SingleInstance::raiseRequested);
        QSignalSpy windows(&first, &SingleInstance::newWindowRequested);
        // In a thread of its own, as another process would wait for the first one's answer.
        for (const auto wish : {SingleInstance::Wish::Raise, SingleInstance::Wish::NewWindow}) {
            std::atomic<int> handed{-1};
            std::unique_ptr<QThread> second(QThread::create([&] {
                SingleInstance other(folder_->path());
                handed = other.handOver(wish) ? 1 : 0;
            }));
            second->start();
            QTRY_COMPARE(handed.load(), 1);
            second->wait();
        }
        QCOMPARE(raised.size(), 1);
        QCOMPARE(windows.size(), 1);
        SingleInstance elsewhere(folder_->filePath("other data"));
        QVERIFY(!elsewhere.handOver(SingleInstance::Wish::Raise));
    }

    void verbsExportAndImportWithNoWindow() {
        const QString data = folder_->filePath("data"), out = folder_->filePath("out");
        const QString copy = folder_->filePath("copy");
        Conversation chat = app::testing::conversation("Herons");
        const Message question = app::testing::message(chat.id, 0, Role::User, "What is this?");
        chat.activeLeaf = question.id;
        QDir().mkpath(data);
        {
            ConversationStore store(data + "/conversations.db");
            store.addTree(chat, {question});
        }
        QVERIFY(isVerb("export") && isVerb("import") && isVerb("models") && !isVerb("--model"));
        QCOMPARE(runVerb({"export", "--data", data, "--all", "--to", out}), 0);
        const QStringList files = QDir(out).entryList({"*.json"});
        QCOMPARE(files.size(), 1);
        QCOMPARE(runVerb({"import", "--data", copy, out + "/" + files.first()}), 0);
        const ConversationStore store(copy + "/conversations.db");
        QCOMPARE(store.conversations().size(), 1);
        QCOMPARE(store.search("What is this").size(), 1);
        QCOMPARE(runVerb({"export", "--data", folder_->filePath("nothing")}), 1);
        QCOMPARE(runVerb({"export", "--data", data, "12345"}), 1);
        QCOMPARE(runVerb({"export", "--format", "pdf"}), 2);
        QCOMPARE(runVerb({"export", "--all"}), 2);
        QCOMPARE(runVerb({"import"}), 2);
        QCOMPARE(runVerb({"import", "--bogus"}), 2);
    }
};

QTEST_GUILESS_MAIN(ApplicationTest)
#include "application_test.moc"
