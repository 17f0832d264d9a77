#include <QAccessible>
#include <QApplication>
#include <QCheckBox>
#include <QClipboard>
#include <QComboBox>
#include <QDir>
#include <QFile>
#include <QLineEdit>
#include <QListView>
#include <QListWidget>
#include <QPushButton>
#include <QScrollBar>
#include <QSignalSpy>
#include <QTemporaryDir>
#include <QTest>
#include <QToolButton>
#include <QTranslator>
#include <optional>

#include "app/application.h"
#include "app/chat/scripted_engine.h"
#include "tests/engine/support/tiny_chat_model.h"
#include "ui/composer.h"
#include "ui/conversation_list.h"
#include "ui/engine_panel.h"
#include "ui/main_window.h"
#include "ui/message_delegate.h"
#include "ui/message_model.h"
#include "ui/message_view.h"
#include "ui/model_picker.h"
#include "ui/settings_dialog.h"
#include "ui/status_line.h"
#include "ui/toast.h"

using app::MessageState;
using app::ScriptedEngine;

namespace {

constexpr int kPatience = 20'000;  // milliseconds; only a hang takes so long

/// The program with its window, over a data folder that outlives it.
struct Program {
    explicit Program(const QString& folder) {
        app::Application::Options options;
        options.dataFolder = folder + QStringLiteral("/data");
        options.configFolder = folder + QStringLiteral("/config");
        options.otherPrograms = false;
        auto owned = std::make_unique<ScriptedEngine>();
        engine = owned.get();
        options.engine = std::move(owned);
        application.emplace(std::move(options));
        window.emplace(*application);
        window->resize(1000, 700);
        window->show();
    }

    void ask(const QString& text) {
        window->composer()->edit()->setFocus();
        QTest::keyClicks(window->composer()->edit(), text);
        QTest::keyClick(window->composer()->edit(), Qt::Key_Return);
    }
    bool idle() const { return !window->session()->isBusy(); }
    const app::Message& last() const {
        return window->session()->messageAt(window->session()->messageCount() - 1);
    }

    ScriptedEngine* engine = nullptr;
    std::optional<app::Application> application;
    std::optional<ui::MainWindow> window;
};

QString longText(int words) {
    QString text;
    for (int i = 0; i < words; ++i) text += QStringLiteral("word%1 ").arg(i);
    return text.trimmed();
}

}  // namespace

class WindowTest : public QObject {
    Q_OBJECT

    std::optional<QTemporaryDir> folder_;
    std::optional<Program> program_;

  private Q_SLOTS:
    void init() {
        folder_.emplace();
        program_.emplace(folder_->path());
        QVERIFY(QTest::qWaitForWindowExposed(&*program_->window));
    }
    void cleanup() {
        program_.reset();
        folder_.reset();
    }

    void thePickerOffersSmallerModelsOfTheSameVocabularyAsDrafts() {
        engine::testing::TinyModel shape = engine::testing::tinyChatShape();
        shape.layers = 8;
        shape.feedForward *= 4;
        const engine::testing::TinyChatModel large(shape), small;
        const QString models = program_->application->modelsFolder();
        QVERIFY(QDir().mkpath(models));
        const QString target = models + QStringLiteral("/large.gguf"),
                      draft = models + QStringLiteral("/small.gguf");
        QVERIFY(QFile::copy(QString::fromStdString(large.path().string()), target));
        QVERIFY(QFile::copy(QString::fromStdString(small.path().string()), draft));
        const ui::ModelPicker* picker = program_->window->findChild<ui::ModelPicker*>();
        QComboBox* drafts = picker->popup()->drafts();
        QVERIFY(drafts->isHidden());
        program_->application->models().scan();
        QTRY_COMPARE_WITH_TIMEOUT(program_->application->models().models().size(), 2, kPatience);
        program_->application->useModel(target);
        picker->popup()->openBelow(*picker);
        QVERIFY(!drafts->isHidden());
        QCOMPARE(drafts->count(), 2);
        QCOMPARE(drafts->currentIndex(), 0);
        drafts->setCurrentIndex(1);
        Q_EMIT drafts->activated(1);
        QCOMPARE(program_->engine->model().draftPath, draft);
        QCOMPARE(program_->application->settings().draftFor(target), draft);
        // The reason why one was refused stands below the choice.
        app::ModelStatus status = program_->engine->model();
        status.draftPath.clear();
        status.draftProblem = QStringLiteral("the draft model does not fit");
        program_->engine->setModel(status);
        picker->popup()->openBelow(*picker);
        QCOMPARE(drafts->currentIndex(), 0);
        QCOMPARE(picker->popup()->draftProblem(), status.draftProblem);
        picker->popup()->close();
    }

    void figuresOfAReplySayWhatGuessingBrought() {
        app::ReplyStats stats;
        stats.newTokens = 100;
        QVERIFY(!ui::MessageDelegate::statsLine(stats).contains(QStringLiteral("guess")));
        stats.draftedTokens = 80;
        stats.acceptedTokens = 60;
        stats.speculationGain = 1.84;
        const QString line = ui::MessageDelegate::statsLine(stats);
        QVERIFY2(line.contains(QStringLiteral("60 of 80")) && line.contains(QStringLiteral("1.84×")),
                 qPrintable(line));
    }

