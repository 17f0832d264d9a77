#include "ui/resources.h"

#include <QCoreApplication>
#include <QLibraryInfo>
#include <QLocale>
#include <QTranslator>

// Q_INIT_RESOURCE declares a function of the global namespace.
static void initAlcoveResources() {
    Q_INIT_RESOURCE(alcove);
}

namespace ui {

void initResources() {
    static const bool done = (initAlcoveResources(), true);
    Q_UNUSED(done);
}

void initTranslations() {
    initResources();
    static QCoreApplication* translated = nullptr;
    if (translated == QCoreApplication::instance()) return;
    translated = QCoreApplication::instance();
    const auto install = [](const QString& name, const QString& folder) {
        auto* translator = new QTranslator(translated);
        if (translator->load(QLocale(), name, QStringLiteral("_"), folder)) {
            QCoreApplication::installTranslator(translator);
        } else {
            delete translator;
        }
    };
    install(QStringLiteral("qtbase"), QLibraryInfo::path(QLibraryInfo::TranslationsPath));
    install(QStringLiteral("alcove"), QStringLiteral(":/translations"));
}

}  // namespace ui
