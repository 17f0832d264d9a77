#include "app/models/model_stores.h"

#include <QDir>
#include <QDirIterator>
#include <QFile>
#include <QFileInfo>
#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>
#include <QRegularExpression>
#include <QSet>
#include <QStandardPaths>

namespace app {
namespace {

constexpr int kDepth = 5;  ///< folders below a store that are looked into
constexpr int kMostFiles = 5000;
constexpr qint64 kMostManifestBytes = 1 << 20;

bool isLaterShard(const QString& fileName) {
    static const QRegularExpression kShard(QStringLiteral("-(\\d{5})-of-\\d{5}\\.gguf$"),
                                           QRegularExpression::CaseInsensitiveOption);
    const QRegularExpressionMatch match = kShard.match(fileName);
    return match.hasMatch() && match.captured(1) != QLatin1String("00001");
}

/// Linked folders are followed; the depth bounds rings of them.
void findFiles(const QString& folder, int depth, const std::atomic<bool>& stopping,
               QList<ModelCandidate>& found) {
    const QDir dir(folder);
    for (const QFileInfo& entry :
         dir.entryInfoList(QDir::Files | QDir::Dirs | QDir::NoDotAndDotDot, QDir::Name)) {
        if (stopping || found.size() >= kMostFiles) return;
        if (entry.isDir()) {
            if (depth > 0) findFiles(entry.filePath(), depth - 1, stopping, found);
        } else if (entry.suffix().compare(QLatin1String("gguf"), Qt::CaseInsensitive) == 0 &&
                   !isLaterShard(entry.fileName())) {
            found.append({entry.filePath(), {}});
        }
    }
}

/// https://huggingface.co/docs/huggingface_hub/guides/manage-cache: snapshots hold links into blobs.
void findInHub(const QString& folder, const std::atomic<bool>& stopping, QList<ModelCandidate>& found) {
    const QDir hub(folder);
    for (const QString& repository : hub.entryList({QStringLiteral("models--*")}, QDir::Dirs))
        findFiles(hub.filePath(repository + QStringLiteral("/snapshots")), kDepth, stopping, found);
}

/// The blob of a manifest's model layer; empty when it has none.
QString blobOf(const QString& manifest, const QString& blobs) {
    QFile file(manifest);
    if (file.size() > kMostManifestBytes || !file.open(QIODevice::ReadOnly)) return {};
    for (const QJsonValue layer : QJsonDocument::fromJson(file.readAll())["layers"].toArray()) {
        if (layer["mediaType"].toString() != QLatin1String("application/vnd.ollama.image.model")) continue;
        static const QRegularExpression kDigest(QStringLiteral("^sha256:[0-9a-f]{64}$"));
        const QString digest = layer["digest"].toString();
        if (kDigest.match(digest).hasMatch()) return blobs + '/' + QString(digest).replace(':', '-');
    }
    return {};
}

/// manifests/HOST/NAMESPACE/MODEL/TAG
void findInManifests(const QString& folder, const std::atomic<bool>& stopping, QList<ModelCandidate>& found) {
    const QString blobs = folder + QStringLiteral("/blobs");
    QDirIterator manifests(folder + QStringLiteral("/manifests"), QDir::Files, QDirIterator::Subdirectories);
    while (manifests.hasNext() && !stopping && found.size() < kMostFiles) {
        const QFileInfo manifest(manifests.next());
        const QString blob = blobOf(manifest.filePath(), blobs);
        if (!blob.isEmpty() && QFileInfo::exists(blob))
            found.append({blob, manifest.dir().dirName() + ':' + manifest.fileName()});
    }
}

QString environmentOr(const char* variable, const QString& otherwise) {
    const QString value = qEnvironmentVariable(variable);
    return value.isEmpty() ? otherwise : value;
}

}  // namespace

QList<ModelStore> ModelLibrary::standardStores(const QString& dataFolder) {
    using Layout = ModelStore::Layout;
    const QString home = QDir::homePath();
    const QString data = QStandardPaths::writableLocation(QStandardPaths::GenericDataLocation);
    const QString cache = QStandardPaths::writableLocation(QStandardPaths::GenericCacheLocation);
    QList<ModelStore> stores = {{dataFolder + "/models", QStringLiteral("Alcove"), Layout::Files}};
    if (const QString own = qEnvironmentVariable("ALCOVE_MODELS"); !own.isEmpty())
        stores.append({own, QStringLiteral("ALCOVE_MODELS"), Layout::Files});
    const QString hub = environmentOr(
        "HF_HUB_CACHE", environmentOr("HF_HOME", cache + "/huggingface") + QStringLiteral("/hub"));
    stores.append({hub, QStringLiteral("Hugging Face"), Layout::Hub});
    stores.append({home + "/.lmstudio/models", QStringLiteral("LM Studio"), Layout::Files});
    stores.append({home + "/.cache/lm-studio/models", QStringLiteral("LM Studio"), Layout::Files});
    stores.append({environmentOr("OLLAMA_MODELS", home + "/.ollama/models"), QStringLiteral("Ollama"),
                   Layout::Manifests});
    stores.append(
        {QStringLiteral("/usr/share/ollama/.ollama/models"), QStringLiteral("Ollama"), Layout::Manifests});
    stores.append({data + "/Jan/data/llamacpp/models", QStringLiteral("Jan"), Layout::Files});
    stores.append({home + "/jan/models", QStringLiteral("Jan"), Layout::Files});
    stores.append({data + "/nomic.ai/GPT4All", QStringLiteral("GPT4All"), Layout::Files});
    return stores;
}

QList<ModelCandidate> findModels(const ModelStore& store, const std::atomic<bool>& stopping) {
    QList<ModelCandidate> found;
    switch (store.layout) {
        case ModelStore::Layout::Files:
            findFiles(store.folder, kDepth, stopping, found);
            break;
        case ModelStore::Layout::Hub:
            findInHub(store.folder, stopping, found);
            break;
        case ModelStore::Layout::Manifests:
            findInManifests(store.folder, stopping, found);
            break;
    }
    QSet<QString> seen;
    found.removeIf([&](const ModelCandidate& candidate) {
        const QString real = QFileInfo(candidate.path).canonicalFilePath();
        if (real.isEmpty() || seen.contains(real)) return true;
        seen.insert(real);
        return false;
    });
    return found;
}

}  // namespace app