    void textArrivesInMoreThanOnePaint() {
        program_->engine->setText(longText(400));
        program_->engine->setTokensPerSecond(600);
        program_->ask(QStringLiteral("Tell me"));
        QCOMPARE(program_->window->session()->messageCount(), 2);
        QTRY_VERIFY_WITH_TIMEOUT(!program_->last().text.isEmpty(), kPatience);
        const int before = program_->window->messageView()->paintCount();
        QTRY_VERIFY_WITH_TIMEOUT(program_->idle(), kPatience);
        QVERIFY2(program_->window->messageView()->paintCount() - before > 3, "the text came all at once");
        QCOMPARE(program_->last().text, longText(400));
        QCOMPARE(program_->last().state, MessageState::Complete);
        QVERIFY(program_->window->composer()->text().isEmpty());
    }

    void theStreamedTextIsWhatIsShown() {
        program_->engine->setText(QStringLiteral("# Title\n\nSome **bold** text.\n\n```cpp\nint x;\n```\n"));
        program_->engine->setTokensPerSecond(100);
        program_->ask(QStringLiteral("Go"));
        QTRY_VERIFY_WITH_TIMEOUT(program_->idle(), kPatience);
        program_->window->messageView()->selectAll();
        QTRY_COMPARE(program_->window->messageView()->selectedText(),
                     QStringLiteral("Go\n\nTitle\nSome bold text.\n\nint x;"));
    }

    void escapeStopsAndTheTextStands() {
        program_->engine->setText(longText(5000));
        program_->engine->setTokensPerSecond(300);
        program_->ask(QStringLiteral("Go"));
        QTRY_VERIFY_WITH_TIMEOUT(program_->last().text.size() > 20, kPatience);
        QTest::keyClick(program_->window->composer()->edit(), Qt::Key_Escape);
        QTRY_VERIFY_WITH_TIMEOUT(program_->idle(), kPatience);
        QCOMPARE(program_->last().state, MessageState::Stopped);
        QVERIFY(program_->last().text.size() > 20);
    }

    void sendTurnsIntoStopWhileAReplyIsWritten() {
        program_->engine->setText(longText(5000));
        program_->engine->setTokensPerSecond(300);
        QToolButton* button = program_->window->composer()->sendButton();
        QVERIFY(!button->isEnabled());
        program_->ask(QStringLiteral("Go"));
        QVERIFY(button->isEnabled());
        QCOMPARE(button->accessibleName(), QStringLiteral("Stop"));
        QTRY_VERIFY_WITH_TIMEOUT(!program_->last().text.isEmpty(), kPatience);
        QTest::mouseClick(button, Qt::LeftButton);
        QTRY_VERIFY_WITH_TIMEOUT(program_->idle(), kPatience);
        QCOMPARE(button->accessibleName(), QStringLiteral("Send"));
    }

    void shiftEnterBreaksTheLineAndEnterSends() {
        ui::MessageEdit* edit = program_->window->composer()->edit();
        QTest::keyClicks(edit, QStringLiteral("one"));
        QTest::keyClick(edit, Qt::Key_Return, Qt::ShiftModifier);
        QTest::keyClicks(edit, QStringLiteral("two"));
        QCOMPARE(program_->window->session()->messageCount(), 0);
        QTest::keyClick(edit, Qt::Key_Return);
        QCOMPARE(program_->window->session()->messageAt(0).text, QStringLiteral("one\ntwo"));
    }

    void enterWhileAnInputMethodComposesDoesNotSend() {
        ui::MessageEdit* edit = program_->window->composer()->edit();
        QInputMethodEvent composing(QStringLiteral("ni"), {});
        QApplication::sendEvent(edit, &composing);
        QTest::keyClick(edit, Qt::Key_Return);
        QInputMethodEvent commit;
        commit.setCommitString(QStringLiteral("你"));
        QApplication::sendEvent(edit, &commit);
        QCOMPARE(program_->window->session()->messageCount(), 0);
        QTest::keyClick(edit, Qt::Key_Return);
        QCOMPARE(program_->window->session()->messageCount(), 2);
    }

    void theBoxGrowsWithItsTextToEightLines() {
        ui::MessageEdit* edit = program_->window->composer()->edit();
        const int one = edit->height();
        for (int i = 0; i < 3; ++i) QTest::keyClick(edit, Qt::Key_Return, Qt::ShiftModifier);
        const int four = edit->height();
        QVERIFY(four > one);
        for (int i = 0; i < 20; ++i) QTest::keyClick(edit, Qt::Key_Return, Qt::ShiftModifier);
        const int many = edit->height();
        QVERIFY(many > four);
        QVERIFY(many < one * 9);
        edit->clear();
        QCOMPARE(edit->height(), one);
    }

