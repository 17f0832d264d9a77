#include "app/settings/settings.h"

#include <QJsonDocument>
#include <algorithm>

#include "app/store/rows.h"

namespace app {
namespace {

/// The value if it is one of `allowed`, else the first of them.
QString oneOf(const QString& value, const QStringList& allowed) {
    return allowed.contains(value) ? value : allowed.first();
}

const QStringList kThemes = {QStringLiteral("system"), QStringLiteral("light"), QStringLiteral("dark")};
const QStringList kDevices = {QStringLiteral("best"), QStringLiteral("cpu"), QStringLiteral("cuda")};
const QStringList kWhenFull = {QStringLiteral("stop"), QStringLiteral("leaveOut")};
constexpr qint64 kMostCacheBytes = qint64(1) << 50;
const QStringList kKvTypes = {QStringLiteral("f16"), QStringLiteral("q8_0"), QStringLiteral("q4_0")};
constexpr int kMostThreads = 1024;
constexpr int kMostContext = 1 << 24;

}  // namespace

Settings::Settings(const QString& file, QObject* parent)
    : QObject(parent), file_(file, QSettings::IniFormat) {}

template <class T>
void Settings::set(const char* key, const T& value) {
    const QString name = QString::fromLatin1(key);
    if (file_.contains(name) && file_.value(name) == QVariant::fromValue(value)) return;
    file_.setValue(name, value);
    Q_EMIT changed();
}

ThemeChoice Settings::theme() const {
    return static_cast<ThemeChoice>(kThemes.indexOf(oneOf(file_.value("theme").toString(), kThemes)));
}

void Settings::setTheme(ThemeChoice theme) {
    set("theme", kThemes[static_cast<int>(theme)]);
}

bool Settings::sendOnEnter() const {
    return file_.value("composer/sendOnEnter", true).toBool();
}

void Settings::setSendOnEnter(bool send) {
    set("composer/sendOnEnter", send);
}

ModelOptions Settings::modelOptions() const {
    ModelOptions options;
    options.path = file_.value("model/path").toString();
    options.device = oneOf(file_.value("model/device").toString(), kDevices);
    options.threads = std::clamp(file_.value("model/threads", 0).toInt(), 0, kMostThreads);
    options.contextTokens = std::clamp(file_.value("model/context", 0).toInt(), 0, kMostContext);
    options.kvType = oneOf(file_.value("model/kvType").toString(), kKvTypes);
    options.draftPath = draftFor(options.path);
    options.hostCacheBytes = std::clamp<qint64>(
        file_.value("cache/hostBytes", options.hostCacheBytes).toLongLong(), 0, kMostCacheBytes);
    options.diskCache = file_.value("cache/onDisk", true).toBool();
    options.diskCacheBytes = std::clamp<qint64>(
        file_.value("cache/diskBytes", options.diskCacheBytes).toLongLong(), 0, kMostCacheBytes);
    return options;
}

void Settings::setModelOptions(const ModelOptions& options) {
    set("model/path", options.path);
    set("model/device", options.device);
    set("model/threads", options.threads);
    set("model/context", options.contextTokens);
    set("model/kvType", options.kvType);
    set("cache/hostBytes", options.hostCacheBytes);
    set("cache/onDisk", options.diskCache);
    set("cache/diskBytes", options.diskCacheBytes);
}

QString Settings::draftFor(const QString& model) const {
    return file_.value("model/drafts").toMap().value(model).toString();
}

void Settings::setDraftFor(const QString& model, const QString& draft) {
    QVariantMap drafts = file_.value("model/drafts").toMap();
    drafts[model] = draft;
    if (draft.isEmpty()) drafts.remove(model);
    set("model/drafts", drafts);
}

SamplingSettings Settings::sampling() const {
    const QByteArray json = file_.value("sampling").toString().toUtf8();
    return samplingFromJson(QJsonDocument::fromJson(json).object());
}

void Settings::setSampling(const SamplingSettings& sampling) {
    set("sampling", QString::fromUtf8(QJsonDocument(toJson(sampling)).toJson(QJsonDocument::Compact)));
}

WhenFull Settings::whenFull() const {
    const QString choice = file_.value("context/whenFull").toString();
    return choice == kWhenFull[0] ? WhenFull::Stop : WhenFull::LeaveOutOldest;
}

void Settings::setWhenFull(WhenFull whenFull) {
    set("context/whenFull", kWhenFull[static_cast<int>(whenFull)]);
}

QString Settings::systemPrompt() const {
    return file_.value("systemPrompt").toString();
}

void Settings::setSystemPrompt(const QString& text) {
    set("systemPrompt", text);
}

ConversationId Settings::lastConversation() const {
    return file_.value("window/conversation", 0).toLongLong();
}

void Settings::setLastConversation(ConversationId id) {
    file_.setValue("window/conversation", id);
}

QByteArray Settings::windowState(const QString& key) const {
    return file_.value("window/" + key).toByteArray();
}

void Settings::setWindowState(const QString& key, const QByteArray& state) {
    file_.setValue("window/" + key, state);
}

void Settings::sync() {
    file_.sync();
}

}  // namespace app
