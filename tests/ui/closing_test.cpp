#include <QApplication>
#include <QSignalSpy>
#include <QTemporaryDir>
#include <QTest>
#include <QTimer>
#include <optional>

#include "app/application.h"
#include "app/chat/scripted_engine.h"
#include "ui/main_window.h"
#include "ui/saving_notice.h"

namespace {

constexpr int kPatience = 20'000;  // milliseconds; only a hang takes so long

/// What app/main.cpp builds, with an engine that takes its time to end.
struct Program {
    Program(const QString& folder, int savingMillis) {
        app::Application::Options options;
        options.dataFolder = folder + QStringLiteral("/data");
        options.configFolder = folder + QStringLiteral("/config");
        options.otherPrograms = false;
        auto engine = std::make_unique<app::ScriptedEngine>();
        engine->setSavingMillis(savingMillis);
        options.engine = std::move(engine);
        application.emplace(std::move(options));
        notice.emplace(*application);
        window.emplace(*application);
        window->show();
        QObject::connect(qApp, &QGuiApplication::lastWindowClosed, &*application, &app::Application::close);
    }
    std::optional<app::Application> application;
    std::optional<ui::SavingNotice> notice;
    std::optional<ui::MainWindow> window;
};

}  // namespace

class ClosingTest : public QObject {
    Q_OBJECT

  private Q_SLOTS:
    void aLongSavingIsShownAndTheEventLoopGoesOn() {
        QTemporaryDir folder;
        Program program(folder.path(), 5 * ui::SavingNotice::kPatienceMillis);
        QVERIFY(QTest::qWaitForWindowExposed(&*program.window));
        QSignalSpy closed(&*program.application, &app::Application::closed);
        program.window->close();
        QTRY_VERIFY_WITH_TIMEOUT(program.notice->isVisible() || !closed.isEmpty(), kPatience);
        QVERIFY2(closed.isEmpty(), "it says so before it is done");
        QVERIFY(program.notice->isVisible());
        QVERIFY(!program.window->isVisible());
        QVERIFY(!program.notice->text().isEmpty());
        QTRY_COMPARE_WITH_TIMEOUT(closed.size(), 1, kPatience);
        QVERIFY(!program.notice->isVisible());
        QTest::qWait(20);
        QCOMPARE(closed.size(), 1);
    }

    void aShortOneIsNot() {
        QTemporaryDir folder;
        Program program(folder.path(), 0);
        QVERIFY(QTest::qWaitForWindowExposed(&*program.window));
        QSignalSpy closed(&*program.application, &app::Application::closed);
        program.window->close();
        QTRY_COMPARE_WITH_TIMEOUT(closed.size(), 1, kPatience);
        QVERIFY(!program.notice->isVisible());
        QTest::qWait(2 * ui::SavingNotice::kPatienceMillis);
        QVERIFY2(!program.notice->isVisible(), "nor later");
    }
};

int main(int argc, char** argv) {
    QLocale::setDefault(QLocale(QLocale::English, QLocale::UnitedStates));
    QApplication program(argc, argv);
    QGuiApplication::setQuitOnLastWindowClosed(false);
    // Qt only says that the last window was closed while exec() runs, as it does in the program.
    int result = 1;
    QTimer::singleShot(0, &program, [&] {
        ClosingTest test;
        result = QTest::qExec(&test, argc, argv);
        program.quit();
    });
    program.exec();
    return result;
}

#include "closing_test.moc"
