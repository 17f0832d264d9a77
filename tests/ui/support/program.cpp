#include "tests/ui/support/program.h"

#include "ui/composer.h"

namespace ui::testing {

Program::Program(const QString& folder) {
    app::Application::Options options;
    options.dataFolder = folder + QStringLiteral("/data");
    options.configFolder = folder + QStringLiteral("/config");
    options.otherPrograms = false;
    auto owned = std::make_unique<app::ScriptedEngine>();
    engine = owned.get();
    options.engine = std::move(owned);
    application.emplace(std::move(options));
    window.emplace(*application);
    window->resize(1000, 700);
    window->show();
}

void Program::ask(const QString& text) {
    window->composer()->edit()->setFocus();
    QTest::keyClicks(window->composer()->edit(), text);
    QTest::keyClick(window->composer()->edit(), Qt::Key_Return);
}

QString longText(int words) {
    QString text;
    for (int i = 0; i < words; ++i) text += QStringLiteral("word%1 ").arg(i);
    return text.trimmed();
}

void ProgramTest::init() {
    folder_.emplace();
    program_.emplace(folder_->path());
    QVERIFY(QTest::qWaitForWindowExposed(&*program_->window));
}

void ProgramTest::cleanup() {
    program_.reset();
    folder_.reset();
}

void ProgramTest::restart() {
    program_.reset();
    program_.emplace(folder_->path());
}

}  // namespace ui::testing
