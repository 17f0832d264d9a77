#pragma once

#include <QSet>
#include <QString>
#include <QStringView>
#include <vector>

namespace ui {

enum class SyntaxClass : unsigned char { Keyword, Type, String, Number, Comment, Function };

struct SyntaxRun {
    int start = 0;
    int length = 0;
    SyntaxClass kind = SyntaxClass::Keyword;
    bool operator==(const SyntaxRun&) const = default;
};

/// What distinguishes the languages we colour; read from resources/syntax/languages.json. Enough to tell
/// words, strings and comments apart, no more: a grammar of each language is not this program's business.
struct Language {
    struct Delimiters {
        QString open, close;
        bool multiline = false;
        bool raw = false;  ///< a backslash is a backslash
    };
    QStringList names;
    QStringList lineComments;
    std::vector<Delimiters> blockComments, strings;
    QSet<QString> keywords, types;
    bool ignoreCase = false;
    bool preprocessor = false;  ///< a line that begins with # is a keyword
    bool markup = false;        ///< words after < and </ are keywords
    bool diff = false;          ///< the first character of a line decides
};

/// The language of an info string (case does not matter); nullptr: not one we know.
const Language* findLanguage(QStringView name);

/// What a line is still inside of when it ends: 0 nothing, n > 0 the n-th multi-line construct.
using SyntaxState = int;

/// Colours one line of code. Runs come in order and do not overlap. Linear in the line.
/// @param state in: the state of the line before; out: this line's
std::vector<SyntaxRun> highlightLine(const Language& language, QStringView line, SyntaxState& state);

}  // namespace ui
