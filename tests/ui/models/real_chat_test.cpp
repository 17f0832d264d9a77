#include <QApplication>
#include <QTemporaryDir>
#include <QTest>
#include <optional>

#include "app/application.h"
#include "ui/composer.h"
#include "ui/conversation_list.h"
#include "ui/main_window.h"
#include "ui/message_view.h"
#include "ui/model_picker.h"
#include "ui/status_line.h"

namespace {

constexpr int kPatience = 240'000;  // a busy machine with two cores

struct Program {
    explicit Program(const QString& folder) {
        app::Application::Options options;
        options.dataFolder = folder + QStringLiteral("/data");
        options.configFolder = folder + QStringLiteral("/config");
        options.otherPrograms = false;
        options.device = QStringLiteral("cpu");
        options.model = qEnvironmentVariable("ALCOVE_MODELS") + QStringLiteral("/smollm2.gguf");
        application.emplace(std::move(options));
        app::SamplingSettings sampling;
        sampling.temperature = 0;
        sampling.maxNewTokens = 160;
        application->settings().setSampling(sampling);
        window.emplace(*application);
        window->show();
        application->start();
    }
    void ask(const QString& text) {
        QTest::keyClicks(window->composer()->edit(), text);
        QTest::keyClick(window->composer()->edit(), Qt::Key_Return);
    }
    bool idle() const { return !window->session()->isBusy(); }
    const app::Message& last() const {
        return window->session()->messageAt(window->session()->messageCount() - 1);
    }

    std::optional<app::Application> application;
    std::optional<ui::MainWindow> window;
};

}  // namespace

/// The real window, the real engine and a real model: what a user does in the first five minutes.
class RealChatTest : public QObject {
    Q_OBJECT

  private Q_SLOTS:
    void askWatchStopRegenerateRestartAndFind() {
        QTemporaryDir folder;
        QString question = QStringLiteral("What colour is the sky on a clear day?");
        QString firstAnswer, stopped, secondAnswer;
        {
            Program program(folder.path());
            // Asked while the model still loads: the reply waits for it.
            program.ask(question);
            QTRY_VERIFY_WITH_TIMEOUT(!program.last().text.isEmpty(), kPatience);
            QCOMPARE(program.application->engine().model().state, app::ModelState::Ready);
            const int paints = program.window->messageView()->paintCount();
            QTRY_VERIFY_WITH_TIMEOUT(program.idle(), kPatience);
            QCOMPARE(program.last().state, app::MessageState::Complete);
            firstAnswer = program.last().text;
            QVERIFY2(firstAnswer.contains(QStringLiteral("blue")), qPrintable(firstAnswer));
            QVERIFY(program.last().stats.newTokens > 0);
            QVERIFY(program.last().stats.ttftMillis > 0);
            if (program.last().stats.newTokens > 6)
                QVERIFY(program.window->messageView()->paintCount() > paints + 1);
            QTRY_VERIFY(program.window->session()->contextUse().tokens > 0);
            QVERIFY(!program.window->statusLine()->meter()->text().isEmpty());

            program.ask(QStringLiteral("Write a long story about a lighthouse keeper and the sea."));
            const int before = program.window->messageView()->paintCount();
            QTRY_VERIFY_WITH_TIMEOUT(program.last().text.size() > 60, kPatience);
            QVERIFY2(program.window->messageView()->paintCount() > before + 2, "the text came in one paint");
            QTest::keyClick(program.window->composer()->edit(), Qt::Key_Escape);
            QTRY_VERIFY_WITH_TIMEOUT(program.idle(), kPatience);
            QCOMPARE(program.last().state, app::MessageState::Stopped);
            stopped = program.last().text;
            QVERIFY(stopped.size() > 60);

            QTest::keyClick(&*program.window, Qt::Key_R, Qt::ControlModifier);
            QTRY_VERIFY_WITH_TIMEOUT(program.idle() && program.last().state == app::MessageState::Complete,
                                     kPatience);
            secondAnswer = program.last().text;
            QCOMPARE(program.window->session()->versionAt(3).count, 2);
            // Greedy: the new answer begins as the stopped one did.
            QVERIFY2(secondAnswer.startsWith(stopped), "greedy answers differ");
        }
        Program again(folder.path());
        QCOMPARE(again.window->conversations()->model()->rowCount(), 2);
        QCOMPARE(again.window->session()->messageCount(), 4);
        QCOMPARE(again.window->session()->messageAt(0).text, question);
        QCOMPARE(again.window->session()->messageAt(1).text, firstAnswer);
        QCOMPARE(again.last().text, secondAnswer);
        again.window->session()->selectVersion(3, 0);
        QCOMPARE(again.last().text, stopped);
        // And it can be gone on with.
        again.window->session()->selectVersion(3, 1);
        again.ask(QStringLiteral("Thank you."));
        QTRY_VERIFY_WITH_TIMEOUT(again.idle() && !again.last().text.isEmpty(), kPatience);
        QCOMPARE(again.last().state, app::MessageState::Complete);
    }
};

QTEST_MAIN(RealChatTest)
#include "real_chat_test.moc"
