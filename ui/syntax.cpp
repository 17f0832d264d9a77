#include "ui/syntax.h"

#include <QFile>
#include <QHash>
#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>
#include <optional>

#include "ui/resources.h"

namespace ui {

namespace {

QSet<QString> words(const QJsonValue& value, bool lower) {
    const QString text = lower ? value.toString().toLower() : value.toString();
    const QStringList list = text.split(QLatin1Char(' '), Qt::SkipEmptyParts);
    return QSet<QString>(list.begin(), list.end());
}

QStringList strings(const QJsonValue& value) {
    QStringList list;
    for (const QJsonValue item : value.toArray()) list += item.toString();
    return list;
}

Language readLanguage(const QJsonObject& object) {
    Language language;
    language.names = strings(object[u"names"]);
    language.lineComments = strings(object[u"lineComments"]);
    for (const QJsonValue pair : object[u"blockComments"].toArray()) {
        language.blockComments.push_back({pair[0].toString(), pair[1].toString(), true, true});
    }
    for (const QJsonValue entry : object[u"strings"].toArray()) {
        const QString flags = entry[2].toString();
        language.strings.push_back({entry[0].toString(), entry[1].toString(),
                                    flags.contains(QLatin1String("multi")),
                                    flags.contains(QLatin1String("raw"))});
    }
    language.ignoreCase = object[u"ignoreCase"].toBool();
    language.keywords = words(object[u"keywords"], language.ignoreCase);
    language.types = words(object[u"types"], language.ignoreCase);
    language.preprocessor = object[u"preprocessor"].toBool();
    language.markup = object[u"markup"].toBool();
    language.diff = object[u"diff"].toBool();
    return language;
}

const QHash<QString, const Language*>& languagesByName() {
    static const std::vector<Language> languages = [] {
        initResources();
        std::vector<Language> list;
        QFile file(QStringLiteral(":/syntax/languages.json"));
        if (file.open(QIODevice::ReadOnly)) {
            const QJsonDocument document = QJsonDocument::fromJson(file.readAll());
            for (const QJsonValue entry : document[u"languages"].toArray()) {
                list.push_back(readLanguage(entry.toObject()));
            }
        }
        return list;
    }();
    static const QHash<QString, const Language*> byName = [] {
        QHash<QString, const Language*> map;
        for (const Language& language : languages) {
            for (const QString& name : language.names) map.insert(name, &language);
        }
        return map;
    }();
    return byName;
}

bool isWordStart(QChar c) {
    return c.isLetter() || c == QLatin1Char('_');
}
bool isWordPart(QChar c) {
    return c.isLetterOrNumber() || c == QLatin1Char('_');
}

/// Walks one line. Positions are UTF-16 code units.
class LineScanner {
  public:
    LineScanner(const Language& language, QStringView line, SyntaxState& state)
        : language_(language), line_(line), state_(state) {}

    std::vector<SyntaxRun> run() {
        if (language_.diff) return diffLine();
        if (state_ > 0) continueConstruct();
        if (language_.preprocessor && state_ == 0 && at_ == 0) preprocessorLine();
        while (at_ < line_.size()) {
            if (lineComment() || openConstruct() || number() || word()) continue;
            ++at_;
        }
        return std::move(runs_);
    }

  private:
    void add(qsizetype start, qsizetype end, SyntaxClass kind) {
        if (end > start) runs_.push_back({int(start), int(end - start), kind});
    }

    std::vector<SyntaxRun> diffLine() {
        if (line_.startsWith(u'+')) add(0, line_.size(), SyntaxClass::String);
        if (line_.startsWith(u'-')) add(0, line_.size(), SyntaxClass::Keyword);
        if (line_.startsWith(u"@@")) add(0, line_.size(), SyntaxClass::Function);
        return std::move(runs_);
    }

    void preprocessorLine() {
        const qsizetype hash = line_.indexOf(u'#');
        if (hash < 0 || !line_.first(hash).trimmed().isEmpty()) return;
        qsizetype end = hash + 1;
        while (end < line_.size() && (line_[end].isSpace() || isWordPart(line_[end]))) {
            if (line_[end].isSpace() && end > hash + 1 && !line_[end - 1].isSpace()) break;
            ++end;
        }
        add(hash, end, SyntaxClass::Keyword);
        at_ = end;
    }

