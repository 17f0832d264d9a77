#include "ui/theme.h"

#include <QApplication>
#include <QDBusConnection>
#include <QDBusMessage>
#include <QDBusPendingCallWatcher>
#include <QDBusPendingReply>
#include <QDBusVariant>
#include <QFile>
#include <QFontDatabase>
#include <QFontInfo>
#include <QJsonDocument>
#include <QJsonObject>
#include <QPainter>
#include <QPalette>
#include <QStyle>
#include <QStyleFactory>
#include <cmath>

#include "ui/resources.h"
#include "ui/svg_icon.h"

namespace ui {

namespace {

constexpr std::array<const char*, size_t(Token::Count)> kTokenNames = {
    "window",        "sidebar",        "surface",       "bubble",        "hover",        "selected",
    "border",        "borderStrong",   "text",          "textSecondary", "textFaint",    "accent",
    "accentHover",   "accentText",     "accentSoft",    "focus",         "link",         "selection",
    "code",          "codeHeader",     "inlineCode",    "error",         "errorSoft",    "warning",
    "scrollbar",     "scrollbarHover", "syntaxKeyword", "syntaxType",    "syntaxString", "syntaxNumber",
    "syntaxComment", "syntaxFunction"};

constexpr const char* kPortalService = "org.freedesktop.portal.Desktop";
constexpr const char* kPortalPath = "/org/freedesktop/portal/desktop";
constexpr const char* kPortalInterface = "org.freedesktop.portal.Settings";
constexpr const char* kAppearance = "org.freedesktop.appearance";
constexpr const char* kColorSchemeKey = "color-scheme";

QByteArray readResource(const QString& path) {
    QFile file(path);
    const bool opened = file.open(QIODevice::ReadOnly);
    Q_ASSERT_X(opened, "Theme", "a resource is not compiled in");
    return opened ? file.readAll() : QByteArray();
}

double luminance(const QColor& color) {
    const auto linear = [](double channel) {
        return channel <= 0.04045 ? channel / 12.92 : std::pow((channel + 0.055) / 1.055, 2.4);
    };
    return 0.2126 * linear(color.redF()) + 0.7152 * linear(color.greenF()) + 0.0722 * linear(color.blueF());
}

QString firstInstalled(const QStringList& families, const QString& fallback) {
    const QStringList installed = QFontDatabase::families();
    for (const QString& family : families) {
        if (installed.contains(family)) return family;
    }
    return fallback;
}

}  // namespace

double contrastRatio(const QColor& a, const QColor& b) {
    const double la = luminance(a), lb = luminance(b);
    return (std::max(la, lb) + 0.05) / (std::min(la, lb) + 0.05);
}

ColorScheme colorSchemeFromName(const QString& name) {
    if (name == QLatin1String("light")) return ColorScheme::Light;
    if (name == QLatin1String("dark")) return ColorScheme::Dark;
    return ColorScheme::System;
}

Theme::Theme(QObject* parent) : QObject(parent) {
    initResources();
    systemDark_ = QGuiApplication::palette().color(QPalette::Window).lightness() < 128;
    chooseFonts();
    QApplication::setStyle(QStyleFactory::create(QStringLiteral("Fusion")));
    apply();
    askPortal();
}

void Theme::setScheme(ColorScheme scheme) {
    scheme_ = scheme;
    apply();
}

void Theme::askPortal() {
    QDBusConnection bus = QDBusConnection::sessionBus();
    if (!bus.isConnected()) return;
    bus.connect(kPortalService, kPortalPath, kPortalInterface, QStringLiteral("SettingChanged"), this,
                SLOT(portalSettingChanged(QString, QString, QDBusVariant)));
    QDBusMessage call =
        QDBusMessage::createMethodCall(kPortalService, kPortalPath, kPortalInterface, QStringLiteral("Read"));
    call << QString(kAppearance) << QString(kColorSchemeKey);
    auto* watcher = new QDBusPendingCallWatcher(bus.asyncCall(call), this);
    connect(watcher, &QDBusPendingCallWatcher::finished, this, [this, watcher] {
        const QDBusPendingReply<QDBusVariant> reply = *watcher;
        if (!reply.isError()) takePortalScheme(reply.value().variant());
        watcher->deleteLater();
    });
}

void Theme::portalSettingChanged(const QString& group, const QString& key, const QDBusVariant& value) {
    if (group == QLatin1String(kAppearance) && key == QLatin1String(kColorSchemeKey)) {
        takePortalScheme(value.variant());
    }
}

void Theme::takePortalScheme(const QVariant& value) {
    // `Read` wraps its answer twice, the signal once. 0: no preference, 1: dark, 2: light.
    const QVariant inner = value.canConvert<QDBusVariant>() ? value.value<QDBusVariant>().variant() : value;
    const uint preference = inner.toUInt();
    if (preference == 0) return;
    systemDark_ = preference == 1;
    apply();
}

void Theme::chooseFonts() {
    const QFont system = QFontDatabase::systemFont(QFontDatabase::GeneralFont);
    // 13 px is what a desktop at its normal text size asks for; who asks for more gets more everywhere.
    const double scale = std::clamp(QFontInfo(system).pixelSize() / 13.0, 1.0, 2.0);
    const QString sans =
        firstInstalled({QStringLiteral("Inter"), QStringLiteral("Noto Sans")}, system.family());
    const QString mono =
        firstInstalled({QStringLiteral("JetBrains Mono"), QStringLiteral("Source Code Pro"),
                        QStringLiteral("Noto Sans Mono"), QStringLiteral("DejaVu Sans Mono")},
                       QFontDatabase::systemFont(QFontDatabase::FixedFont).family());
    const auto make = [scale](const QString& family, double pixels) {
        QFont font(family);
        font.setPixelSize(int(std::lround(pixels * scale)));
        font.setHintingPreference(QFont::PreferVerticalHinting);
        return font;
    };
    bodyFont_ = make(sans, 15);
    labelFont_ = make(sans, 13);
    smallFont_ = make(sans, 12);
    codeFont_ = make(mono, 13);
    codeFont_.setStyleHint(QFont::Monospace);
    codeFont_.setFixedPitch(true);
}

void Theme::apply() {
    const bool dark = scheme_ == ColorScheme::System ? systemDark_ : scheme_ == ColorScheme::Dark;
    if (applied_ && dark == dark_) return;
    applied_ = true;
    dark_ = dark;
    const QString file = dark ? QStringLiteral(":/theme/dark.json") : QStringLiteral(":/theme/light.json");
    const QJsonObject tokens = QJsonDocument::fromJson(readResource(file)).object();
    QString sheet = QString::fromUtf8(readResource(QStringLiteral(":/theme/alcove.qss")));
    for (size_t i = 0; i < colors_.size(); ++i) {
        const QString name = QLatin1String(kTokenNames[i]);
        colors_[i] = QColor(tokens.value(name).toString());
        Q_ASSERT_X(colors_[i].isValid(), "Theme", kTokenNames[i]);
        sheet.replace(QLatin1Char('@') + name + QLatin1Char(';'), colors_[i].name() + QLatin1Char(';'));
        sheet.replace(QLatin1Char('@') + name + QLatin1Char(' '), colors_[i].name() + QLatin1Char(' '));
    }
    const QString folder = dark ? QStringLiteral(":/theme/dark-") : QStringLiteral(":/theme/light-");
    sheet.replace(QStringLiteral("@iconDown"), folder + QStringLiteral("down.svg"));
    sheet.replace(QStringLiteral("@iconUp"), folder + QStringLiteral("up.svg"));
    sheet.replace(QStringLiteral("@iconCheck"), folder + QStringLiteral("check.svg"));
    sheet.replace(QStringLiteral("@bodySize"), QString::number(bodyFont_.pixelSize()) + QStringLiteral("px"));
    sheet.replace(QStringLiteral("@labelSize"),
                  QString::number(labelFont_.pixelSize()) + QStringLiteral("px"));
    sheet.replace(QStringLiteral("@smallSize"),
                  QString::number(smallFont_.pixelSize()) + QStringLiteral("px"));

    QPalette palette;
    palette.setColor(QPalette::Window, color(Token::Window));
    palette.setColor(QPalette::WindowText, color(Token::Text));
    palette.setColor(QPalette::Base, color(Token::Surface));
    palette.setColor(QPalette::AlternateBase, color(Token::Sidebar));
    palette.setColor(QPalette::Text, color(Token::Text));
    palette.setColor(QPalette::PlaceholderText, color(Token::TextFaint));
    palette.setColor(QPalette::Button, color(Token::Surface));
    palette.setColor(QPalette::ButtonText, color(Token::Text));
    palette.setColor(QPalette::BrightText, color(Token::AccentText));
    palette.setColor(QPalette::Highlight, color(Token::Selection));
    palette.setColor(QPalette::HighlightedText, color(Token::Text));
    palette.setColor(QPalette::Link, color(Token::Link));
    palette.setColor(QPalette::ToolTipBase, color(Token::Surface));
    palette.setColor(QPalette::ToolTipText, color(Token::Text));
    palette.setColor(QPalette::Mid, color(Token::Border));
    palette.setColor(QPalette::Dark, color(Token::BorderStrong));
    for (const auto role : {QPalette::WindowText, QPalette::Text, QPalette::ButtonText}) {
        palette.setColor(QPalette::Disabled, role, color(Token::TextFaint));
    }
    QApplication::setPalette(palette);
    QApplication::setFont(labelFont_);
    qApp->setStyleSheet(sheet);
    Q_EMIT changed();
}

QIcon Theme::icon(const QString& name, Token token) const {
    return QIcon(new SvgIconEngine(QStringLiteral(":/icons/") + name + QStringLiteral(".svg"), color(token)));
}

QPixmap Theme::pixmap(const QString& name, Token token, int size, qreal pixelRatio) const {
    QPixmap pixmap = icon(name, token).pixmap(QSize(size, size) * pixelRatio);
    pixmap.setDevicePixelRatio(pixelRatio);
    return pixmap;
}

}  // namespace ui
