#pragma once

#include <QList>
#include <QString>
#include <atomic>

#include "app/models/model_library.h"

namespace app {

/// A file that may be a model, and what its store calls it (empty: nothing).
struct ModelCandidate {
    QString path;
    QString name;
};

/// The model files of a store, first shards only, each once however many links lead to it. Reads folders and
/// small text files only. Ends early when `stopping` turns true.
QList<ModelCandidate> findModels(const ModelStore& store, const std::atomic<bool>& stopping);

}  // namespace app
