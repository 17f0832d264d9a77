#include "app/verbs/verbs.h"

#include <QCommandLineParser>
#include <QDir>
#include <QEventLoop>
#include <QFile>
#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>
#include <QLocale>
#include <QSaveFile>
#include <QStandardPaths>
#include <cstdio>

#include "app/export/exporter.h"
#include "app/models/model_library.h"
#include "app/store/conversation_store.h"

namespace app {
namespace {

constexpr int kFailure = 1, kUsage = 2;

void say(const QString& text) {
    const QByteArray bytes = text.toUtf8();
    std::fwrite(bytes.constData(), 1, static_cast<size_t>(bytes.size()), stdout);
}

int complain(const QString& text, int code = kFailure) {
    std::fprintf(stderr, "alcove: %s\n", qPrintable(text));
    return code;
}

/// Options that every verb has, and the parsing of all.
struct Line {
    QCommandLineParser parser;
    QCommandLineOption data{QStringLiteral("data"), QStringLiteral("Folder of conversations and models."),
                            QStringLiteral("FOLDER")};

    Line(const QString& verb, const QString& description) {
        parser.setApplicationDescription(description);
        parser.addPositionalArgument(verb, QString());
        parser.addOption(data);
        parser.addHelpOption();
    }
    /// False: `code` says how the program ends.
    bool parse(const QStringList& arguments, int& code) {
        if (!parser.parse(QStringList{QStringLiteral("alcove")} + arguments)) {
            code = complain(parser.errorText() + QStringLiteral("; see --help"), kUsage);
            return false;
        }
        if (parser.isSet(QStringLiteral("help"))) {
            say(parser.helpText());
            code = 0;
            return false;
        }
        return true;
    }
    QString folder() const {
        if (parser.isSet(data)) return parser.value(data);
        return QStandardPaths::writableLocation(QStandardPaths::GenericDataLocation) +
               QStringLiteral("/alcove");
    }
    QStringList operands() const { return parser.positionalArguments().mid(1); }
};

QString databaseIn(const QString& folder) {
    return folder + QStringLiteral("/conversations.db");
}

/// A title as a file name on any system.
QString fileNameFor(const Conversation& conversation, const QString& suffix) {
    QString name;
    for (const QChar c : conversation.title) name += c.isLetterOrNumber() ? c : QChar('-');
    return QStringLiteral("%1-%2.%3").arg(name.left(40), QString::number(conversation.id), suffix);
}

int listConversations(const ConversationStore& store) {
    const QList<Conversation> conversations = store.conversations();
    for (const Conversation& conversation : conversations)
        say(QStringLiteral("%1\t%2\t%3\n")
                .arg(conversation.id)
                .arg(conversation.updated.toLocalTime().toString(QStringLiteral("yyyy-MM-dd hh:mm")),
                     conversation.title));
    return 0;
}

int exportVerb(const QStringList& arguments) {
    Line line(
        QStringLiteral("export"),
        QStringLiteral("Writes conversations to files, or one to standard output. With no ID: lists them."));
    const QCommandLineOption format(QStringLiteral("format"), QStringLiteral("md or json (default)."),
                                    QStringLiteral("FORMAT"), QStringLiteral("json"));
    const QCommandLineOption all(QStringLiteral("all"), QStringLiteral("Every conversation; needs --to."));
    const QCommandLineOption to(QStringLiteral("to"), QStringLiteral("Write files into this folder."),
                                QStringLiteral("FOLDER"));
    line.parser.addOptions({format, all, to});
    line.parser.addPositionalArgument(QStringLiteral("ID"), QStringLiteral("Conversation to export."),
                                      QStringLiteral("[ID…]"));
    int code = 0;
    if (!line.parse(arguments, code)) return code;
    const QString kind = line.parser.value(format);
    if (kind != QLatin1String("md") && kind != QLatin1String("json"))
        return complain(QStringLiteral("--format is md or json, not \"%1\"").arg(kind), kUsage);
    const bool toFiles = line.parser.isSet(to);
    const QStringList operands = line.operands();
    if ((line.parser.isSet(all) || operands.size() > 1) && !toFiles)
        return complain(QStringLiteral("several conversations go into files: say where with --to FOLDER"),
                        kUsage);
    if (!QFile::exists(databaseIn(line.folder())))
        return complain(QStringLiteral("no conversations in %1").arg(line.folder()));
    const ConversationStore store(databaseIn(line.folder()));
    if (!store.isOpen()) return complain(store.notice());
    if (operands.isEmpty() && !line.parser.isSet(all)) return listConversations(store);

    QList<Conversation> chosen;
    if (line.parser.isSet(all)) chosen = store.conversations();
    for (const QString& operand : operands) {
        const auto conversation = store.conversation(operand.toLongLong());
        if (!conversation)
            return complain(QStringLiteral("no conversation %1; `alcove export` lists them").arg(operand));
        chosen.append(*conversation);
    }
    if (toFiles && !QDir().mkpath(line.parser.value(to)))
        return complain(QStringLiteral("cannot make the folder %1").arg(line.parser.value(to)));
    for (const Conversation& conversation : std::as_const(chosen)) {
        const MessageTree tree = store.tree(conversation.id);
        const QByteArray bytes = kind == QLatin1String("md") ? toMarkdown(conversation, tree).toUtf8()
                                                             : toJson(conversation, tree);
        if (!toFiles) {
            say(QString::fromUtf8(bytes));
            continue;
        }
        QSaveFile file(line.parser.value(to) + '/' + fileNameFor(conversation, kind));
        if (!file.open(QIODevice::WriteOnly) || file.write(bytes) != bytes.size() || !file.commit())
            return complain(QStringLiteral("cannot write %1: %2").arg(file.fileName(), file.errorString()));
    }
    return 0;
}

int importVerb(const QStringList& arguments) {
    Line line(QStringLiteral("import"),
              QStringLiteral("Adds conversations that `alcove export` wrote as JSON."));
    line.parser.addPositionalArgument(QStringLiteral("FILE"), QStringLiteral("A file to read."),
                                      QStringLiteral("FILE…"));
    int code = 0;
    if (!line.parse(arguments, code)) return code;
    if (line.operands().isEmpty()) return complain(QStringLiteral("import needs a FILE; see --help"), kUsage);
    QList<ImportedConversation> imported;
    for (const QString& operand : line.operands()) {
        QFile file(operand);
        if (!file.open(QIODevice::ReadOnly))
            return complain(QStringLiteral("cannot read %1: %2").arg(operand, file.errorString()));
        imported.append(fromJson(file.readAll()));
        if (!imported.last().error.isEmpty())
            return complain(
                QStringLiteral("%1: %2; nothing was imported").arg(operand, imported.last().error));
    }
    ConversationStore store(databaseIn(line.folder()));
    if (!store.isOpen()) return complain(store.notice());
    QString failure;
    // From the store's thread into this one: the events are delivered by the loop below.
    QObject::connect(&store, &ConversationStore::writeFailed, &store,
                     [&failure](qint64, const QString& text) { failure = text; });
    for (const ImportedConversation& one : std::as_const(imported))
        store.addTree(one.conversation, one.messages);
    store.flush();
    QCoreApplication::sendPostedEvents(&store);
    if (!failure.isEmpty()) return complain(failure);
    for (const ImportedConversation& one : std::as_const(imported))
        say(QStringLiteral("%1\t%2\n").arg(one.conversation.id).arg(one.conversation.title));
    return 0;
}

int modelsVerb(const QStringList& arguments) {
    Line line(QStringLiteral("models"),
              QStringLiteral("Lists the models that Alcove finds on this machine."));
    const QCommandLineOption json(QStringLiteral("json"), QStringLiteral("One JSON array."));
    line.parser.addOption(json);
    int code = 0;
    if (!line.parse(arguments, code)) return code;
    ModelLibrary library(ModelLibrary::standardStores(line.folder()));
    QEventLoop loop;
    QObject::connect(&library, &ModelLibrary::scanFinished, &loop, &QEventLoop::quit);
    library.scan();
    loop.exec();
    QJsonArray list;
    for (const ModelFile& model : library.models()) {
        if (!line.parser.isSet(json)) {
            say(QStringLiteral("%1\t%2\t%3\t%4\t%5\n")
                    .arg(model.name, model.isUsable() ? model.architecture : model.problem,
                         model.quantisation, QLocale::c().formattedDataSize(model.bytes), model.path));
            continue;
        }
        list.append(QJsonObject{{"path", model.path},
                                {"name", model.name},
                                {"source", model.source},
                                {"architecture", model.architecture},
                                {"quantisation", model.quantisation},
                                {"bytes", model.bytes},
                                {"parameters", model.parameters},
                                {"context_length", model.contextLength},
                                {"chat_template", model.hasChatTemplate},
                                {"problem", model.problem},
                                {"default", model.path == library.defaultModel()}});
    }
    if (line.parser.isSet(json)) say(QString::fromUtf8(QJsonDocument(list).toJson()));
    return 0;
}

}  // namespace

bool isVerb(const QString& word) {
    return word == QLatin1String("export") || word == QLatin1String("import") ||
           word == QLatin1String("models");
}

int runVerb(const QStringList& arguments) {
    if (arguments.first() == QLatin1String("export")) return exportVerb(arguments);
    if (arguments.first() == QLatin1String("import")) return importVerb(arguments);
    return modelsVerb(arguments);
}

}  // namespace app
