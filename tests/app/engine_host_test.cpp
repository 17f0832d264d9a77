#include "app/chat/engine_host.h"

#include <QDirIterator>
#include <QFile>
#include <QSignalSpy>
#include <QTemporaryDir>
#include <QTest>

#include "app/chat/chat_session.h"
#include "app/settings/settings.h"
#include "tests/engine/support/tiny_chat_model.h"

using namespace app;

namespace {

ModelOptions optionsFor(const engine::testing::TinyChatModel& model, int contextTokens = 512) {
    ModelOptions options;
    options.path = QString::fromStdString(model.path().string());
    options.device = "cpu";
    options.threads = 1;
    options.contextTokens = contextTokens;
    return options;
}

ReplyRequest requestFor(const QString& text, int maxNewTokens, quint64 seed = 1) {
    ReplyRequest request;
    request.messages = {{Role::User, text, {}}};
    request.sampling.temperature = 1;
    request.sampling.seed = seed;
    request.sampling.maxNewTokens = maxNewTokens;
    return request;
}

/// Slow enough that the GUI thread can look on while it writes.
engine::testing::TinyModel slowShape() {
    engine::testing::TinyModel shape = engine::testing::tinyChatShape();
    shape.layers = 6;
    shape.embedding = 256;
    shape.feedForward = 512;
    shape.heads = 4;
    shape.headDim = 64;
    return shape;
}

/// Everything a host says about one reply.
struct Listener {
    explicit Listener(EngineHost& host) {
        QObject::connect(&host, &ChatEngine::replyStarted, &context, [this](ReplyId reply, int prompt, int) {
            order[reply] += 's';
            promptTokens[reply] = prompt;
        });
        QObject::connect(&host, &ChatEngine::textAppended, &context,
                         [this](ReplyId reply, const QString& text, const QList<qint32>& ids) {
                             order[reply] += 't';
                             texts[reply] += text;
                             allIds[reply] += ids;
                         });
        QObject::connect(&host, &ChatEngine::replyFinished, &context,
                         [this](ReplyId reply, const ReplyStats& end) {
                             order[reply] += 'f';
                             stats[reply] = end;
                         });
        QObject::connect(&host, &ChatEngine::replyFailed, &context,
                         [this](ReplyId reply, const QString& message) {
                             order[reply] += 'x';
                             failures[reply] = message;
                         });
    }
    bool ended(ReplyId reply) const { return order[reply].endsWith('f') || order[reply].endsWith('x'); }

    QObject context;
    QHash<ReplyId, QString> order, texts, failures;
    QHash<ReplyId, int> promptTokens;
    QHash<ReplyId, QList<qint32>> allIds;
    QHash<ReplyId, ReplyStats> stats;
};

}  // namespace

class EngineHostTest : public QObject {
    Q_OBJECT
    engine::testing::TinyChatModel tiny_{slowShape()};
    std::unique_ptr<EngineHost> host_;
    std::unique_ptr<Listener> heard_;

    void load() {
        host_->loadModel(optionsFor(tiny_));
        QTRY_COMPARE_WITH_TIMEOUT(host_->model().state, ModelState::Ready, 30000);
    }

  private Q_SLOTS:
    void init() {
        host_ = std::make_unique<EngineHost>();
        heard_ = std::make_unique<Listener>(*host_);
    }
    void cleanup() {
        heard_.reset();
        host_.reset();
    }

    void loadsInTheBackgroundAndSaysWhatItIs() {
        QSignalSpy changed(host_.get(), &ChatEngine::modelChanged);
        host_->loadModel(optionsFor(tiny_));
        QCOMPARE(host_->model().state, ModelState::Loading);
        QTRY_COMPARE_WITH_TIMEOUT(host_->model().state, ModelState::Ready, 30000);
        QVERIFY(changed.size() >= 2);
        QCOMPARE(host_->model().name, QString("tiny"));
        QCOMPARE(host_->model().architecture, QString("llama"));
        QCOMPARE(host_->model().contextLimit, 512);
        QVERIFY(host_->model().hasChatTemplate);
        QVERIFY(host_->model().vocabularyHash != 0);
        QVERIFY(host_->model().device.contains("cpu", Qt::CaseInsensitive));
        QVERIFY(host_->snapshot().kvBlocksTotal > 0);
    }