    void upInAnEmptyBoxBringsBackWhatWasSent() {
        program_->ask(QStringLiteral("first"));
        QTRY_VERIFY_WITH_TIMEOUT(program_->idle(), kPatience);
        program_->ask(QStringLiteral("second"));
        QTRY_VERIFY_WITH_TIMEOUT(program_->idle(), kPatience);
        ui::MessageEdit* edit = program_->window->composer()->edit();
        QTest::keyClick(edit, Qt::Key_Up);
        QCOMPARE(edit->toPlainText(), QStringLiteral("second"));
        QTest::keyClick(edit, Qt::Key_Home);
        QTest::keyClick(edit, Qt::Key_Up);
        QCOMPARE(edit->toPlainText(), QStringLiteral("first"));
        edit->setPlainText(QStringLiteral("my own"));
        QTest::keyClick(edit, Qt::Key_Up);
        QCOMPARE(edit->toPlainText(), QStringLiteral("my own"));
    }

    void regeneratingAddsAVersionAndTheOldOneCanBeSeenAgain() {
        int answers = 0;
        program_->engine->setWriter([&answers](const app::ReplyRequest&) {
            return ScriptedEngine::Script{
                QStringLiteral("answer %1").arg(++answers), {}, app::EndReason::Stop};
        });
        program_->ask(QStringLiteral("Go"));
        QTRY_VERIFY_WITH_TIMEOUT(program_->idle(), kPatience);
        ui::MessageView* view = program_->window->messageView();
        QTest::mouseClick(view->viewport(), Qt::LeftButton, {},
                          view->actionRect(1, ui::MessageAction::Regenerate).center());
        QTRY_VERIFY_WITH_TIMEOUT(program_->idle() && answers == 2, kPatience);
        QCOMPARE(program_->last().text, QStringLiteral("answer 2"));
        QCOMPARE(program_->window->session()->versionAt(1).count, 2);
        QTest::mouseClick(view->viewport(), Qt::LeftButton, {},
                          view->actionRect(1, ui::MessageAction::PreviousVersion).center());
        QCOMPARE(program_->last().text, QStringLiteral("answer 1"));
    }

    void editingAMessageMakesABranch() {
        program_->ask(QStringLiteral("wrong"));
        QTRY_VERIFY_WITH_TIMEOUT(program_->idle(), kPatience);
        ui::MessageView* view = program_->window->messageView();
        QTest::mouseClick(view->viewport(), Qt::LeftButton, {},
                          view->actionRect(0, ui::MessageAction::Edit).center());
        ui::Composer* composer = program_->window->composer();
        QVERIFY(composer->isEditing());
        QCOMPARE(composer->text(), QStringLiteral("wrong"));
        composer->setText(QStringLiteral("right"));
        QTest::keyClick(composer->edit(), Qt::Key_Return);
        QTRY_VERIFY_WITH_TIMEOUT(program_->idle(), kPatience);
        QVERIFY(!composer->isEditing());
        QCOMPARE(program_->window->session()->messageAt(0).text, QStringLiteral("right"));
        QCOMPARE(program_->window->session()->versionAt(0).count, 2);
    }

    void aFailureIsShownWithItsReason() {
        program_->engine->setWriter([](const app::ReplyRequest&) {
            return ScriptedEngine::Script{QStringLiteral("so far"), QStringLiteral("out of memory"), {}};
        });
        program_->ask(QStringLiteral("Go"));
        QTRY_VERIFY_WITH_TIMEOUT(program_->idle(), kPatience);
        QCOMPARE(program_->last().state, MessageState::Failed);
        QCOMPARE(ui::MessageDelegate::endNotice(program_->last()), QStringLiteral("out of memory"));
        QCOMPARE(program_->last().text, QStringLiteral("so far"));
    }

    void aConversationIsFoundAfterARestart() {
        program_->ask(QStringLiteral("Remember me"));
        QTRY_VERIFY_WITH_TIMEOUT(program_->idle(), kPatience);
        const QString answer = program_->last().text;
        program_.reset();
        program_.emplace(folder_->path());
        QCOMPARE(program_->window->session()->messageCount(), 2);
        QCOMPARE(program_->window->session()->messageAt(0).text, QStringLiteral("Remember me"));
        QCOMPARE(program_->last().text, answer);
        QCOMPARE(program_->window->conversations()->model()->rowCount(), 2);  // "Today" and the conversation
    }

    void aConversationIsListedOnce() {
        program_->ask(QStringLiteral("One"));
        QTRY_VERIFY_WITH_TIMEOUT(program_->idle(), kPatience);
        QTest::qWait(50);
        QCOMPARE(program_->window->conversations()->model()->rowCount(), 2);
    }

    void switchingConversationsShowsTheOtherAtOnce() {
        program_->ask(QStringLiteral("First chat"));
        QTRY_VERIFY_WITH_TIMEOUT(program_->idle(), kPatience);
        const app::ConversationId first = program_->window->session()->conversation().id;
        QTest::keyClick(&*program_->window, Qt::Key_N, Qt::ControlModifier);
        QCOMPARE(program_->window->session()->messageCount(), 0);
        program_->ask(QStringLiteral("Second chat"));
        QTRY_VERIFY_WITH_TIMEOUT(program_->idle(), kPatience);
        program_->window->openConversation(first);
        QCOMPARE(program_->window->messageView()->model()->rowCount(), 2);
        QCOMPARE(program_->window->session()->messageAt(0).text, QStringLiteral("First chat"));
        QVERIFY(!program_->window->messageView()->rowRect(0).isEmpty());
    }

