#pragma once

#include <QApplication>
#include <QLocale>
#include <QObject>
#include <QTemporaryDir>
#include <QTest>
#include <optional>

#include "app/application.h"
#include "app/chat/scripted_engine.h"
#include "ui/main_window.h"

/// What tests of the window share: the whole program, driven as by a person, with an engine that follows a
/// script.
namespace ui::testing {

constexpr int kPatience = 20'000;  // milliseconds; only a hang takes so long

/// The program with its window, over a data folder that outlives it.
struct Program {
    explicit Program(const QString& folder);

    void ask(const QString& text);
    bool idle() const { return !window->session()->isBusy(); }
    const app::Message& last() const {
        return window->session()->messageAt(window->session()->messageCount() - 1);
    }

    app::ScriptedEngine* engine = nullptr;
    std::optional<app::Application> application;
    std::optional<MainWindow> window;
};

/// "word0 word1 word2 …"
QString longText(int words);

/// Gives each test function a program of its own over an empty folder.
class ProgramTest : public QObject {
    Q_OBJECT

  protected:
    /// Ends the program and starts it anew over the same folder.
    void restart();

    std::optional<QTemporaryDir> folder_;
    std::optional<Program> program_;

  private Q_SLOTS:
    void init();
    void cleanup();
};

/// The main() of a test: in English, whatever the machine speaks.
template <class Test>
int run(int argc, char** argv) {
    QLocale::setDefault(QLocale(QLocale::English, QLocale::UnitedStates));
    const QApplication program(argc, argv);
    Test test;
    return QTest::qExec(&test, argc, argv);
}

}  // namespace ui::testing
