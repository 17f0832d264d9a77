#include "ui/saving_notice.h"

#include <QGuiApplication>
#include <QScreen>

namespace ui {

SavingNotice::SavingNotice(app::Application& application) : timer_(this) {
    setObjectName(QStringLiteral("savingNotice"));
    setWindowFlags(Qt::Dialog | Qt::FramelessWindowHint);
    setAttribute(Qt::WA_QuitOnClose, false);
    setWindowTitle(tr("Saving…"));
    setText(tr("Saving…"));
    setMargin(28);
    setAccessibleName(text());
    timer_.setSingleShot(true);
    timer_.setInterval(kPatienceMillis);
    connect(&timer_, &QTimer::timeout, this, [this] {
        adjustSize();
        if (const QScreen* screen = QGuiApplication::primaryScreen())
            move(screen->availableGeometry().center() - rect().center());
        show();
    });
    connect(&application, &app::Application::closing, &timer_, qOverload<>(&QTimer::start));
    connect(&application, &app::Application::closed, this, [this] {
        timer_.stop();
        hide();
    });
}

}  // namespace ui
