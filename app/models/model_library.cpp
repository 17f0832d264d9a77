#include "app/models/model_library.h"

#include <QFileInfo>
#include <QSet>
#include <algorithm>

#include "app/models/model_stores.h"

namespace app {

ModelLibrary::ModelLibrary(QList<ModelStore> stores, QObject* parent)
    : QObject(parent), stores_(std::move(stores)) {
    pool_.setMaxThreadCount(1);
}

ModelLibrary::~ModelLibrary() {
    stopping_ = true;
    pool_.waitForDone();
}

void ModelLibrary::scan() {
    if (scanning_) return;
    scanning_ = true;
    pool_.start([this, stores = stores_] {
        QList<ModelFile> models;
        QSet<QString> seen;  // a file that two stores share is listed under the first
        for (const ModelStore& store : stores)
            for (const ModelCandidate& candidate : findModels(store, stopping_)) {
                if (stopping_) return;
                const QString real = QFileInfo(candidate.path).canonicalFilePath();
                if (seen.contains(real)) continue;
                seen.insert(real);
                ModelFile model = describe(candidate.path, store.source);
                if (!candidate.name.isEmpty()) model.name = candidate.name;
                if (!model.isCompanion) models.append(model);
            }
        std::stable_sort(models.begin(), models.end(), [](const ModelFile& a, const ModelFile& b) {
            if (a.isUsable() != b.isUsable()) return a.isUsable();
            return a.name.compare(b.name, Qt::CaseInsensitive) < 0;
        });
        QMetaObject::invokeMethod(this, [this, models] {
            scanning_ = false;
            const bool changed = models != models_;
            models_ = models;
            if (changed) Q_EMIT modelsChanged();
            Q_EMIT scanFinished();
        });
    });
}

const ModelFile* ModelLibrary::find(const QString& path) const {
    for (const ModelFile& model : models_)
        if (model.path == path) return &model;
    return nullptr;
}

QString ModelLibrary::defaultModel() const {
    const ModelFile* best = nullptr;
    for (const ModelFile& model : models_)
        if (model.isUsable() && model.hasChatTemplate && (best == nullptr || model.bytes < best->bytes))
            best = &model;
    return best != nullptr ? best->path : QString();
}

QList<ModelFile> ModelLibrary::draftsFor(const QString& path) const {
    QList<ModelFile> drafts;
    const ModelFile* target = find(path);
    if (target == nullptr || target->vocabularyHash == 0) return drafts;
    for (const ModelFile& model : models_)
        if (model.isUsable() && model.vocabularyHash == target->vocabularyHash &&
            static_cast<double>(model.bytes) <= kDraftShare * static_cast<double>(target->bytes))
            drafts.append(model);
    std::stable_sort(drafts.begin(), drafts.end(),
                     [](const ModelFile& a, const ModelFile& b) { return a.bytes < b.bytes; });
    return drafts;
}

}  // namespace app
