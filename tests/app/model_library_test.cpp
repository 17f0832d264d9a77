#include "app/models/model_library.h"

#include <QDir>
#include <QFile>
#include <QSignalSpy>
#include <QTemporaryDir>
#include <QTest>

#include "tests/engine/support/gguf_builder.h"
#include "tests/engine/support/tiny_chat_model.h"

using namespace app;
using engine::testing::GgufBuilder;

namespace {

QByteArray manifestOf(const QByteArray& digest) {
    QByteArray json =
        "{'layers':[{'mediaType':'application/vnd.ollama.image.license','digest':'sha256:00'},"
        "{'mediaType':'application/vnd.ollama.image.model','digest':'DIGEST'}]}";
    return json.replace('\'', '"').replace("DIGEST", digest);
}

}  // namespace

class ModelLibraryTest : public QObject {
    Q_OBJECT
    engine::testing::TinyChatModel tiny_;
    std::unique_ptr<QTemporaryDir> folder_;

    QString tiny() const { return QString::fromStdString(tiny_.path().string()); }
    /// Puts bytes under the temporary folder; makes the folders on the way.
    QString put(const QString& path, const QByteArray& bytes) {
        const QString full = folder_->filePath(path);
        QDir().mkpath(QFileInfo(full).path());
        QFile file(full);
        if (!file.open(QIODevice::WriteOnly) || file.write(bytes) != bytes.size()) qFatal("cannot write");
        return full;
    }
    QString putTiny(const QString& path) {
        const QString full = folder_->filePath(path);
        QDir().mkpath(QFileInfo(full).path());
        if (!QFile::copy(tiny(), full)) qFatal("cannot copy");
        return full;
    }
    QString put(const QString& path, const GgufBuilder& builder) {
        const std::vector<std::byte> bytes = builder.bytes();
        return put(path, QByteArray(reinterpret_cast<const char*>(bytes.data()),
                                    static_cast<qsizetype>(bytes.size())));
    }
    QList<ModelFile> scan(const QList<ModelStore>& stores) {
        ModelLibrary library(stores);
        QSignalSpy finished(&library, &ModelLibrary::scanFinished);
        library.scan();
        library.scan();  // the one that runs is enough
        if (!finished.wait(30000)) qFatal("no scan");
        default_ = library.defaultModel();
        drafts_ = draftsOf_.isEmpty() ? QList<ModelFile>() : library.draftsFor(draftsOf_);
        return library.models();
    }
    ModelStore files() const { return {folder_->path(), "Alcove", ModelStore::Layout::Files}; }
    QString default_, draftsOf_;
    QList<ModelFile> drafts_;

  private Q_SLOTS:
    void init() {
        folder_ = std::make_unique<QTemporaryDir>();
        draftsOf_.clear();
    }

    void smallerModelsOfTheSameVocabularyAreOfferedAsDrafts() {
        engine::testing::TinyModel shape = engine::testing::tinyChatShape();
        shape.layers = 8;
        shape.feedForward *= 4;
        const engine::testing::TinyChatModel large(shape);
        const QString bigger = folder_->filePath("bigger.gguf");
        QVERIFY(QFile::copy(QString::fromStdString(large.path().string()), bigger));
        const QString small = putTiny("small.gguf");
        QFile other(small);
        QVERIFY(other.open(QIODevice::ReadOnly));
        // One token of another spelling, and every id would mean the same but one.
        put("stranger.gguf", other.readAll().replace("<|endoftext|>", "<|endofTEXT|>"));
        draftsOf_ = bigger;
        const QList<ModelFile> models = scan({files()});
        QCOMPARE(models.size(), 3);
        for (const ModelFile& model : models) QVERIFY(model.vocabularyHash != 0);
        QCOMPARE(drafts_.size(), 1);
        QCOMPARE(drafts_.first().path, small);
        draftsOf_ = small;
        scan({files()});
        QVERIFY2(drafts_.isEmpty(), "nothing is smaller enough than the smallest");
    }

    void describesAModelFromItsOwnMetadata() {
        const QString path = putTiny("Some-Model-1B.Q8_0.gguf");
        const QList<ModelFile> models = scan({files()});
        QCOMPARE(models.size(), 1);
        const ModelFile& model = models.first();
        QCOMPARE(model.path, path);
        QCOMPARE(model.name, QString("Some-Model-1B"));
        QCOMPARE(model.source, QString("Alcove"));
        QCOMPARE(model.architecture, QString("llama"));
        QCOMPARE(model.quantisation, QString("Q8_0"));
        QCOMPARE(model.contextLength, 1024);
        QCOMPARE(model.bytes, QFileInfo(path).size());
        QVERIFY(model.parameters > 32768);
        QVERIFY(model.hasChatTemplate);
        QVERIFY2(model.isUsable(), qPrintable(model.problem));
        QCOMPARE(default_, path);
    }

    void aNameIsTheFilesOwnWithoutShardAndQuantisation() {
        const auto name = [](const char* path) { return ModelLibrary::displayName(path, " Said inside "); };
        QCOMPARE(name("/models/SmolLM2-135M-Instruct.Q4_1.gguf"), QString("SmolLM2-135M-Instruct"));
        QCOMPARE(name("/models/Qwen3-8B-Q4_K_M.gguf"), QString("Qwen3-8B"));
        QCOMPARE(name("/models/qwen3-8b-iq4_xs-00001-of-00003.gguf"), QString("qwen3-8b"));
        QCOMPARE(name("/models/gemma-3-4b-BF16.gguf"), QString("gemma-3-4b"));
        QCOMPARE(name("/models/Qwen2.5-Coder.gguf"), QString("Qwen2.5-Coder"));
        QCOMPARE(name("/models/model.v2.gguf"), QString("model.v2"));
    }