    void loadsAModelThatGuessesAheadAlongWithIt() {
        const engine::testing::TinyChatModel target(slowShape());
        ModelOptions options = optionsFor(target);
        options.draftPath = QString::fromStdString(tiny_.path().string());
        host_->loadModel(options);
        QTRY_COMPARE_WITH_TIMEOUT(host_->model().state, ModelState::Ready, 30000);
        QCOMPARE(host_->model().draftPath, options.draftPath);
        QCOMPARE(host_->model().draftProblem, QString());
        // A text that repeats itself, so that something is guessed whatever the draft model is worth.
        ReplyRequest request = requestFor("a a a a a a a a a a a a a a a a a a a a a a a a", 200);
        request.sampling.temperature = 0;
        request.sampling.presencePenalty = -2;
        request.sampling.penaltyWindow = 12;
        const ReplyId reply = host_->submit(request);
        QTRY_VERIFY_WITH_TIMEOUT(heard_->ended(reply), 30000);
        const ReplyStats& stats = heard_->stats[reply];
        QVERIFY(stats.draftedTokens >= stats.acceptedTokens);
        QVERIFY(stats.speculationGain > 0);
        QTRY_COMPARE_WITH_TIMEOUT(host_->snapshot().draftedTokens, qint64(stats.draftedTokens), 30000);
        QVERIFY(host_->snapshot().speculationGain > 0);
    }

    void aDraftThatDoesNotFitIsRefusedWithTheReasonAndTheModelAnswersAlone() {
        QTemporaryDir folder;
        QFile file(QString::fromStdString(tiny_.path().string()));
        QVERIFY(file.open(QIODevice::ReadOnly));
        QFile stranger(folder.filePath("stranger.gguf"));
        QVERIFY(stranger.open(QIODevice::WriteOnly));
        stranger.write(file.readAll().replace("<|endoftext|>", "<|endofTEXT|>"));
        stranger.close();
        ModelOptions options = optionsFor(tiny_);
        options.draftPath = stranger.fileName();
        host_->loadModel(options);
        QTRY_COMPARE_WITH_TIMEOUT(host_->model().state, ModelState::Ready, 30000);
        QCOMPARE(host_->model().draftPath, QString());
        const QString problem = host_->model().draftProblem;
        QVERIFY2(problem.contains("stranger.gguf") && problem.contains("<|endofTEXT|>"), qPrintable(problem));
        const ReplyId reply = host_->submit(requestFor("What is the answer?", 8));
        QTRY_VERIFY_WITH_TIMEOUT(heard_->ended(reply), 30000);
        QVERIFY(heard_->failures.isEmpty());
    }

    void answersWithTextIdsAndStats() {
        load();
        const ReplyId reply = host_->submit(requestFor("What is the answer?", 40));
        QVERIFY(heard_->order.isEmpty());  // never from inside submit()
        QTRY_VERIFY_WITH_TIMEOUT(heard_->ended(reply), 30000);
        QVERIFY(heard_->failures.isEmpty());
        QVERIFY2(heard_->order[reply].startsWith('s'), qPrintable(heard_->order[reply]));
        QCOMPARE(heard_->order[reply].count('f'), 1);
        const ReplyStats& stats = heard_->stats[reply];
        QCOMPARE(stats.newTokens, static_cast<int>(heard_->allIds[reply].size()));
        QVERIFY(stats.newTokens > 0 && stats.newTokens <= 40);
        QCOMPARE(stats.promptTokens, heard_->promptTokens[reply]);
        QCOMPARE(stats.model, QString("tiny"));
        QVERIFY(stats.ttftMillis > 0);
    }