    void aReplyGoesOnWhileAnotherConversationIsShown() {
        program_->engine->setText(longText(300));
        program_->engine->setTokensPerSecond(400);
        program_->ask(QStringLiteral("Slow"));
        QTRY_VERIFY_WITH_TIMEOUT(!program_->last().text.isEmpty(), kPatience);
        const app::ConversationId slow = program_->window->session()->conversation().id;
        program_->window->newChat();
        QVERIFY(program_->window->conversations()->model()->isBusy(slow));
        QTRY_VERIFY_WITH_TIMEOUT(!program_->window->conversations()->model()->isBusy(slow), kPatience);
        program_->window->openConversation(slow);
        QCOMPARE(program_->last().text, longText(300));
    }

    void twoChatsAnswerAtOnceAndSwitchingRepaintsAtOnce() {
        program_->engine->setWriter([](const app::ReplyRequest& request) {
            return ScriptedEngine::Script{
                request.messages.last().text.repeated(4000), {}, app::EndReason::Stop};
        });
        program_->engine->setTokensPerSecond(400);
        ui::MessageView* view = program_->window->messageView();
        std::vector<app::ConversationId> chats;
        for (const QString& text : {QStringLiteral("aaaa "), QStringLiteral("bbbb ")}) {
            program_->window->newChat();
            program_->ask(text.trimmed() + QLatin1Char(' '));
            QTRY_VERIFY_WITH_TIMEOUT(!program_->last().text.isEmpty(), kPatience);
            chats.push_back(program_->window->session()->conversation().id);
        }
        QCOMPARE(program_->engine->running(), 2);
        qsizetype seen[2] = {0, 0};
        for (int round = 0; round < 6; ++round) {
            const int which = round % 2;
            program_->window->openConversation(chats[size_t(which)]);
            // With no turn of the event loop: what is shown now is this chat with all its text so far.
            const int paints = view->paintCount();
            view->viewport()->repaint();
            QVERIFY(view->paintCount() > paints);
            view->selectAll();
            const QString shown = view->selectedText();
            const QChar own = which == 0 ? QLatin1Char('a') : QLatin1Char('b');
            QVERIFY(shown.contains(own) && !shown.contains(which == 0 ? QLatin1Char('b') : QLatin1Char('a')));
            const qsizetype length = program_->last().text.size();
            QVERIFY2(length > seen[which], "it wrote on while the other was shown");
            seen[which] = length;
            // And it goes on streaming on the screen.
            const int before = view->paintCount();
            QTRY_VERIFY_WITH_TIMEOUT(program_->last().text.size() > length + 40, kPatience);
            QTRY_VERIFY_WITH_TIMEOUT(view->paintCount() > before, kPatience);
            QVERIFY(program_->window->conversations()->model()->isBusy(chats[0]));
            QVERIFY(program_->window->conversations()->model()->isBusy(chats[1]));
        }
        QCOMPARE(program_->engine->running(), 2);
    }

    void theChatInFrontIsTheMoreUrgentOne() {
        program_->engine->setPaused(true);
        std::vector<app::ConversationId> chats;
        for (const QString& text : {QStringLiteral("one"), QStringLiteral("two")}) {
            program_->window->newChat();
            program_->ask(text);
            chats.push_back(program_->window->session()->conversation().id);
            QTRY_COMPARE_WITH_TIMEOUT(program_->engine->running(), int(chats.size()), kPatience);
        }
        const auto priorities = [this] {
            QList<int> values;
            for (const app::ReplyRequest& request : program_->engine->requests()) values += request.priority;
            return values;
        };
        QCOMPARE(priorities(), QList<int>({app::kPriorityBackground, app::kPriorityInFront}));
        program_->window->openConversation(chats[0]);
        QCOMPARE(priorities(), QList<int>({app::kPriorityInFront, app::kPriorityBackground}));
        program_->window->newChat();
        QCOMPARE(priorities(), QList<int>({app::kPriorityBackground, app::kPriorityBackground}));
    }

    void whatLeftTheContextIsMarkedAndTheFiguresSayIt() {
        program_->engine->setText(QStringLiteral("An answer."));
        for (const QString& question : {QStringLiteral("one"), QStringLiteral("two")}) {
            program_->ask(question);
            QTRY_VERIFY_WITH_TIMEOUT(program_->idle(), kPatience);
        }
        ui::MessageView* view = program_->window->messageView();
        const ui::MessageModel* model = program_->window->messageView()->model();
        QTRY_VERIFY(view->isSettled());
        const int before = view->rowRect(2).height();
        program_->engine->setWriter([](const app::ReplyRequest&) {
            ScriptedEngine::Script script{QStringLiteral("Another."), {}, app::EndReason::Stop};
            script.leftOut = 2;
            return script;
        });
        program_->ask(QStringLiteral("three"));
        QTRY_VERIFY_WITH_TIMEOUT(program_->idle(), kPatience);
        QCOMPARE(model->leftOutAbove(2), 2);
        QCOMPARE(model->leftOutAbove(3), 0);
        QTRY_VERIFY(view->isSettled());
        QTRY_VERIFY2(view->rowRect(2).height() > before + 20, "the border takes its place");
        QVERIFY(
            ui::MessageDelegate::statsLine(program_->last().stats).contains(QStringLiteral("2 messages")));
        QAccessibleInterface* list = QAccessible::queryAccessibleInterface(view);
        QVERIFY(list->child(2)->text(QAccessible::Description).contains(QStringLiteral("2 messages above")));
        program_.reset();
        program_.emplace(folder_->path());
        QCOMPARE(program_->window->messageView()->model()->leftOutAbove(2), 2);
    }

