#include <algorithm>

#include "engine/prompt/jinja/access.h"
#include "engine/prompt/jinja/arguments.h"
#include "engine/prompt/jinja/dict.h"
#include "engine/prompt/jinja/filter_tables.h"
#include "engine/prompt/jinja/format.h"
#include "engine/prompt/jinja/operators.h"
#include "engine/prompt/jinja/printing.h"
#include "engine/prompt/jinja/runtime.h"
#include "engine/prompt/jinja/text_operations.h"
#include "engine/prompt/jinja/text_wrap.h"

namespace engine::jinja {
namespace {

/// What becomes of a text keeps being markup, where Python's Markup does.
Value like(const Value& subject, Text text) {
    return Value::string(std::move(text), subject.isMarkup());
}

template <Text (*F)(const Text&)>
Value mapped(Runtime& runtime, const Value& subject, Arguments given) {
    const Parameters none("filter", std::move(given), {});
    const Text text = toText(subject);
    runtime.budget().text(text.size());
    return like(subject, F(text));
}

bool startsWord(char32_t c) {
    return c == '-' || c == '(' || c == '{' || c == '[' || c == '<' || isSpace(c);
}

/// jinja2's own: a word begins behind white space, a dash or an opening bracket.
Text titleWords(const Text& text) {
    Text out;
    const auto flush = [&](size_t begin, size_t end) {
        if (begin == end) return;
        size_t second = begin;
        nextCharacter(text.bytes(), second);
        out.append(upperCase(text.slice(begin, second)));
        out.append(lowerCase(text.slice(second, end)));
    };
    size_t begin = 0;
    bool between = false;
    for (size_t position = 0; position < text.size();) {
        const size_t at = position;
        const bool separator = startsWord(nextCharacter(text.bytes(), position));
        if (separator == between) continue;
        flush(begin, at);
        begin = at;
        between = separator;
    }
    flush(begin, text.size());
    return out;
}
Value title(Runtime& runtime, const Value& subject, Arguments given) {
    Value out = mapped<titleWords>(runtime, subject, std::move(given));
    return Value::string(out.text());
}

Value trim(Runtime& runtime, const Value& subject, Arguments given) {
    const Parameters parameters("trim", std::move(given), {"chars"});
    const Text text = toText(subject);
    runtime.budget().text(text.size());
    if (!parameters.given(0)) return like(subject, strip(text, Side::Both));
    const Text characters = parameters.text(0, "");
    return like(subject, strip(text, Side::Both, &characters));
}

Value replaced(Runtime& runtime, const Value& subject, Arguments given) {
    const Parameters parameters("replace", std::move(given), {"old", "new", "count"}, 2);
    const Integer limit = parameters.given(2) ? parameters.integer(2, -1) : -1;
    const Text text = toText(subject);
    runtime.budget().text(text.size());
    Text out = replace(text, toText(parameters[0]), toText(parameters[1]),
                       static_cast<long>(std::clamp<Integer>(limit, -1, Integer(1) << 40)));
    runtime.budget().text(out.size());
    return Value::string(std::move(out));
}

Value center(Runtime& runtime, const Value& subject, Arguments given) {
    const Parameters parameters("center", std::move(given), {"width"});
    const auto width = static_cast<size_t>(std::clamp<Integer>(parameters.integer(0, 80), 0, kMaxText + 1));
    runtime.budget().text(width);
    return like(subject, centred(toText(subject), width));
}

Value indent(Runtime& runtime, const Value& subject, Arguments given) {
    const Parameters parameters("indent", std::move(given), {"width", "first", "blank"});
    requireDefined(subject);
    if (!subject.isString()) raise("indent: '{}' object is not a text", typeName(subject));
    Text indention;
    if (parameters.has(0) && parameters[0].isString()) {
        indention = parameters[0].text();
    } else {
        const auto width =
            static_cast<size_t>(std::clamp<Integer>(parameters.integer(0, 4), 0, kMaxText + 1));
        runtime.budget().text(width);
        indention = Text(std::string(width, ' '), Origin::Template);
    }
    const bool first = parameters.flag(1), blank = parameters.flag(2);
    Text source = subject.text();
    source.append("\n", Origin::Template);
    const auto lines = splitLines(source, false);
    runtime.budget().text(source.size() + lines.size() * indention.size());
    Text out;
    if (first) out.append(indention);
    for (size_t i = 0; i < lines.size(); ++i) {
        if (i > 0) out.append("\n", Origin::Template);
        if (i > 0 && (blank || !lines[i].empty())) out.append(indention);
        out.append(lines[i]);
    }
    return like(subject, std::move(out));
}

Value truncate(Runtime& runtime, const Value& subject, Arguments given) {
    const Parameters parameters("truncate", std::move(given), {"length", "killwords", "end", "leeway"});
    const Integer length = parameters.integer(0, 255);
    const bool killWords = parameters.flag(1);
    const Text end = parameters.text(2, "...");
    const Integer leeway = parameters.given(3) ? parameters.integer(3, 5) : 5;
    const Integer endLength = static_cast<Integer>(characterCount(end.bytes()));
    if (length < endLength) raise("expected length >= {}, got {}", endLength, length);
    if (leeway < 0) raise("expected leeway >= 0, got {}", leeway);
    if (!subject.isString()) {
        const auto count = lengthOf(subject);
        if (!count) raise("object of type '{}' has no len()", typeName(subject));
        if (static_cast<Integer>(*count) <= length + leeway) return subject;
        raise("truncate: '{}' object is not a text", typeName(subject));
    }
    runtime.budget().text(subject.text().size());
    const auto offsets = characterOffsets(subject.bytes());
    if (static_cast<Integer>(offsets.size()) - 1 <= length + leeway) return subject;
    Text head = subject.text().slice(0, offsets[static_cast<size_t>(length - endLength)]);
    if (!killWords) {
        const size_t space = head.bytes().rfind(' ');
        if (space != std::string::npos) head = head.slice(0, space);
    }
    head.append(end);
    return like(subject, std::move(head));
}

Value wordWrap(Runtime& runtime, const Value& subject, Arguments given) {
    const Parameters parameters("wordwrap", std::move(given),
                                {"width", "break_long_words", "wrapstring", "break_on_hyphens"});
    requireDefined(subject);
    if (!subject.isString()) raise("wordwrap: '{}' object is not a text", typeName(subject));
    const Integer width = parameters.integer(0, 79);
    if (width <= 0) raise("invalid width {} (must be > 0)", width);
    const Text separator = parameters.given(2) ? parameters.text(2, "") : Text("\n", Origin::Template);
    runtime.budget().text(subject.text().size());
    std::vector<Text> lines;
    for (const Text& line : splitLines(subject.text(), false)) {
        auto wrapped = wrapLine(line, static_cast<size_t>(std::min<Integer>(width, kMaxText)),
                                parameters.flag(1, true), parameters.flag(3, true));
        lines.push_back(joined(wrapped, separator));
    }
    Text out = joined(lines, separator);
    runtime.budget().text(out.size());
    return Value::string(std::move(out));
}

Value wordCount(Runtime& runtime, const Value& subject, Arguments given) {
    const Parameters none("wordcount", std::move(given), {});
    const Text text = toText(subject);
    runtime.budget().text(text.size());
    Integer count = 0;
    bool inWord = false;
    for (size_t position = 0; position < text.size();) {
        const bool word = isWord(nextCharacter(text.bytes(), position));
        if (word && !inWord) ++count;
        inWord = word;
    }
    return Value::integer(count);
}

Value formatted(Runtime& runtime, const Value& subject, Arguments given) {
    if (!given.positional.empty() && !given.named.empty())
        raise("can't handle positional and keyword arguments at the same time");
    const Value format = subject.isString() ? subject : Value::string(toText(subject));
    if (given.named.empty()) return percentFormat(runtime, format, Value::tuple(std::move(given.positional)));
    Dict named;
    for (auto& [name, value] : given.named)
        named.set(Value::string(name, Origin::Template), std::move(value));
    return percentFormat(runtime, format, Value::dict(std::move(named)));
}

Value escape(Runtime& runtime, const Value& subject, Arguments given) {
    const Parameters none("escape", std::move(given), {});
    if (subject.isMarkup()) return subject;
    Text out = escapeHtml(toText(subject));
    runtime.budget().text(out.size());
    return Value::string(std::move(out), true);
}

Value forceEscape(Runtime& runtime, const Value& subject, Arguments given) {
    const Parameters none("forceescape", std::move(given), {});
    Text out = escapeHtml(toText(subject));
    runtime.budget().text(out.size());
    return Value::string(std::move(out), true);
}

Value safe(Runtime&, const Value& subject, Arguments given) {
    const Parameters none("safe", std::move(given), {});
    return Value::string(toText(subject), true);
}

Value string(Runtime& runtime, const Value& subject, Arguments given) {
    const Parameters none("string", std::move(given), {});
    if (subject.isString()) return subject;
    Text out = toText(subject);
    runtime.budget().text(out.size());
    return Value::string(std::move(out));
}

Text quoted(const Text& text, std::string_view unreserved, bool plusForSpace) {
    Text out;
    for (size_t i = 0; i < text.size(); ++i) {
        const auto c = static_cast<unsigned char>(text.bytes()[i]);
        const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                           unreserved.find(static_cast<char>(c)) != std::string_view::npos;
        if (plain)
            out.append(text, i, i + 1);
        else
            out.append(plusForSpace && c == ' ' ? "+" : fmt::format("%{:02X}", c), text.originAt(i));
    }
    return out;
}

Value urlEncode(Runtime& runtime, const Value& subject, Arguments given) {
    const Parameters none("urlencode", std::move(given), {});
    runtime.budget().text(toText(subject).size() * 3);
    if (subject.isString() || subject.isNumber() || subject.isNone())
        return Value::string(quoted(toText(subject), "-._~/", false));
    const Value pairs = subject.isDict()
                            ? Value::object(std::make_shared<DictView>(subject, DictView::Part::Items))
                            : subject;
    Text out;
    for (const Value& entry : toVector(runtime, pairs)) {
        const auto pair = toVector(runtime, entry);
        if (pair.size() != 2) raise("urlencode: an item is not a pair");
        if (!out.empty()) out.append("&", Origin::Template);
        out.append(quoted(toText(pair[0]), "-._~", true));
        out.append("=", Origin::Template);
        out.append(quoted(toText(pair[1]), "-._~", true));
    }
    return Value::string(std::move(out));
}

Value xmlAttributes(Runtime& runtime, const Value& subject, Arguments given) {
    const Parameters parameters("xmlattr", std::move(given), {"autospace"});
    requireDefined(subject);
    if (!subject.isDict()) raise("xmlattr: '{}' object has no items", typeName(subject));
    Text out;
    for (const auto& [key, value] : subject.asDict().entries()) {
        if (value.isNone() || value.isUndefined()) continue;
        if (!key.isString()) raise("xmlattr: expected a text as key, got {}", typeName(key));
        if (key.bytes().find_first_of(" \t\n\r\f\v/>=") != std::string::npos)
            raise("Invalid character in attribute name: {}", reprBytes(key));
        if (!out.empty() || parameters.flag(0, true)) out.append(" ", Origin::Template);
        const auto escaped = [](const Value& part) {
            return part.isMarkup() ? part.text() : escapeHtml(toText(part));
        };
        out.append(escaped(key));
        out.append("=\"", Origin::Template);
        out.append(escaped(value));
        out.append("\"", Origin::Template);
        runtime.budget().step(out.size() / 64);
    }
    return Value::string(std::move(out));
}

constexpr NamedFilter kFilters[] = {
    {"capitalize", mapped<capitalise>},
    {"center", center},
    {"e", escape},
    {"escape", escape},
    {"forceescape", forceEscape},
    {"format", formatted},
    {"indent", indent},
    {"lower", mapped<lowerCase>},
    {"replace", replaced},
    {"safe", safe},
    {"string", string},
    {"title", title},
    {"trim", trim},
    {"truncate", truncate},
    {"upper", mapped<upperCase>},
    {"urlencode", urlEncode},
    {"wordcount", wordCount},
    {"wordwrap", wordWrap},
    {"xmlattr", xmlAttributes},
};

}  // namespace

std::span<const NamedFilter> textFilters() {
    return kFilters;
}

}  // namespace engine::jinja