    void theSameSeedGivesTheSameTextWithOthersRunning() {
        load();
        const ReplyId alone = host_->submit(requestFor("Tell me a story.", 60, 9));
        QTRY_VERIFY_WITH_TIMEOUT(heard_->ended(alone), 30000);
        const ReplyId other = host_->submit(requestFor("Why is the sky blue?", 60, 4));
        const ReplyId again = host_->submit(requestFor("Tell me a story.", 60, 9));
        QTRY_VERIFY_WITH_TIMEOUT(heard_->ended(other) && heard_->ended(again), 30000);
        QCOMPARE(heard_->allIds[again], heard_->allIds[alone]);
        QCOMPARE(heard_->texts[again], heard_->texts[alone]);
        QVERIFY(heard_->allIds[other] != heard_->allIds[alone]);
    }

    void theWindowIsBotheredOnceForMuchText() {
        load();
        ReplyRequest request = requestFor("Go on.", 200);
        const ReplyId reply = host_->submit(request);
        // The GUI thread sleeps while the engine writes: one notice is waiting for it, not two hundred.
        for (int waited = 0; waited < 2000 && host_->snapshot().running + host_->snapshot().waiting == 0;
             waited += 5)
            QThread::msleep(5);
        for (int waited = 0; waited < 30000 && host_->snapshot().running > 0; waited += 5) QThread::msleep(5);
        QCOMPARE(host_->drains(), 0);
        QTRY_VERIFY(heard_->ended(reply));
        QVERIFY(heard_->stats[reply].newTokens > 1);
        QCOMPARE(host_->drains(), 1);
        QCOMPARE(heard_->order[reply], QString("stf"));
    }

    void cancellingEndsTheReplyAndTheNextOneWorks() {
        load();
        const ReplyId reply = host_->submit(requestFor("Never stop.", -1));
        QTRY_VERIFY_WITH_TIMEOUT(!heard_->allIds[reply].isEmpty(), 30000);
        if (!heard_->ended(reply)) host_->cancel(reply);
        QTRY_VERIFY(heard_->ended(reply));
        host_->cancel(reply);
        host_->cancel(12345);
        const ReplyId next = host_->submit(requestFor("Again.", 5));
        QTRY_VERIFY_WITH_TIMEOUT(heard_->ended(next), 30000);
        QCOMPARE(heard_->order[reply].count('f'), 1);
        QTRY_COMPARE(host_->snapshot().running, 0);
        // What was computed stays warm, but nothing holds on to it.
        QTRY_COMPARE(host_->snapshot().kvBlocksUsed, host_->snapshot().kvBlocksCached);
    }

    void aReplyWaitsForTheModelThatIsLoading() {
        host_->loadModel(optionsFor(tiny_));
        const ReplyId reply = host_->submit(requestFor("Hello.", 5));
        const ReplyId dropped = host_->submit(requestFor("Never mind.", 5));
        host_->cancel(dropped);
        QTRY_VERIFY_WITH_TIMEOUT(heard_->ended(reply) && heard_->ended(dropped), 30000);
        QCOMPARE(heard_->order[dropped], QString("f"));
        QCOMPARE(heard_->stats[dropped].reason, EndReason::Cancelled);
        QVERIFY(heard_->stats[reply].newTokens > 0);
    }

    void withNoModelAReplyFailsAndSaysWhatToDo() {
        const ReplyId reply = host_->submit(requestFor("Hello.", 5));
        QTRY_VERIFY(heard_->ended(reply));
        QVERIFY(heard_->failures[reply].contains("Choose"));
    }

    void aDamagedModelIsAMessageAndTheNextOneLoads() {
        QTemporaryDir folder;
        QFile file(folder.filePath("broken.gguf"));
        QVERIFY(file.open(QIODevice::WriteOnly));
        file.write("GGUF but not for long");
        file.close();
        ModelOptions broken;
        broken.path = file.fileName();
        host_->loadModel(broken);
        const ReplyId reply = host_->submit(requestFor("Hello.", 5));
        QTRY_COMPARE_WITH_TIMEOUT(host_->model().state, ModelState::Failed, 30000);
        QVERIFY2(host_->model().message.contains("broken.gguf"), qPrintable(host_->model().message));
        QTRY_COMPARE(heard_->failures[reply], host_->model().message);
        load();
        const ReplyId next = host_->submit(requestFor("Hello.", 5));
        QTRY_VERIFY_WITH_TIMEOUT(heard_->ended(next), 30000);
        QVERIFY(!heard_->failures.contains(next));
    }

