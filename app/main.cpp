#include <QApplication>
#include <QCommandLineParser>
#include <QStandardPaths>
#include <clocale>
#include <cstdio>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "app/application.h"
#include "app/instance/single_instance.h"
#include "app/verbs/verbs.h"
#include "ui/main_window.h"
#include "ui/saving_notice.h"

namespace {

/// What the command line asks of the desktop program.
struct Options {
    QString model;
    QString device;
    QString dataFolder;
    QString configFolder;
    bool newWindow = false;
};

/// Parses before there is a display, so that --help and mistakes need none. `code` is set when the program
/// ends here.
Options parse(const QStringList& arguments, std::optional<int>& code) {
    QCommandLineParser parser;
    parser.setApplicationDescription(
        QStringLiteral("Alcove: a desktop chat with its own engine.\n"
                       "With no display: alcove export, alcove import, alcove models (each with --help)."));
    const QCommandLineOption help = parser.addHelpOption();
    const QCommandLineOption version = parser.addVersionOption();
    const QCommandLineOption model(QStringLiteral("model"), QStringLiteral("Load this GGUF file."),
                                   QStringLiteral("PATH"));
    const QCommandLineOption device(QStringLiteral("device"), QStringLiteral("best (default), cpu or cuda."),
                                    QStringLiteral("DEVICE"));
    const QCommandLineOption newWindow(QStringLiteral("new-window"),
                                       QStringLiteral("Open another window of the running program."));
    const QCommandLineOption data(QStringLiteral("data"),
                                  QStringLiteral("Keep conversations and models here."),
                                  QStringLiteral("FOLDER"));
    const QCommandLineOption config(QStringLiteral("config"), QStringLiteral("Keep settings here."),
                                    QStringLiteral("FOLDER"));
    parser.addOptions({model, device, newWindow, data, config});
    Options options;
    const auto complain = [&](const QString& text) {
        std::fprintf(stderr, "alcove: %s; see --help\n", qPrintable(text));
        code = 2;
        return options;
    };
    if (!parser.parse(arguments)) return complain(parser.errorText());
    if (parser.isSet(help) || parser.isSet(version)) {
        const QString text =
            parser.isSet(help) ? parser.helpText() : QStringLiteral("alcove " ALCOVE_VERSION "\n");
        std::fputs(qPrintable(text), stdout);
        code = 0;
        return options;
    }
    if (!parser.positionalArguments().isEmpty())
        return complain(QStringLiteral("no verb is called \"%1\"").arg(parser.positionalArguments().first()));
    options.device = parser.value(device);
    if (!options.device.isEmpty() &&
        !QStringList{QStringLiteral("best"), QStringLiteral("cpu"), QStringLiteral("cuda")}.contains(
            options.device))
        return complain(QStringLiteral("--device is best, cpu or cuda, not \"%1\"").arg(options.device));
    options.model = parser.value(model);
    options.dataFolder = parser.value(data);
    options.configFolder = parser.value(config);
    options.newWindow = parser.isSet(newWindow);
    return options;
}

void setUp(QCoreApplication& program) {
    program.setApplicationName(QStringLiteral("alcove"));
    program.setApplicationVersion(QStringLiteral(ALCOVE_VERSION));
    // Qt sets the user's locale for the C library too, whose printf and strtod then write and read "1,5"
    // where prompts and files mean 1.5. Qt itself formats for people through QLocale.
    std::setlocale(LC_NUMERIC, "C");
}

}  // namespace

int main(int argc, char** argv) {
    QStringList arguments;
    for (int i = 0; i < argc; ++i) arguments.append(QString::fromLocal8Bit(argv[i]));
    if (arguments.size() > 1 && app::isVerb(arguments[1])) {
        QCoreApplication program(argc, argv);
        setUp(program);
        return app::runVerb(arguments.mid(1));
    }
    std::optional<int> code;
    const Options options = parse(arguments, code);
    if (code) return *code;

    QApplication program(argc, argv);
    setUp(program);
    QGuiApplication::setApplicationDisplayName(QStringLiteral("Alcove"));
    QGuiApplication::setDesktopFileName(QStringLiteral("alcove"));

    const QString folder = options.dataFolder.isEmpty()
                               ? QStandardPaths::writableLocation(QStandardPaths::GenericDataLocation)
                               : options.dataFolder;
    std::optional<app::SingleInstance> instance(std::in_place, folder);
    if (instance->handOver(options.newWindow ? app::SingleInstance::Wish::NewWindow
                                             : app::SingleInstance::Wish::Raise))
        return 0;

    app::Application::Options choices;
    choices.dataFolder = options.dataFolder;
    choices.configFolder = options.configFolder;
    choices.model = options.model;
    choices.device = options.device;
    app::Application application(std::move(choices));
    std::vector<std::unique_ptr<ui::MainWindow>> windows;
    const auto open = [&] {
        windows.push_back(std::make_unique<ui::MainWindow>(application));
        windows.back()->show();
    };
    const auto raise = [&] {
        ui::MainWindow& window = *windows.front();
        window.show();
        window.setWindowState(window.windowState() & ~Qt::WindowMinimized);
        window.raise();
        window.activateWindow();
    };
    QObject::connect(&*instance, &app::SingleInstance::newWindowRequested, &application, open);
    QObject::connect(&*instance, &app::SingleInstance::raiseRequested, &application, raise);
    QObject::connect(&application, &app::Application::windowRequested, &application, open);
    // Closing the last window ends the program once the engine has saved what it keeps; a start meanwhile is
    // a new program.
    QGuiApplication::setQuitOnLastWindowClosed(false);
    ui::SavingNotice notice(application);
    QObject::connect(&program, &QGuiApplication::lastWindowClosed, &application, [&] {
        instance.reset();
        application.close();
    });
    QObject::connect(&application, &app::Application::closed, &program, &QCoreApplication::quit,
                     Qt::QueuedConnection);
    // The window stands before anything slow begins.
    open();
    application.start();
    return program.exec();
}
