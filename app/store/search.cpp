#include "app/store/search.h"

#include <QRegularExpression>

namespace app {
namespace {

constexpr QChar kMarkStart(0xE000), kMarkEnd(0xE001);  // private use, which no index token holds
constexpr int kContext = 40;                           // UTF-16 units shown on either side of a hit

QStringList wordsOf(const QString& text) {
    QStringList words;
    for (const QString& word : text.split(QRegularExpression(QStringLiteral("\\s+")), Qt::SkipEmptyParts))
        for (const QChar c : word)
            if (c.isLetterOrNumber() || c.isSurrogate()) {
                words.append(word);
                break;
            }
    return words;
}

bool isWrittenWithoutSpaces(const QString& text) {
    for (const QChar c : text) switch (c.script()) {
            case QChar::Script_Han:
            case QChar::Script_Hiragana:
            case QChar::Script_Katakana:
            case QChar::Script_Thai:
            case QChar::Script_Lao:
            case QChar::Script_Khmer:
            case QChar::Script_Myanmar:
                return true;
            default:
                break;
        }
    return false;
}

/// Each word quoted, so that nothing in it is query syntax.
QString ftsQuery(const QStringList& words) {
    QStringList quoted;
    for (const QString& word : words)
        quoted.append('"' + QString(word).replace('"', QStringLiteral("\"\"")) + '"');
    return quoted.join(' ') + '*';
}

void takeMarks(SearchHit& hit, const QString& marked) {
    for (const QChar c : marked) {
        if (c == kMarkStart)
            hit.marks.append({static_cast<int>(hit.snippet.size()), 0});
        else if (c == kMarkEnd && !hit.marks.isEmpty())
            hit.marks.last().length = static_cast<int>(hit.snippet.size()) - hit.marks.last().start;
        else
            hit.snippet.append(c);
    }
}

void cutSnippet(SearchHit& hit, const QString& text, const QStringList& words) {
    const qsizetype at = text.indexOf(words.first(), 0, Qt::CaseInsensitive);
    const qsizetype from = std::max<qsizetype>(0, at - kContext);
    hit.snippet =
        (from > 0 ? QStringLiteral("…") : QString()) + text.mid(from, words.first().size() + 2 * kContext);
    if (from + words.first().size() + 2 * kContext < text.size()) hit.snippet += QStringLiteral("…");
    for (const QString& word : words)
        for (qsizetype i = hit.snippet.indexOf(word, 0, Qt::CaseInsensitive); i >= 0;
             i = hit.snippet.indexOf(word, i + word.size(), Qt::CaseInsensitive))
            hit.marks.append({static_cast<int>(i), static_cast<int>(word.size())});
    std::sort(hit.marks.begin(), hit.marks.end(),
              [](const SearchHit::Range& a, const SearchHit::Range& b) { return a.start < b.start; });
}

bool containsAll(const QString& text, const QStringList& words) {
    for (const QString& word : words)
        if (!text.contains(word, Qt::CaseInsensitive)) return false;
    return true;
}

void searchTitles(Database& database, const QStringList& words, int limit, QList<SearchHit>& hits) {
    QSqlQuery rows =
        database.query(QStringLiteral("SELECT id, title FROM conversations ORDER BY updated DESC"));
    while (rows.isActive() && hits.size() < limit && rows.next()) {
        const QString title = rows.value(1).toString();
        if (!containsAll(title, words)) continue;
        SearchHit hit;
        hit.conversation = rows.value(0).toLongLong();
        hit.title = title;
        cutSnippet(hit, title, words);
        hits.append(hit);
    }
}

void searchIndex(Database& database, const QStringList& words, int limit, QList<SearchHit>& hits) {
    QSqlQuery rows = database.query(
        QStringLiteral("SELECT m.conversation, m.id, c.title, snippet(search, 0, ?, ?, '…', 24)"
                       " FROM search JOIN messages m ON m.id = search.rowid"
                       " JOIN conversations c ON c.id = m.conversation"
                       " WHERE search MATCH ? ORDER BY rank LIMIT ?"),
        {QString(kMarkStart), QString(kMarkEnd), ftsQuery(words), limit - static_cast<int>(hits.size())});
    while (rows.isActive() && rows.next()) {
        SearchHit hit;
        hit.conversation = rows.value(0).toLongLong();
        hit.message = rows.value(1).toLongLong();
        hit.title = rows.value(2).toString();
        takeMarks(hit, rows.value(3).toString());
        hits.append(hit);
    }
}

void searchTexts(Database& database, const QStringList& words, int limit, QList<SearchHit>& hits) {
    QSqlQuery rows =
        database.query(QStringLiteral("SELECT m.conversation, m.id, c.title, m.text FROM messages m"
                                      " JOIN conversations c ON c.id = m.conversation ORDER BY m.id DESC"));
    while (rows.isActive() && hits.size() < limit && rows.next()) {
        const QString text = rows.value(3).toString();
        if (!containsAll(text, words)) continue;
        SearchHit hit;
        hit.conversation = rows.value(0).toLongLong();
        hit.message = rows.value(1).toLongLong();
        hit.title = rows.value(2).toString();
        cutSnippet(hit, text, words);
        hits.append(hit);
    }
}

}  // namespace

QList<SearchHit> searchConversations(Database& database, const QString& text, int limit, bool fullText) {
    QList<SearchHit> hits;
    QStringList words = wordsOf(text);
    const bool indexed = fullText && !words.isEmpty() && !isWrittenWithoutSpaces(text);
    if (words.isEmpty() && !text.trimmed().isEmpty()) words.append(text.trimmed());
    if (words.isEmpty() || limit <= 0) return hits;
    searchTitles(database, words, limit, hits);
    if (hits.size() >= limit) return hits;
    if (indexed)
        searchIndex(database, words, limit, hits);
    else
        searchTexts(database, words, limit, hits);
    return hits;
}

}  // namespace app