    void aConversationLongerThanTheContextFailsWithWhatToDo() {
        load();
        const ReplyId reply = host_->submit(requestFor(QString("@#").repeated(600), 5));
        QTRY_VERIFY_WITH_TIMEOUT(heard_->ended(reply), 30000);
        QVERIFY2(heard_->failures[reply].contains("512"), qPrintable(heard_->failures[reply]));
        const ReplyId next = host_->submit(requestFor("Hello.", 5));
        QTRY_VERIFY_WITH_TIMEOUT(heard_->ended(next), 30000);
        QVERIFY(heard_->stats.contains(next));
    }

    void switchingTheModelCancelsRepliesAndKeepsTheirText() {
        // Random answers may end by themselves before the switch; another one then tells.
        ReplyId reply = 0;
        QString before;
        for (quint64 seed = 1; seed <= 20; ++seed) {
            load();
            reply = host_->submit(requestFor("Never stop.", -1, seed));
            QTRY_VERIFY_WITH_TIMEOUT(!heard_->allIds[reply].isEmpty(), 30000);
            if (heard_->ended(reply)) continue;
            before = heard_->texts[reply];
            host_->loadModel(optionsFor(tiny_, 256));
            QTRY_VERIFY(heard_->ended(reply));
            if (heard_->stats[reply].reason == EndReason::Cancelled) break;
        }
        QCOMPARE(heard_->order[reply].count('f'), 1);
        QCOMPARE(heard_->stats[reply].reason, EndReason::Cancelled);
        QVERIFY(heard_->texts[reply].startsWith(before));
        QTRY_COMPARE_WITH_TIMEOUT(host_->model().state, ModelState::Ready, 30000);
        QCOMPARE(host_->model().contextLimit, 256);
        const ReplyId next = host_->submit(requestFor("Hello.", 5));
        QTRY_VERIFY_WITH_TIMEOUT(heard_->ended(next), 30000);
        QVERIFY(heard_->stats[next].newTokens > 0);
    }

    void onlyTheLastOfSeveralSwitchesCounts() {
        for (int context = 64; context <= 256; context += 64) host_->loadModel(optionsFor(tiny_, context));
        QTRY_COMPARE_WITH_TIMEOUT(host_->model().state, ModelState::Ready, 30000);
        QCOMPARE(host_->model().contextLimit, 256);
    }

    void unloadingGivesTheMemoryBackAndLeavesNothing() {
        load();
        host_->unloadModel();
        QCOMPARE(host_->model().state, ModelState::None);
        QCOMPARE(host_->snapshot().kvBlocksTotal, 0);
        const ReplyId reply = host_->submit(requestFor("Hello.", 5));
        QTRY_VERIFY(heard_->failures.contains(reply));
    }

    void endingWhileLoadingAndWhileWritingIsClean() {
        host_->loadModel(optionsFor(tiny_));
        cleanup();
        init();
        load();
        host_->submit(requestFor("Never stop.", -1));
        cleanup();
    }

    void countsTokensAsTheNextPromptWouldSendThem() {
        load();
        QSignalSpy counted(host_.get(), &ChatEngine::promptCounted);
        const ReplyRequest request = requestFor("How many tokens is this?", 1);
        const quint64 ticket = host_->countTokens(request);
        QTRY_COMPARE(counted.size(), 1);
        QCOMPARE(counted.first().at(0).toULongLong(), ticket);
        const ReplyId reply = host_->submit(request);
        QTRY_VERIFY_WITH_TIMEOUT(heard_->ended(reply), 30000);
        QCOMPARE(counted.first().at(1).toInt(), heard_->stats[reply].promptTokens);
    }