    void aReplyThatFilledTheContextSaysSo() {
        program_->engine->setWriter([](const app::ReplyRequest&) {
            return ScriptedEngine::Script{QStringLiteral("word").repeated(4096), {}, app::EndReason::Length};
        });
        program_->ask(QStringLiteral("Go"));
        QTRY_VERIFY_WITH_TIMEOUT(program_->idle(), kPatience);
        const QString notice = ui::MessageDelegate::endNotice(program_->last());
        QVERIFY2(notice.contains(QStringLiteral("context of 4096 tokens is full")), qPrintable(notice));
    }

    void theEnginePanelShowsWhatIsKeptAndHowLongPeopleWait() {
        app::EngineSnapshot snapshot;
        snapshot.device = QStringLiteral("cpu: test");
        snapshot.running = 2;
        snapshot.waiting = 1;
        snapshot.kvBlocksTotal = 1000;
        snapshot.kvBlocksUsed = 700;
        snapshot.kvBlocksCached = 650;
        snapshot.hostBlocks = 40;
        snapshot.diskBlocks = 1234;
        snapshot.promptTokens = 2000;
        snapshot.cachedTokens = 1500;
        snapshot.queueMillis = 3.5;
        snapshot.ttftMillis = 210;
        snapshot.itlP50Millis = 12.5;
        snapshot.itlP99Millis = 31;
        program_->engine->setSnapshot(snapshot);
        QTest::keyClick(&*program_->window, Qt::Key_E, Qt::ControlModifier);
        auto* panel = program_->window->findChild<ui::EnginePanel*>();
        QVERIFY(panel != nullptr && panel->isVisible());
        using Figure = ui::EnginePanel::Figure;
        QCOMPARE(panel->value(Figure::BlocksUsed), QStringLiteral("700"));
        QCOMPARE(panel->value(Figure::BlocksFree), QStringLiteral("300"));
        QCOMPARE(panel->value(Figure::BlocksCached), QStringLiteral("650"));
        QCOMPARE(panel->value(Figure::HostBlocks), QStringLiteral("40"));
        QCOMPARE(panel->value(Figure::DiskBlocks), QStringLiteral("1,234"));
        QCOMPARE(panel->value(Figure::HitRate), QStringLiteral("75.0 %"));
        QCOMPARE(panel->value(Figure::TokensSaved), QStringLiteral("1,500"));
        QCOMPARE(panel->value(Figure::QueueTime), QStringLiteral("3.5 ms"));
        QCOMPARE(panel->value(Figure::FirstToken), QStringLiteral("210 ms"));
        QCOMPARE(panel->value(Figure::BetweenTokens), QStringLiteral("12.5 ms"));
        QCOMPARE(panel->value(Figure::BetweenTokensSlow), QStringLiteral("31.0 ms"));
        snapshot.diskBlocks = 0;
        program_->engine->setSnapshot(snapshot);
        QTRY_COMPARE(panel->value(Figure::DiskBlocks), QStringLiteral("0"));
        panel->close();
    }

    void theCacheOnDiskCanBeSwitchedOff() {
        QVERIFY(program_->application->settings().modelOptions().diskCache);
        ui::SettingsDialog dialog(program_->application->settings());
        QSignalSpy reload(&dialog, &ui::SettingsDialog::reloadRequested);
        dialog.findChild<QCheckBox*>(QStringLiteral("diskCache"))->setChecked(false);
        auto* full = dialog.findChild<QComboBox*>(QStringLiteral("whenFull"));
        full->setCurrentIndex(1);
        dialog.reject();
        QCOMPARE(reload.size(), 1);
        QVERIFY(!program_->application->settings().modelOptions().diskCache);
        QCOMPARE(program_->application->settings().whenFull(), app::WhenFull::Stop);
    }

    void aDraftWaitsInItsConversation() {
        program_->ask(QStringLiteral("First"));
        QTRY_VERIFY_WITH_TIMEOUT(program_->idle(), kPatience);
        const app::ConversationId first = program_->window->session()->conversation().id;
        program_->window->composer()->setText(QStringLiteral("half a thought"));
        program_->window->newChat();
        QVERIFY(program_->window->composer()->text().isEmpty());
        program_->window->openConversation(first);
        QCOMPARE(program_->window->composer()->text(), QStringLiteral("half a thought"));
    }

    void renamingInTheListChangesTheTitle() {
        program_->ask(QStringLiteral("Old title"));
        QTRY_VERIFY_WITH_TIMEOUT(program_->idle(), kPatience);
        QTRY_COMPARE(program_->window->conversations()->model()->rowCount(), 2);
        QTest::keyClick(&*program_->window, Qt::Key_F2);
        auto* editor = program_->window->findChild<QLineEdit*>(QStringLiteral("renameEdit"));
        QVERIFY(editor != nullptr);
        editor->setText(QStringLiteral("New title"));
        QTest::keyClick(editor, Qt::Key_Return);
        QTRY_COMPARE(program_->window->session()->conversation().title, QStringLiteral("New title"));
        QTRY_COMPARE(program_->window->windowTitle(), QStringLiteral("New title"));
        program_->application->store().flush();
        QCOMPARE(program_->application->store().conversations().first().title, QStringLiteral("New title"));
    }

