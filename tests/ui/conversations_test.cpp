#include <QLineEdit>
#include <QMessageBox>
#include <QPushButton>

#include "tests/ui/support/program.h"
#include "ui/conversation_list.h"
#include "ui/message_view.h"
#include "ui/settings_dialog.h"
#include "ui/toast.h"

using app::ScriptedEngine;
using ui::testing::kPatience;
using ui::testing::longText;

class ConversationsTest : public ui::testing::ProgramTest {
    Q_OBJECT

  private Q_SLOTS:
    void aConversationIsFoundAfterARestart() {
        program_->ask(QStringLiteral("Remember me"));
        QTRY_VERIFY_WITH_TIMEOUT(program_->idle(), kPatience);
        const QString answer = program_->last().text;
        restart();
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
        restart();
        QVERIFY(program_->application->store().conversations().isEmpty());
    }

    void allConversationsCanBeDeletedAfterAQuestion() {
        for (const QString& text : {QStringLiteral("one"), QStringLiteral("two")}) {
            program_->window->newChat();
            program_->ask(text);
            QTRY_VERIFY_WITH_TIMEOUT(program_->idle(), kPatience);
        }
        ui::MainWindow second(*program_->application);  // it shows the last one too
        QCOMPARE(second.session()->messageCount(), 2);
        const auto ask = [this](const QString& button) {
            program_->window->activateWindow();
            QVERIFY(QTest::qWaitForWindowActive(&*program_->window));
            QTest::keyClick(&*program_->window, Qt::Key_Comma, Qt::ControlModifier);
            auto* dialog = program_->window->findChild<ui::SettingsDialog*>();
            QVERIFY(dialog != nullptr);
            QTest::mouseClick(dialog->findChild<QPushButton*>(QStringLiteral("deleteAll")), Qt::LeftButton);
            auto* question = program_->window->findChild<QMessageBox*>(QStringLiteral("deleteAllQuestion"));
            QVERIFY(question != nullptr && question->isVisible());
            for (QAbstractButton* choice : question->buttons())
                if (choice->text().remove(QLatin1Char('&')) == button)
                    return QTest::mouseClick(choice, Qt::LeftButton);
            QFAIL("no such button");
        };
        ask(QStringLiteral("Cancel"));
        program_->application->store().flush();
        QCOMPARE(program_->application->store().conversations().size(), 2);
        QVERIFY(!program_->engine->forgotEverything());
        QTRY_VERIFY(program_->window->findChild<QMessageBox*>(QStringLiteral("deleteAllQuestion")) ==
                    nullptr);
        QTRY_VERIFY(program_->window->findChild<ui::SettingsDialog*>() == nullptr);
        ask(QStringLiteral("Delete all"));
        program_->application->store().flush();
        QVERIFY(program_->application->store().conversations().isEmpty());
        QVERIFY(program_->engine->forgotEverything());
        for (ui::MainWindow* window : {&*program_->window, &second}) {
            QCOMPARE(window->session()->messageCount(), 0);
            QTRY_COMPARE(window->conversations()->model()->rowCount(), 0);
        }
        program_->ask(QStringLiteral("three"));
        QTRY_VERIFY_WITH_TIMEOUT(program_->idle(), kPatience);
        QTRY_COMPARE(program_->window->conversations()->model()->rowCount(), 2);
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

    void datesAreGrouped() {
        const QDate today(2026, 11, 24);
        using Model = ui::ConversationModel;
        QCOMPARE(Model::heading(today, today), QStringLiteral("Today"));
        QCOMPARE(Model::heading(today.addDays(-1), today), QStringLiteral("Yesterday"));
        QCOMPARE(Model::heading(today.addDays(-7), today), QStringLiteral("Previous 7 days"));
        QCOMPARE(Model::heading(today.addDays(-8), today), QStringLiteral("Previous 30 days"));
        QCOMPARE(Model::heading(QDate(2025, 3, 1), today), QStringLiteral("March 2025"));
    }
};

int main(int argc, char** argv) {
    return ui::testing::run<ConversationsTest>(argc, argv);
}

#include "conversations_test.moc"