    void deletedChatsLeaveNoFilesAndOthersStayWarm() {
        QTemporaryDir folder;
        const auto files = [&folder] {
            int count = 0;
            QDirIterator all(folder.path(), {"*.kv"}, QDir::Files, QDirIterator::Subdirectories);
            for (; all.hasNext(); ++count) {
                all.next();
                const auto others =
                    QFile::ReadGroup | QFile::WriteGroup | QFile::ReadOther | QFile::WriteOther;
                if ((all.fileInfo().permissions() & others) != 0) return -1;
            }
            return count;
        };
        const auto open = [&] {
            cleanup();
            init();
            host_->setCacheFolder(folder.path());
            load();
        };
        open();
        Settings settings(folder.filePath("alcove.ini"));
        ConversationStore store(folder.filePath("conversations.db"));
        SamplingSettings sampling;
        sampling.seed = 3;
        sampling.maxNewTokens = 40;
        settings.setSampling(sampling);
        std::vector<MessageTree> trees;
        std::vector<Conversation> chats;
        for (const char* text : {"What is the answer?", "Quite another question"}) {
            ChatSession session(0, store, *host_, settings);
            QVERIFY(session.send(text));
            QTRY_VERIFY_WITH_TIMEOUT(!session.isBusy(), 30000);
            trees.push_back(session.tree());
            chats.push_back(session.conversation());
        }
        open();
        const int both = files();
        QVERIFY2(both > 0, "kept at the end, for their owner alone");
        forgetConversation(*host_, chats[0], trees[0]);
        open();  // whatever was asked for is done by then
        const int one = files();
        QVERIFY(one > 0 && one < both);
        forgetConversation(*host_, chats[1], trees[1]);
        open();
        QCOMPARE(files(), 0);
    }

    void shuttingDownEndsRepliesSavesBesideTheEventLoopAndSaysSo() {
        QTemporaryDir folder;
        host_->setCacheFolder(folder.filePath("kv"));
        load();
        const ReplyId done = host_->submit(requestFor("a question", 60));
        QTRY_VERIFY_WITH_TIMEOUT(heard_->ended(done), 30000);
        const ReplyId writing = host_->submit(requestFor("tell me everything", 400));
        QSignalSpy finished(host_.get(), &ChatEngine::shutDownFinished);
        host_->shutDown();
        QCOMPARE(finished.size(), 0);
        QCOMPARE(host_->model().state, ModelState::None);
        QVERIFY(finished.wait(30000));
        QVERIFY(heard_->ended(writing));
        QCOMPARE(heard_->stats[writing].reason, EndReason::Cancelled);
        int files = 0;
        for (QDirIterator it(folder.path(), QDir::Files, QDirIterator::Subdirectories); it.hasNext();
             it.next())
            ++files;
        QVERIFY(files > 0);
        host_->shutDown();  // with nothing left to end
        QVERIFY(finished.wait(30000));
    }

    void urgencyReachesTheEngineAlsoWhileTheModelLoads() {
        host_->loadModel(optionsFor(tiny_));
        const ReplyId early = host_->submit(requestFor("early", 20));
        host_->setPriority(early, kPriorityInFront);
        QTRY_VERIFY_WITH_TIMEOUT(heard_->ended(early), 30000);
        const ReplyId late = host_->submit(requestFor("late", 20));
        host_->setPriority(late, kPriorityInFront);
        host_->setPriority(12345, kPriorityInFront);  // unknown: ignored
        QTRY_VERIFY_WITH_TIMEOUT(heard_->ended(late), 30000);
        QCOMPARE(heard_->failures.size(), 0);
    }

    void withNoModelDeletingAChatErasesAllFiles() {
        QTemporaryDir folder;
        host_->setCacheFolder(folder.path());
        load();
        host_->submit(requestFor("Hello.", 40));
        QTRY_VERIFY_WITH_TIMEOUT(!heard_->stats.isEmpty(), 30000);
        host_->unloadModel();
        host_->forgetEverything();
        cleanup();
        QVERIFY(!QDirIterator(folder.path(), {"*.kv"}, QDir::Files, QDirIterator::Subdirectories).hasNext());
        init();
    }