    void aDeletionCanBeTakenBack() {
        program_->ask(QStringLiteral("Precious"));
        QTRY_VERIFY_WITH_TIMEOUT(program_->idle(), kPatience);
        const app::ConversationId id = program_->window->session()->conversation().id;
        program_->window->deleteConversation(id);
        QCOMPARE(program_->window->conversations()->model()->rowCount(), 0);
        QVERIFY(program_->window->session()->conversation().id != id);
        QTest::mouseClick(program_->window->toast()->button(), Qt::LeftButton);
        QCOMPARE(program_->window->session()->conversation().id, id);
        QTRY_COMPARE(program_->window->conversations()->model()->rowCount(), 2);
    }

    void aDeletionIsFinalWhenTheOfferLapses() {
        program_->ask(QStringLiteral("Unwanted"));
        QTRY_VERIFY_WITH_TIMEOUT(program_->idle(), kPatience);
        program_->window->deleteConversation(program_->window->session()->conversation().id);
        program_->window->toast()->lapseNow();
        program_->application->store().flush();
        QVERIFY(program_->application->store().conversations().isEmpty());
    }

    void closingTheWindowMakesADeletionFinal() {
        program_->ask(QStringLiteral("Unwanted"));
        QTRY_VERIFY_WITH_TIMEOUT(program_->idle(), kPatience);
        program_->window->deleteConversation(program_->window->session()->conversation().id);
        program_.reset();
        program_.emplace(folder_->path());
        QVERIFY(program_->application->store().conversations().isEmpty());
    }

    void searchFindsAMessageAndOpensIt() {
        program_->engine->setText(QStringLiteral("The capital is Tallinn."));
        program_->ask(QStringLiteral("Estonia?"));
        QTRY_VERIFY_WITH_TIMEOUT(program_->idle(), kPatience);
        const app::ConversationId id = program_->window->session()->conversation().id;
        program_->window->newChat();
        program_->application->store().flush();
        QTest::keyClick(&*program_->window, Qt::Key_K, Qt::ControlModifier);
        QLineEdit* field = program_->window->conversations()->searchField();
        QTRY_VERIFY(field->hasFocus());
        QTest::keyClicks(field, QStringLiteral("tallinn"));
        QTRY_COMPARE(program_->window->conversations()->model()->search(), QStringLiteral("tallinn"));
        QCOMPARE(program_->window->conversations()->model()->rowCount(), 1);
        QTest::keyClick(field, Qt::Key_Return);
        QCOMPARE(program_->window->session()->conversation().id, id);
        QCOMPARE(program_->window->messageView()->currentRow(), 1);
    }

    void theViewFollowsOnlyWhileTheReaderIsAtTheEnd() {
        program_->engine->setText(longText(3000));
        program_->engine->setTokensPerSecond(0);
        program_->ask(QStringLiteral("Long"));
        QTRY_VERIFY_WITH_TIMEOUT(program_->idle(), kPatience);
        ui::MessageView* view = program_->window->messageView();
        QScrollBar* bar = view->verticalScrollBar();
        QTRY_VERIFY(bar->maximum() > 500);
        QCOMPARE(bar->value(), bar->maximum());

        program_->engine->setTokensPerSecond(500);
        program_->ask(QStringLiteral("More"));
        QTRY_VERIFY_WITH_TIMEOUT(program_->last().text.size() > 50, kPatience);
        bar->setValue(bar->maximum() / 3);
        const int read = bar->value();
        QVERIFY(!view->isAtEnd());
        const qsizetype before = program_->last().text.size();
        QTRY_VERIFY_WITH_TIMEOUT(program_->last().text.size() > before + 2000, kPatience);
        QCOMPARE(bar->value(), read);
        QTest::mouseClick(view->findChild<QToolButton*>(QStringLiteral("jumpButton")), Qt::LeftButton);
        QVERIFY(view->isAtEnd());
        QTRY_COMPARE(bar->value(), bar->maximum());
    }

    void onlyWhatIsInSightIsLaidOut() {
        app::Conversation conversation;
        conversation.id = app::ConversationStore::newId();
        conversation.title = QStringLiteral("Long");
        conversation.created = conversation.updated = QDateTime::currentDateTimeUtc();
        QList<app::Message> messages;
        for (int i = 0; i < 400; ++i) {
            app::Message message;
            message.id = app::ConversationStore::newId();
            message.conversation = conversation.id;
            message.parent = messages.isEmpty() ? 0 : messages.last().id;
            message.role = i % 2 == 0 ? app::Role::User : app::Role::Assistant;
            message.text = longText(60);
            message.created = conversation.created;
            messages += message;
        }
        conversation.activeLeaf = messages.last().id;
        program_->application->store().addTree(conversation, messages);
        program_->application->store().flush();
        program_->window->openConversation(conversation.id);
        ui::MessageView* view = program_->window->messageView();
        QCOMPARE(view->model()->rowCount(), 400);
        QVERIFY(view->laidOutRows() < 30);
        for (int step = 0; step < 60; ++step) {
            view->verticalScrollBar()->setValue(view->verticalScrollBar()->maximum() * step / 60);
            QVERIFY(view->laidOutRows() < 130);
        }
    }

