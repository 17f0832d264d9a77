#include "engine/prompt/jinja/pretty_print.h"

#include <algorithm>

#include "engine/prompt/jinja/dict.h"
#include "engine/prompt/jinja/operators.h"
#include "engine/prompt/jinja/printing.h"
#include "engine/prompt/jinja/unicode.h"

namespace engine::jinja {
namespace {

constexpr size_t kLineWidth = 80;

/// Keys of mixed types are told apart by type, as pprint does.
bool keyLess(const Value& a, const Value& b) {
    const bool comparable = (a.isString() && b.isString()) || (a.isNumber() && b.isNumber());
    return comparable ? less(a, b) : typeName(a) < typeName(b);
}

std::vector<Dict::Entry> sortedEntries(const Dict& dict) {
    auto entries = dict.entries();
    std::stable_sort(entries.begin(), entries.end(),
                     [](const Dict::Entry& a, const Dict::Entry& b) { return keyLess(a.first, b.first); });
    return entries;
}

/// On one line, with sorted keys.
Value sortedCopy(const Value& value) {
    if (value.isSequence()) {
        std::vector<Value> items;
        for (const Value& item : value.items()) items.push_back(sortedCopy(item));
        return value.isList() ? Value::list(std::move(items)) : Value::tuple(std::move(items));
    }
    if (!value.isDict()) return value;
    Dict out;
    for (const auto& [key, item] : sortedEntries(value.asDict())) out.set(key, sortedCopy(item));
    return Value::dict(std::move(out));
}

Text onOneLine(const Value& value) {
    Printer printer;
    printer.repr(value);
    return printer.take();
}

class PrettyPrinter {
  public:
    Text run(const Value& value) {
        format(value, 0, 0);
        return std::move(out_);
    }

  private:
    void write(std::string_view bytes) { out_.append(bytes, Origin::Data); }

    /// `indent`: where continued lines start; `allowance`: characters that must follow on the last line.
    void format(const Value& value, size_t indent, size_t allowance) {
        const Text line = onOneLine(value);
        const size_t room = kLineWidth > indent + allowance ? kLineWidth - indent - allowance : 0;
        if (characterCount(line.bytes()) <= room) {
            out_.append(line);
        } else if (value.isDict() && value.asDict().size() > 0) {
            formatDict(value.asDict(), indent, allowance);
        } else if (value.isSequence() && !value.items().empty()) {
            formatSequence(value, indent, allowance);
        } else if (value.isString()) {
            formatString(value, indent, allowance);
        } else {
            out_.append(line);
        }
    }

    void newline(size_t indent) {
        write(",\n");
        write(std::string(indent, ' '));
    }

    void formatDict(const Dict& dict, size_t indent, size_t allowance) {
        write("{");
        const auto& entries = dict.entries();
        for (size_t i = 0; i < entries.size(); ++i) {
            if (i > 0) newline(indent + 1);
            const Text key = onOneLine(entries[i].first);
            out_.append(key);
            write(": ");
            format(entries[i].second, indent + characterCount(key.bytes()) + 3,
                   i + 1 == entries.size() ? allowance + 1 : 1);
        }
        write("}");
    }

    void formatSequence(const Value& value, size_t indent, size_t allowance) {
        const auto& items = value.items();
        const std::string_view close = value.isList() ? "]" : items.size() == 1 ? ",)" : ")";
        write(value.isList() ? "[" : "(");
        for (size_t i = 0; i < items.size(); ++i) {
            if (i > 0) newline(indent + 1);
            format(items[i], indent + 1, i + 1 == items.size() ? allowance + close.size() : 1);
        }
        write(close);
    }

    /// Lines, and words where a line is too long, as adjacent literals.
    void formatString(const Value& value, size_t indent, size_t allowance);

    Text out_;
};

/// Splits at white space so that each part ends with it.
std::vector<Text> wordParts(const Text& line) {
    std::vector<Text> out;
    size_t begin = 0;
    bool inSpace = false;
    for (size_t position = 0; position < line.size();) {
        const size_t at = position;
        const bool space = isSpace(nextCharacter(line.bytes(), position));
        if (!space && inSpace && at > 0) {
            out.push_back(line.slice(begin, at));
            begin = at;
        }
        inSpace = space;
    }
    if (begin < line.size()) out.push_back(line.slice(begin, line.size()));
    return out;
}

std::vector<Text> linesKeepingEnds(const Text& text) {
    std::vector<Text> out;
    const std::string& bytes = text.bytes();
    size_t begin = 0;
    for (size_t position = 0; position < bytes.size();) {
        const char32_t c = nextCharacter(bytes, position);
        if (!isLineBreak(c)) continue;
        if (c == '\r' && position < bytes.size() && bytes[position] == '\n') ++position;
        out.push_back(text.slice(begin, position));
        begin = position;
    }
    if (begin < bytes.size()) out.push_back(text.slice(begin, bytes.size()));
    return out;
}

void PrettyPrinter::formatString(const Value& value, size_t indent, size_t allowance) {
    const bool top = out_.empty();
    if (top) {
        ++indent;
        ++allowance;
    }
    const size_t width = kLineWidth > indent ? kLineWidth - indent : 0;
    std::vector<Text> chunks;
    const auto lines = linesKeepingEnds(value.text());
    for (size_t i = 0; i < lines.size(); ++i) {
        const bool lastLine = i + 1 == lines.size();
        const size_t lineWidth = lastLine ? (width > allowance ? width - allowance : 0) : width;
        Text whole = reprText(lines[i]);
        if (characterCount(whole.bytes()) <= lineWidth) {
            chunks.push_back(std::move(whole));
            continue;
        }
        Text current;
        const auto parts = wordParts(lines[i]);
        for (size_t j = 0; j < parts.size(); ++j) {
            Text candidate = current;
            candidate.append(parts[j]);
            const size_t limit = lastLine && j + 1 == parts.size() ? lineWidth : width;
            if (characterCount(reprText(candidate).bytes()) > limit) {
                if (!current.empty()) chunks.push_back(reprText(current));
                current = parts[j];
            } else {
                current = std::move(candidate);
            }
        }
        if (!current.empty()) chunks.push_back(reprText(current));
    }
    if (chunks.size() == 1) {
        out_.append(chunks[0]);
        return;
    }
    if (top) write("(");
    for (size_t i = 0; i < chunks.size(); ++i) {
        if (i > 0) {
            write("\n");
            write(std::string(indent, ' '));
        }
        out_.append(chunks[i]);
    }
    if (top) write(")");
}

}  // namespace

Text prettyPrint(const Value& value) {
    return PrettyPrinter().run(sortedCopy(value));
}

}  // namespace engine::jinja
