#include <QAccessible>
#include <QToolButton>

#include "tests/ui/support/program.h"
#include "ui/composer.h"
#include "ui/message_view.h"

using app::MessageState;
using app::ScriptedEngine;
using ui::testing::kPatience;
using ui::testing::longText;

class ChatTest : public ui::testing::ProgramTest {
    Q_OBJECT

  private Q_SLOTS:
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
        restart();
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
};

int main(int argc, char** argv) {
    return ui::testing::run<ChatTest>(argc, argv);
}

#include "chat_test.moc"