    void aChecksumIsNoName() {
        const QString checksum = QString(64, 'a');
        QCOMPARE(ModelLibrary::displayName("/blobs/sha256-" + checksum, " Said inside "),
                 QString("Said inside"));
        QCOMPARE(ModelLibrary::displayName("/blobs/" + checksum, {}), checksum);
    }

    void damagedAndUnknownFilesAreListedLastWithTheirReason() {
        put("aaa.gguf", QByteArray("GGUF, or so it says"));
        put("bbb.gguf", GgufBuilder().set("general.architecture", "mamba9").tensor("x", {1}, {1.0F}));
        putTiny("zzz.gguf");
        const QList<ModelFile> models = scan({files()});
        QCOMPARE(models.size(), 3);
        QVERIFY(models[0].isUsable());
        QCOMPARE(models[1].name, QString("aaa"));
        QVERIFY(!models[1].problem.isEmpty());
        QVERIFY2(models[2].problem.contains("mamba9"), qPrintable(models[2].problem));
        QVERIFY(default_.endsWith("zzz.gguf"));
    }

    void companionsAndLaterShardsAreNotListed() {
        put("mmproj.gguf", GgufBuilder().set("general.architecture", "clip").tensor("x", {1}, {1.0F}));
        put("lora.gguf", GgufBuilder()
                             .set("general.architecture", "llama")
                             .set("general.type", "adapter")
                             .tensor("x", {1}, {1.0F}));
        put("vocab.gguf", GgufBuilder().set("general.architecture", "llama"));
        put("big-00002-of-00003.gguf", QByteArray("second shard"));
        put("notes.txt", QByteArray("no model"));
        QVERIFY(scan({files()}).isEmpty());
        QVERIFY(default_.isEmpty());
    }

    void foldersAndLinksAreFollowedAndAFileIsListedOnce() {
        const QString real = putTiny("publisher/model/tiny.gguf");
        QVERIFY(QFile::link(real, folder_->filePath("again.gguf")));
        QVERIFY(QFile::link(folder_->path(), folder_->filePath("ring")));
        QVERIFY(QFile::link("/nowhere.gguf", folder_->filePath("dangling.gguf")));
        QCOMPARE(scan({files(), files()}).size(), 1);
    }

    void findsTheHuggingFaceCache() {
        const QString blob = putTiny("hub/models--org--tiny/blobs/abc123");
        QDir().mkpath(folder_->filePath("hub/models--org--tiny/snapshots/rev1"));
        const QString link = folder_->filePath("hub/models--org--tiny/snapshots/rev1/tiny.gguf");
        QVERIFY(QFile::link("../../blobs/abc123", link));
        putTiny("hub/datasets--x/snapshots/rev1/no-model-store.gguf");
        const QList<ModelFile> models =
            scan({{folder_->filePath("hub"), "Hugging Face", ModelStore::Layout::Hub}});
        QCOMPARE(models.size(), 1);
        QCOMPARE(models.first().path, link);
        QVERIFY(models.first().isUsable());
    }

    void findsOllamasBlobsThroughItsManifests() {
        const QByteArray digest(64, 'a');
        const QString blob = putTiny("ollama/blobs/sha256-" + digest);
        put("ollama/manifests/registry/library/tiny/latest", manifestOf("sha256:" + digest));
        put("ollama/manifests/registry/library/evil/latest", manifestOf("sha256:../../x"));
        put("ollama/manifests/registry/library/broken/latest", QByteArray("{"));
        const QList<ModelFile> models =
            scan({{folder_->filePath("ollama"), "Ollama", ModelStore::Layout::Manifests}});
        QCOMPARE(models.size(), 1);
        QCOMPARE(models.first().path, blob);
        QCOMPARE(models.first().name, QString("tiny:latest"));
        QCOMPARE(models.first().source, QString("Ollama"));
    }

    void standardStoresHonourTheEnvironment() {
        qputenv("ALCOVE_MODELS", "/own");
        qputenv("HF_HUB_CACHE", "/hub");
        qputenv("OLLAMA_MODELS", "/ollama");
        QStringList folders;
        for (const ModelStore& store : ModelLibrary::standardStores("/data")) folders.append(store.folder);
        qunsetenv("HF_HUB_CACHE");
        qputenv("HF_HOME", "/hf");
        for (const ModelStore& store : ModelLibrary::standardStores("/data")) folders.append(store.folder);
        qunsetenv("ALCOVE_MODELS");
        qunsetenv("HF_HOME");
        qunsetenv("OLLAMA_MODELS");
        QCOMPARE(folders.first(), QString("/data/models"));
        for (const char* folder : {"/own", "/hub", "/ollama", "/hf/hub"})
            QVERIFY2(folders.contains(folder), folder);
    }

    void aLibraryThatGoesAwayEndsItsScan() {
        for (int i = 0; i < 20; ++i) putTiny(QString("%1.gguf").arg(i));
        for (int i = 0; i < 5; ++i) {
            ModelLibrary library({files()});
            library.scan();
        }
    }
};

QTEST_GUILESS_MAIN(ModelLibraryTest)
#include "model_library_test.moc"
