#include <QFileInfo>
#include <QRegularExpression>
#include <map>

#include "app/models/model_library.h"
#include "engine/gguf/element_types.h"
#include "engine/gguf/gguf_file.h"
#include "engine/model/model_config.h"
#include "engine/tokenizer/vocabulary.h"

namespace app {
namespace {

QString toQt(std::string_view text) {
    return QString::fromUtf8(text.data(), static_cast<qsizetype>(text.size()));
}

/// Files that belong to a model but are none: projectors of vision models, adapters, importance matrices,
/// vocabularies.
bool isCompanion(const engine::GgufFile& file, const QString& architecture) {
    const QString type = toQt(file.string("general.type").value_or("model"));
    return architecture == QLatin1String("clip") || type == QLatin1String("mmproj") ||
           type == QLatin1String("adapter") || type == QLatin1String("imatrix") || file.tensors().empty();
}

/// The element type that most of the bytes have.
QString mainType(const engine::GgufFile& file) {
    std::map<std::string, size_t> bytesOf;
    for (const engine::GgufTensor& tensor : file.tensors())
        bytesOf[engine::ggmlTypeName(engine::ggmlTypeNumber(tensor.dtype))] += tensor.bytes;
    const auto most = std::max_element(bytesOf.begin(), bytesOf.end(),
                                       [](const auto& a, const auto& b) { return a.second < b.second; });
    return most == bytesOf.end() ? QString() : QString::fromStdString(most->first);
}

}  // namespace

QString ModelLibrary::displayName(const QString& path, const QString& generalName) {
    static const QRegularExpression shard(QStringLiteral("-\\d{5}-of-\\d{5}$"));
    static const QRegularExpression quantisation(QStringLiteral("[-._](I?Q\\d[A-Z0-9_]*|B?F16|F32)$"),
                                                 QRegularExpression::CaseInsensitiveOption);
    static const QRegularExpression checksum(QStringLiteral("^(sha256-)?[0-9a-f]{32,}$"));
    const QString file = QFileInfo(path).completeBaseName();
    if (checksum.match(file).hasMatch() && !generalName.trimmed().isEmpty()) return generalName.trimmed();
    QString name = file;
    name.remove(shard);
    name.remove(quantisation);
    return name.isEmpty() ? file : name;
}

ModelFile ModelLibrary::describe(const QString& path, const QString& source) {
    ModelFile model;
    model.path = path;
    model.source = source;
    model.name = displayName(path, {});
    model.bytes = QFileInfo(path).size();
    const auto file = engine::GgufFile::open(path.toStdString());
    if (!file) {
        model.problem = QString::fromStdString(file.error().message);
        return model;
    }
    model.bytes = static_cast<qint64>(file->fileBytes());
    model.architecture = toQt(file->string("general.architecture").value_or(""));
    model.name = displayName(path, toQt(file->string("general.name").value_or("")));
    model.hasChatTemplate = file->has("tokenizer.chat_template");
    model.isCompanion = isCompanion(*file, model.architecture);
    model.quantisation = mainType(*file);
    for (const engine::GgufTensor& tensor : file->tensors())
        model.parameters += static_cast<qint64>(tensor.elements());
    if (model.isCompanion) {
        model.problem = tr("%1 holds no model that can answer; choose the model's own file.").arg(path);
        return model;
    }
    const auto config = engine::ModelConfig::read(*file);
    if (const auto vocabulary = engine::loadVocabulary(*file))
        model.vocabularyHash = engine::hashVocabulary(**vocabulary);
    if (config)
        model.contextLength = config->contextLength;
    else
        model.problem = QString::fromStdString(config.error().message);
    return model;
}

}  // namespace app