    void codeAndMessagesCanBeCopied() {
        program_->engine->setText(QStringLiteral("Text\n\n```cpp\nint x;\nint y;\n```\n"));
        program_->ask(QStringLiteral("Go"));
        QTRY_VERIFY_WITH_TIMEOUT(program_->idle(), kPatience);
        ui::MessageView* view = program_->window->messageView();
        QTest::mouseClick(view->viewport(), Qt::LeftButton, {},
                          view->actionRect(1, ui::MessageAction::Copy).center());
        QCOMPARE(QApplication::clipboard()->text(), QStringLiteral("Text\n\n```cpp\nint x;\nint y;\n```\n"));
        QTest::keyClick(&*program_->window, Qt::Key_C, Qt::ControlModifier | Qt::ShiftModifier);
        QCOMPARE(QApplication::clipboard()->text(), program_->last().text);
        view->selectAll();
        QTest::keyClick(view, Qt::Key_C, Qt::ControlModifier);
        QVERIFY(QApplication::clipboard()->text().contains(QStringLiteral("int x;\nint y;")));
    }

    void textIsSelectedByDraggingAcrossMessages() {
        program_->engine->setText(QStringLiteral("An answer of one line."));
        program_->ask(QStringLiteral("A question"));
        QTRY_VERIFY_WITH_TIMEOUT(program_->idle(), kPatience);
        ui::MessageView* view = program_->window->messageView();
        QTRY_VERIFY(view->isSettled());
        QWidget* port = view->viewport();
        QTest::mousePress(port, Qt::LeftButton, {}, view->rowRect(0).topLeft() + QPoint(4, 4));
        QTest::mouseMove(port, view->rowRect(1).bottomRight() - QPoint(4, 20));
        QTest::mouseRelease(port, Qt::LeftButton, {}, view->rowRect(1).bottomRight() - QPoint(4, 20));
        QCOMPARE(view->selectedText(), QStringLiteral("A question\n\nAn answer of one line."));
    }

    void everyControlHasAName() {
        program_->ask(QStringLiteral("Go"));
        QTRY_VERIFY_WITH_TIMEOUT(program_->idle(), kPatience);
        ui::SettingsDialog settings(program_->application->settings(), &*program_->window);
        QList<QWidget*> roots = {&*program_->window, &settings};
        for (QWidget* root : roots) {
            for (QWidget* widget : root->findChildren<QWidget*>()) {
                if (widget->focusPolicy() == Qt::NoFocus ||
                    widget->objectName().startsWith(QStringLiteral("qt_"))) {
                    continue;
                }
                QAccessibleInterface* interface = QAccessible::queryAccessibleInterface(widget);
                QVERIFY(interface != nullptr);
                QVERIFY2(!interface->text(QAccessible::Name).isEmpty(),
                         qPrintable(QStringLiteral("no name: %1 \"%2\" in %3")
                                        .arg(QString::fromLatin1(widget->metaObject()->className()),
                                             widget->objectName(), widget->parent()->objectName())));
            }
        }
    }

    void messagesAreVisibleToAScreenReader() {
        program_->engine->setText(QStringLiteral("The answer."));
        program_->ask(QStringLiteral("The question"));
        QTRY_VERIFY_WITH_TIMEOUT(program_->idle(), kPatience);
        QAccessibleInterface* list = QAccessible::queryAccessibleInterface(program_->window->messageView());
        QCOMPARE(list->role(), QAccessible::List);
        QCOMPARE(list->childCount(), 2);
        QCOMPARE(list->child(0)->text(QAccessible::Name), QStringLiteral("You: The question"));
        QVERIFY(list->child(1)->text(QAccessible::Name).endsWith(QStringLiteral("The answer.")));
        QCOMPARE(list->child(1)->parent(), list);
        QVERIFY(!list->child(1)->rect().isEmpty());
    }

    void theThemeFollowsTheSettingAndStaysReadable() {
        for (const auto choice : {app::ThemeChoice::Dark, app::ThemeChoice::Light}) {
            program_->application->settings().setTheme(choice);
            const ui::Theme& theme = program_->window->theme();
            QCOMPARE(theme.isDark(), choice == app::ThemeChoice::Dark);
            using ui::Token;
            for (const Token text : {Token::Text, Token::TextSecondary, Token::TextFaint, Token::Link,
                                     Token::Error, Token::Warning}) {
                for (const Token ground : {Token::Window, Token::Sidebar, Token::Surface}) {
                    QVERIFY2(ui::contrastRatio(theme.color(text), theme.color(ground)) >= 4.5,
                             qPrintable(theme.color(text).name() + " on " + theme.color(ground).name()));
                }
            }
            QVERIFY(ui::contrastRatio(theme.color(Token::AccentText), theme.color(Token::Accent)) >= 4.5);
            QVERIFY(ui::contrastRatio(theme.color(Token::Text), theme.color(Token::Selection)) >= 4.5);
            QVERIFY(ui::contrastRatio(theme.color(Token::Error), theme.color(Token::ErrorSoft)) >= 4.5);
            QVERIFY(ui::contrastRatio(theme.color(Token::Focus), theme.color(Token::Window)) >= 3);
            for (int token = int(Token::SyntaxKeyword); token <= int(Token::SyntaxFunction); ++token) {
                QVERIFY2(ui::contrastRatio(theme.color(Token(token)), theme.color(Token::Code)) >= 4.5,
                         qPrintable(theme.color(Token(token)).name()));
            }
        }
    }

