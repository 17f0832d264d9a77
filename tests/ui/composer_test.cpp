#include <QApplication>
#include <QInputMethodEvent>

#include "tests/ui/support/program.h"
#include "ui/composer.h"

using ui::testing::kPatience;

class ComposerTest : public ui::testing::ProgramTest {
    Q_OBJECT

  private Q_SLOTS:
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
};

int main(int argc, char** argv) {
    return ui::testing::run<ComposerTest>(argc, argv);
}

#include "composer_test.moc"