    void switchedOffTheFilesGo() {
        QTemporaryDir folder;
        host_->setCacheFolder(folder.path());
        load();
        host_->submit(requestFor("Hello.", 40));
        QTRY_VERIFY_WITH_TIMEOUT(!heard_->stats.isEmpty(), 30000);
        ModelOptions off = optionsFor(tiny_);
        off.diskCache = false;
        host_->loadModel(off);
        QTRY_COMPARE_WITH_TIMEOUT(host_->model().state, ModelState::Ready, 30000);
        host_->submit(requestFor("Hello.", 40));
        cleanup();
        QVERIFY(!QDirIterator(folder.path(), {"*.kv"}, QDir::Files, QDirIterator::Subdirectories).hasNext());
        init();
    }

    void aFullContextLeavesOutTheOldestTurnsAndSaysWhich() {
        load();
        QTemporaryDir folder;
        Settings settings(folder.filePath("alcove.ini"));
        ConversationStore store(folder.filePath("conversations.db"));
        ChatSession session(0, store, *host_, settings);
        SamplingSettings sampling;
        sampling.seed = 3;
        sampling.maxNewTokens = 30;
        session.setSampling(sampling);
        int cuts = 0;
        MessageId kept = 0;
        for (int turn = 0; turn < 14; ++turn) {
            QVERIFY(session.send(QString("Question number %1: what is the answer to it?").arg(turn)));
            QTRY_VERIFY_WITH_TIMEOUT(!session.isBusy(), 30000);
            const Message& answer = session.messageAt(session.messageCount() - 1);
            QVERIFY2(answer.state == MessageState::Complete, qPrintable(answer.error));
            if (answer.stats.leftOut == 0) continue;
            ++cuts;
            QVERIFY(answer.stats.promptTokens <= 512 * 6 / 10);
            QVERIFY(answer.stats.firstKept != kept);
            kept = answer.stats.firstKept;
            QCOMPARE(session.messageAt(session.firstKeptIndex()).id, kept);
            QCOMPARE(session.messageAt(session.firstKeptIndex()).role, Role::User);
        }
        QVERIFY(cuts >= 1);
        QVERIFY2(cuts <= 5, "a little each turn");
    }

    void aSessionRunsOnTheRealEngineAndItsIdsComeBackUnchanged() {
        load();
        QTemporaryDir folder;
        Settings settings(folder.filePath("alcove.ini"));
        ConversationStore store(folder.filePath("conversations.db"));
        ChatSession session(0, store, *host_, settings);
        SamplingSettings sampling;
        sampling.temperature = 1;
        sampling.seed = 3;
        sampling.maxNewTokens = 30;
        session.setSampling(sampling);
        QVERIFY(session.send("What is the answer?"));
        QTRY_VERIFY_WITH_TIMEOUT(!session.isBusy(), 30000);
        QVERIFY2(session.messageAt(1).state == MessageState::Complete,
                 qPrintable(session.messageAt(1).error));
        const Message answer = session.messageAt(1);
        QCOMPARE(answer.generated.vocabularyHash, host_->model().vocabularyHash);
        QCOMPARE(static_cast<int>(answer.generated.ids.size()), answer.stats.newTokens);
        // Noise hardly ever encodes back to the ids it came from, so a prompt with its own ids has a length
        // that tells.
        ReplyRequest next;
        next.messages = {{Role::User, "What is the answer?", {}},
                         {Role::Assistant, answer.text, answer.generated},
                         {Role::User, "Go on.", {}}};
        QSignalSpy counted(host_.get(), &ChatEngine::promptCounted);
        host_->countTokens(next);
        QTRY_COMPARE(counted.size(), 1);
        QVERIFY(session.send("Go on."));
        QTRY_VERIFY_WITH_TIMEOUT(!session.isBusy(), 30000);
        QCOMPARE(session.messageAt(3).stats.promptTokens, counted.first().at(1).toInt());
    }
};

QTEST_GUILESS_MAIN(EngineHostTest)
#include "engine_host_test.moc"
