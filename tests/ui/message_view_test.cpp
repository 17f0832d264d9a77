#include <QAccessible>
#include <QApplication>
#include <QClipboard>
#include <QScrollBar>
#include <QSignalSpy>
#include <QToolButton>

#include "tests/ui/support/program.h"
#include "ui/composer.h"
#include "ui/message_view.h"

using ui::testing::kPatience;
using ui::testing::longText;

class MessageViewTest : public ui::testing::ProgramTest {
    Q_OBJECT

  private Q_SLOTS:
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

    void aDoubleClickSelectsTheWordUnderIt() {
        program_->engine->setText(QStringLiteral("Unquestionably."));
        program_->ask(QStringLiteral("Really"));
        QTRY_VERIFY_WITH_TIMEOUT(program_->idle(), kPatience);
        ui::MessageView* view = program_->window->messageView();
        QTRY_VERIFY(view->isSettled());
        // Some point of the first line is on the word, whatever the fonts here are.
        const QRect row = view->rowRect(1);
        for (int x = row.left(); x < row.right() && view->selectedText().isEmpty(); x += 20)
            QTest::mouseDClick(view->viewport(), Qt::LeftButton, {}, QPoint(x, row.top() + 18));
        QCOMPARE(view->selectedText(), QStringLiteral("Unquestionably"));
    }

    void keysActOnTheMessageThatHasTheFocus() {
        program_->ask(QStringLiteral("A question"));
        QTRY_VERIFY_WITH_TIMEOUT(program_->idle(), kPatience);
        ui::MessageView* view = program_->window->messageView();
        QSignalSpy edits(view, &ui::MessageView::editRequested);
        QSignalSpy versions(view, &ui::MessageView::versionRequested);
        view->setCurrentRow(1);
        QTest::keyClick(view, Qt::Key_E);     // an answer cannot be edited
        QTest::keyClick(view, Qt::Key_Left);  // and there is no version before it
        QCOMPARE(edits.size() + versions.size(), 0);
        QTest::keyClick(view, Qt::Key_R);
        QTRY_VERIFY_WITH_TIMEOUT(program_->idle(), kPatience);
        QCOMPARE(program_->window->session()->versionAt(1).count, 2);
        view->setCurrentRow(1);
        QTest::keyClick(view, Qt::Key_Left);
        QCOMPARE(versions.size(), 1);
        QCOMPARE(program_->window->session()->versionAt(1).index, 0);
        QTest::keyClick(view, Qt::Key_Up, Qt::ControlModifier);
        QCOMPARE(view->currentRow(), 0);
        QTest::keyClick(view, Qt::Key_E);
        QCOMPARE(edits.size(), 1);
        QVERIFY(program_->window->composer()->isEditing());
    }
};

int main(int argc, char** argv) {
    return ui::testing::run<MessageViewTest>(argc, argv);
}

#include "message_view_test.moc"
