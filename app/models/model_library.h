#pragma once

#include <QList>
#include <QObject>
#include <QString>
#include <QStringList>
#include <QThreadPool>
#include <atomic>

namespace app {

/// A model file on this machine, as its own metadata describes it.
struct ModelFile {
    QString path;          ///< of the first shard
    QString name;          ///< as `displayName` gives it
    QString source;        ///< where it was found: "Alcove", "Hugging Face", "LM Studio", "Ollama", …
    QString architecture;  ///< e.g. "llama"
    QString quantisation;  ///< the type that most bytes have, e.g. "Q4_K"
    qint64 bytes = 0;      ///< all shards together
    qint64 parameters = 0;
    int contextLength = 0;  ///< tokens the model was made for
    bool hasChatTemplate = false;
    quint64 vocabularyHash = 0;  ///< equal: one can guess ahead for the other; 0: unknown
    bool isCompanion = false;    ///< a projector, adapter or vocabulary; the library does not list these
    QString problem;             ///< why it cannot run, one line; empty: it can

    bool isUsable() const { return problem.isEmpty(); }
    bool operator==(const ModelFile&) const = default;
};

/// A folder that may hold models, and how it lays them out.
struct ModelStore {
    enum class Layout {
        Files,     ///< *.gguf, folders searched to a small depth
        Hub,       ///< Hugging Face's models--org--repo/snapshots/<revision>/
        Manifests  ///< Ollama's manifests and blobs
    };
    QString folder;
    QString source;
    Layout layout = Layout::Files;
};

/// The models that can be found: Alcove's own folder, $ALCOVE_MODELS, and, read-only and without copies, the
/// folders of other programs. The scan runs off the GUI thread; damaged files are listed with their reason.
/// Lives on the GUI thread.
class ModelLibrary : public QObject {
    Q_OBJECT
  public:
    explicit ModelLibrary(QList<ModelStore> stores, QObject* parent = nullptr);
    ~ModelLibrary() override;

    /// Alcove's own folder first, then those of the environment and of other programs.
    static QList<ModelStore> standardStores(const QString& dataFolder);

    void scan();  ///< starts one unless one runs; scanFinished comes in any case
    bool isScanning() const { return scanning_; }
    const QList<ModelFile>& models() const { return models_; }  ///< usable ones first, then by name
    const ModelFile* find(const QString& path) const;           ///< null: not there
    /// The one to start with when the user chose none: the smallest with a chat template; empty: none.
    QString defaultModel() const;

    /// Models that can guess ahead for this one: the same vocabulary, at most kDraftShare of its size; the
    /// smallest first.
    QList<ModelFile> draftsFor(const QString& path) const;
    static constexpr double kDraftShare = 0.6;

    /// What people call the model in this file: the file's name without the number of its shard and without
    /// its quantisation, because its own `general.name` is often what a training run was called. A name that
    /// is a checksum, as caches give, says nothing: then it is `generalName`, where there is one.
    static QString displayName(const QString& path, const QString& generalName);

    /// Reads one file's description, e.g. a file given by hand. Reads metadata only; any thread.
    static ModelFile describe(const QString& path, const QString& source);

  Q_SIGNALS:
    void modelsChanged();
    void scanFinished();

  private:
    QList<ModelStore> stores_;
    QList<ModelFile> models_;
    bool scanning_ = false;
    std::atomic<bool> stopping_{false};
    QThreadPool pool_;
};

}  // namespace app