    const Language::Delimiters& construct(SyntaxState state) const {
        const size_t index = size_t(state - 1);
        const size_t comments = language_.blockComments.size();
        return index < comments ? language_.blockComments[index] : language_.strings[index - comments];
    }
    bool isComment(SyntaxState state) const { return size_t(state) <= language_.blockComments.size(); }

    /// The end of the construct from `from` on, after its closing mark; nullopt: not on this line.
    std::optional<qsizetype> endOf(const Language::Delimiters& marks, qsizetype from) const {
        for (qsizetype i = from; i < line_.size(); ++i) {
            if (!marks.raw && line_[i] == u'\\') {
                ++i;
            } else if (line_.sliced(i).startsWith(marks.close)) {
                return i + marks.close.size();
            }
        }
        return std::nullopt;
    }

    void finishConstruct(qsizetype start, qsizetype contentStart, SyntaxState construct_) {
        const Language::Delimiters& marks = construct(construct_);
        const std::optional<qsizetype> end = endOf(marks, contentStart);
        state_ = !end && marks.multiline ? construct_ : 0;
        at_ = end.value_or(line_.size());
        add(start, at_, isComment(construct_) ? SyntaxClass::Comment : SyntaxClass::String);
    }

    void continueConstruct() { finishConstruct(0, 0, state_); }

    bool openConstruct() {
        const size_t total = language_.blockComments.size() + language_.strings.size();
        for (size_t i = 0; i < total; ++i) {
            const Language::Delimiters& marks = construct(SyntaxState(i + 1));
            if (!line_.sliced(at_).startsWith(marks.open)) continue;
            finishConstruct(at_, at_ + marks.open.size(), SyntaxState(i + 1));
            return true;
        }
        return false;
    }

    bool lineComment() {
        for (const QString& mark : language_.lineComments) {
            if (!line_.sliced(at_).startsWith(mark)) continue;
            for (const Language::Delimiters& block : language_.blockComments) {
                if (block.open.startsWith(mark) && line_.sliced(at_).startsWith(block.open)) return false;
            }
            // `#` and `;` begin a comment only at the start of a word: `a#b` and `$#` are not comments.
            if (mark.size() == 1 && at_ > 0 && !line_[at_ - 1].isSpace()) return false;
            add(at_, line_.size(), SyntaxClass::Comment);
            at_ = line_.size();
            return true;
        }
        return false;
    }

    bool number() {
        if (!line_[at_].isDigit()) return false;
        const qsizetype start = at_;
        while (at_ < line_.size() && (isWordPart(line_[at_]) || line_[at_] == u'.')) ++at_;
        add(start, at_, SyntaxClass::Number);
        return true;
    }

    bool word() {
        if (!isWordStart(line_[at_])) return false;
        const qsizetype start = at_;
        while (at_ < line_.size() && (isWordPart(line_[at_]) || (language_.markup && line_[at_] == u'-')))
            ++at_;
        const QString text = language_.ignoreCase ? line_.sliced(start, at_ - start).toString().toLower()
                                                  : line_.sliced(start, at_ - start).toString();
        const bool tag =
            language_.markup && start > 0 &&
            (line_[start - 1] == u'<' || (line_[start - 1] == u'/' && start > 1 && line_[start - 2] == u'<'));
        if (tag || language_.keywords.contains(text)) {
            add(start, at_, SyntaxClass::Keyword);
        } else if (language_.types.contains(text)) {
            add(start, at_, SyntaxClass::Type);
        } else if (at_ < line_.size() && line_[at_] == u'(') {
            add(start, at_, SyntaxClass::Function);
        }
        return true;
    }

    const Language& language_;
    QStringView line_;
    SyntaxState& state_;
    qsizetype at_ = 0;
    std::vector<SyntaxRun> runs_;
};

}  // namespace

const Language* findLanguage(QStringView name) {
    return languagesByName().value(name.toString().toLower());
}

std::vector<SyntaxRun> highlightLine(const Language& language, QStringView line, SyntaxState& state) {
    return LineScanner(language, line, state).run();
}

}  // namespace ui