    void settingsAreKept() {
        ui::SettingsDialog dialog(program_->application->settings());
        auto* theme = dialog.findChild<QComboBox*>(QStringLiteral("themeChoice"));
        theme->setCurrentIndex(2);
        QCOMPARE(program_->application->settings().theme(), app::ThemeChoice::Dark);
        QVERIFY(program_->window->theme().isDark());
    }

    void theModelPickerSaysWhyAModelCannotBeUsed() {
        const QString models = program_->application->modelsFolder();
        QVERIFY(QDir().mkpath(models));
        QFile file(models + QStringLiteral("/broken.gguf"));
        QVERIFY(file.open(QIODevice::WriteOnly));
        file.write("not a model");
        file.close();
        QSignalSpy finished(&program_->application->models(), &app::ModelLibrary::scanFinished);
        program_->application->models().scan();
        QVERIFY(finished.wait(kPatience));
        const QListWidget* list = program_->window->modelPicker()->popup()->list();
        QCOMPARE(list->count(), 1);
        QVERIFY(!(list->item(0)->flags() & Qt::ItemIsSelectable));
        QVERIFY(!program_->application->models().models().first().problem.isEmpty());
        QVERIFY(list->item(0)
                    ->data(Qt::AccessibleTextRole)
                    .toString()
                    .contains(program_->application->models().models().first().problem));
    }

    void loadingProgressIsShown() {
        app::ModelStatus status = program_->engine->model();
        status.state = app::ModelState::Loading;
        status.name = QStringLiteral("Big");
        status.progress = 0.43;
        program_->engine->setModel(status);
        QVERIFY(program_->window->modelPicker()->accessibleName().contains(QStringLiteral("43 %")));
    }

    void theStatusLineShowsContextAndSpeed() {
        program_->engine->setText(longText(200));
        program_->engine->setTokensPerSecond(2000);
        program_->ask(QStringLiteral("Go"));
        QTRY_VERIFY_WITH_TIMEOUT(program_->idle(), kPatience);
        QTRY_VERIFY(program_->window->statusLine()->meter()->text().contains(QLocale().toString(4096)));
    }

    void theSidebarHidesAndItsPlaceIsTaken() {
        QWidget* sidebar = program_->window->conversations();
        const int before = program_->window->messageView()->parentWidget()->width();
        QTest::keyClick(&*program_->window, Qt::Key_B, Qt::ControlModifier);
        QVERIFY(sidebar->isHidden());
        QTRY_VERIFY(program_->window->messageView()->parentWidget()->width() > before);
        QTest::keyClick(&*program_->window, Qt::Key_B, Qt::ControlModifier);
        QVERIFY(!sidebar->isHidden());
    }

    void dangerousLinksAreNotOpened() {
        Q_EMIT program_->window->messageView()->linkActivated(QStringLiteral("file:///etc/passwd"));
        QVERIFY(program_->window->toast()->isVisible());
        QVERIFY(program_->window->toast()->text().contains(QStringLiteral("file:///etc/passwd")));
    }

    void datesAreGrouped() {
        const QDate today(2026, 11, 24);
        using Model = ui::ConversationModel;
        QCOMPARE(Model::heading(today, today), QStringLiteral("Today"));
        QCOMPARE(Model::heading(today.addDays(-1), today), QStringLiteral("Yesterday"));
        QCOMPARE(Model::heading(today.addDays(-7), today), QStringLiteral("Previous 7 days"));
        QCOMPARE(Model::heading(today.addDays(-8), today), QStringLiteral("Previous 30 days"));
        QCOMPARE(Model::heading(QDate(2025, 3, 1), today), QStringLiteral("March 2025"));
    }

    void theGermanTranslationIsCompleteAndLoads() {
        QTranslator german;
        QVERIFY(german.load(QLocale(QLocale::German), QStringLiteral("alcove"), QStringLiteral("_"),
                            QStringLiteral(":/translations")));
        QCOMPARE(german.translate("ui::Composer", "Ask anything"), QStringLiteral("Frag etwas"));
        QCOMPARE(german.translate("ui::MessageDelegate", "Stopped"), QStringLiteral("Angehalten"));
        QCOMPARE(german.translate("ui::CodeLayout", "Copied"), QStringLiteral("Kopiert"));
        QFile source(QStringLiteral(ALCOVE_TEST_DATA "/../resources/translations/alcove_de.ts"));
        QVERIFY(source.open(QIODevice::ReadOnly));
        QVERIFY(!source.readAll().contains("type=\"unfinished\""));
    }
};

int main(int argc, char** argv) {
    QLocale::setDefault(QLocale(QLocale::English, QLocale::UnitedStates));
    QApplication program(argc, argv);
    WindowTest test;
    return QTest::qExec(&test, argc, argv);
}

#include "window_test.moc"
