#include "engine/prompt/jinja/string_methods.h"

#include <algorithm>

#include "engine/prompt/jinja/access.h"
#include "engine/prompt/jinja/arguments.h"
#include "engine/prompt/jinja/dict.h"
#include "engine/prompt/jinja/format.h"
#include "engine/prompt/jinja/operators.h"
#include "engine/prompt/jinja/printing.h"
#include "engine/prompt/jinja/runtime.h"
#include "engine/prompt/jinja/text_operations.h"

namespace engine::jinja {
namespace {

constexpr size_t kNone = std::string_view::npos;

Value same(const Value& self, Text text) {
    return Value::string(std::move(text), self.isMarkup());
}

Value listOf(Runtime& runtime, const Value& self, std::vector<Text> parts) {
    runtime.budget().items(parts.size());
    std::vector<Value> out;
    out.reserve(parts.size());
    for (Text& part : parts) out.push_back(same(self, std::move(part)));
    return Value::list(std::move(out));
}

template <Text (*F)(const Text&)>
Value mapped(Runtime& runtime, const Value& self, Arguments given) {
    const Parameters none("str method", std::move(given), {});
    runtime.budget().text(self.text().size());
    return same(self, F(self.text()));
}

template <Side S>
Value stripped(Runtime&, const Value& self, Arguments given) {
    const Parameters parameters("strip", std::move(given), {""});
    if (!parameters.given(0)) return same(self, strip(self.text(), S));
    const Text characters = parameters.text(0, "");
    return same(self, strip(self.text(), S, &characters));
}

template <std::vector<Text> (*F)(const Text&, const Text*, long)>
Value splitted(Runtime& runtime, const Value& self, Arguments given) {
    const Parameters parameters("split", std::move(given), {"sep", "maxsplit"});
    const auto limit =
        static_cast<long>(std::clamp<Integer>(parameters.integer(1, -1), -1, Integer(1) << 40));
    if (!parameters.given(0)) return listOf(runtime, self, F(self.text(), nullptr, limit));
    const Text separator = parameters.text(0, "");
    return listOf(runtime, self, F(self.text(), &separator, limit));
}

Value lines(Runtime& runtime, const Value& self, Arguments given) {
    const Parameters parameters("splitlines", std::move(given), {"keepends"});
    return listOf(runtime, self, splitLines(self.text(), parameters.integer(0, 0) != 0));
}

template <bool FromRight>
Value partition(Runtime&, const Value& self, Arguments given) {
    const Parameters parameters("partition", std::move(given), {""}, 1);
    const Text separator = parameters.text(0, ""), &text = self.text();
    if (separator.empty()) raise("empty separator");
    const size_t at = FromRight ? BackwardFinder(text.bytes(), separator.bytes()).before(text.size())
                                : findFrom(text.bytes(), separator.bytes(), 0);
    if (at == kNone)
        return FromRight ? Value::tuple({same(self, {}), same(self, {}), self})
                         : Value::tuple({self, same(self, {}), same(self, {})});
    return Value::tuple({same(self, text.slice(0, at)), parameters[0],
                         same(self, text.slice(at + separator.size(), text.size()))});
}

/// The part of the text that [start, end) arguments from `first` on mean, in bytes; nothing if start lies
/// behind the end.
struct Window {
    size_t begin = 0, end = 0;
    bool valid = true;
};
Window windowOf(const Value& self, const Parameters& parameters, size_t first) {
    const auto offsets = characterOffsets(self.bytes());
    const Integer length = static_cast<Integer>(offsets.size()) - 1;
    const auto bound = [&](size_t index, Integer absent) {
        if (!parameters.given(index)) return absent;
        const Integer value = parameters.integer(index, 0);
        return value < 0 ? std::max<Integer>(0, value < -length ? 0 : value + length) : value;
    };
    const Integer start = bound(first, 0), end = std::min(bound(first + 1, length), length);
    if (start > length || start > end) return {0, 0, false};
    return {offsets[static_cast<size_t>(start)], offsets[static_cast<size_t>(end)], true};
}

bool matchesAt(std::string_view text, const Text& affix, bool atEnd) {
    if (affix.size() > text.size()) return false;
    return (atEnd ? text.substr(text.size() - affix.size()) : text.substr(0, affix.size())) == affix.bytes();
}

template <bool AtEnd>
Value hasAffix(Runtime&, const Value& self, Arguments given) {
    const Parameters parameters(AtEnd ? "endswith" : "startswith", std::move(given), {"", "", ""}, 1);
    const Window window = windowOf(self, parameters, 1);
    const auto text = std::string_view(self.bytes()).substr(window.begin, window.end - window.begin);
    requireDefined(parameters[0]);
    if (!parameters[0].isTuple())
        return Value::boolean(matchesAt(text, parameters.text(0, ""), AtEnd) && window.valid);
    for (const Value& affix : parameters[0].items()) {
        requireDefined(affix);
        if (!affix.isString()) raise("tuple for startswith must only contain str, not {}", typeName(affix));
        if (window.valid && matchesAt(text, affix.text(), AtEnd)) return Value::boolean(true);
    }
    return Value::boolean(false);
}

template <bool FromRight, bool Fails>
Value found(Runtime&, const Value& self, Arguments given) {
    const Parameters parameters(Fails ? "index" : "find", std::move(given), {"", "", ""}, 1);
    const Text part = parameters.text(0, "");
    const Window window = windowOf(self, parameters, 1);
    const auto text = std::string_view(self.bytes()).substr(0, window.end);
    size_t at = kNone;
    if (window.valid) {
        at = FromRight ? BackwardFinder(text, part.bytes()).before(text.size())
                       : findFrom(text, part.bytes(), window.begin);
        if (FromRight && at != kNone && at < window.begin) at = kNone;
    }
    if (at != kNone) return Value::integer(static_cast<Integer>(characterCount(text.substr(0, at))));
    if (Fails) raise("substring not found");
    return Value::integer(-1);
}

Value counted(Runtime&, const Value& self, Arguments given) {
    const Parameters parameters("count", std::move(given), {"", "", ""}, 1);
    const Text part = parameters.text(0, "");
    const Window window = windowOf(self, parameters, 1);
    if (!window.valid) return Value::integer(0);
    const auto text = std::string_view(self.bytes()).substr(window.begin, window.end - window.begin);
    return Value::integer(static_cast<Integer>(countOf(text, part.bytes())));
}

Value replaced(Runtime& runtime, const Value& self, Arguments given) {
    const Parameters parameters("replace", std::move(given), {"", "", ""}, 2);
    const auto limit =
        static_cast<long>(std::clamp<Integer>(parameters.integer(2, -1), -1, Integer(1) << 40));
    Text out = replace(self.text(), parameters.text(0, ""), parameters.text(1, ""), limit);
    runtime.budget().text(out.size());
    return same(self, std::move(out));
}

Value join(Runtime& runtime, const Value& self, Arguments given) {
    const Parameters parameters("join", std::move(given), {""}, 1);
    std::vector<Text> parts;
    for (const Value& part : toVector(runtime, parameters[0])) {
        if (!part.isString())
            raise("sequence item {}: expected str instance, {} found", parts.size(), typeName(part));
        parts.push_back(part.text());
    }
    Text out = joined(parts, self.text());
    runtime.budget().text(out.size());
    return same(self, std::move(out));
}

Value formatted(Runtime& runtime, const Value& self, Arguments given) {
    return braceFormat(runtime, self, std::move(given));
}

Value formattedMap(Runtime& runtime, const Value& self, Arguments given) {
    const Parameters parameters("format_map", std::move(given), {""}, 1);
    Arguments named;
    if (!parameters[0].isDict()) raise("format_map() takes a mapping, not {}", typeName(parameters[0]));
    for (const auto& [key, value] : parameters[0].asDict().entries())
        if (key.isString()) named.named.emplace_back(key.bytes(), value);
    return braceFormat(runtime, self, std::move(named));
}

enum class Alignment : uint8_t { Left, Right, Centre };
template <Alignment A>
Value aligned(Runtime& runtime, const Value& self, Arguments given) {
    const Parameters parameters("center", std::move(given), {"", ""}, 1);
    const Text fill = parameters.text(1, " ");
    if (characterCount(fill.bytes()) != 1) raise("The fill character must be exactly one character long");
    const auto width = static_cast<size_t>(std::clamp<Integer>(parameters.integer(0, 0), 0, kMaxText + 1));
    runtime.budget().text(width);
    const size_t length = characterCount(self.bytes()), room = width > length ? width - length : 0;
    if (A == Alignment::Centre) return same(self, centred(self.text(), width, fill.bytes()));
    return same(self, A == Alignment::Left ? pad(self.text(), 0, room, fill.bytes())
                                           : pad(self.text(), room, 0, fill.bytes()));
}

Value zeroFilled(Runtime& runtime, const Value& self, Arguments given) {
    const Parameters parameters("zfill", std::move(given), {""}, 1);
    const auto width = static_cast<size_t>(std::clamp<Integer>(parameters.integer(0, 0), 0, kMaxText + 1));
    runtime.budget().text(width);
    const size_t length = characterCount(self.bytes());
    if (width <= length) return self;
    const Text& text = self.text();
    const bool sign = !text.empty() && (text.bytes()[0] == '-' || text.bytes()[0] == '+');
    Text out = text.slice(0, sign ? 1 : 0);
    out.append(pad(text.slice(sign ? 1 : 0, text.size()), width - length, 0, "0"));
    return same(self, std::move(out));
}

Value tabsExpanded(Runtime&, const Value& self, Arguments given) {
    const Parameters parameters("expandtabs", std::move(given), {"tabsize"});
    return same(self, expandTabs(self.text(), static_cast<size_t>(std::clamp<Integer>(
                                                  parameters.integer(0, 8), 0, kMaxText + 1))));
}

template <bool AtEnd>
Value affixRemoved(Runtime&, const Value& self, Arguments given) {
    const Parameters parameters("removeprefix", std::move(given), {""}, 1);
    const Text affix = parameters.text(0, ""), &text = self.text();
    if (affix.empty() || !matchesAt(text.bytes(), affix, AtEnd)) return self;
    return same(self,
                AtEnd ? text.slice(0, text.size() - affix.size()) : text.slice(affix.size(), text.size()));
}

template <bool (*F)(char32_t)>
Value everyIs(Runtime&, const Value& self, Arguments given) {
    const Parameters none("str test", std::move(given), {});
    return Value::boolean(allCharacters(self.text(), F));
}
template <CharacterProperty P>
bool is(char32_t c) {
    return hasProperty(c, P);
}
bool isAlphanumeric(char32_t c) {
    return c != '_' && isWord(c);
}
template <bool (*F)(const Text&)>
Value wholeIs(Runtime&, const Value& self, Arguments given) {
    const Parameters none("str test", std::move(given), {});
    return Value::boolean(F(self.text()));
}
bool isAsciiText(const Text& text) {
    return std::all_of(text.bytes().begin(), text.bytes().end(),
                       [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}
bool isPrintableText(const Text& text) {
    return text.empty() ||
           allCharacters(text, [](char32_t c) { return !hasProperty(c, CharacterProperty::Unprintable); });
}
bool isIdentifier(const Text& text) {
    if (text.empty()) return false;
    size_t position = 0;
    const char32_t first = nextCharacter(text.bytes(), position);
    return (first == '_' || hasProperty(first, CharacterProperty::Alpha)) && allCharacters(text, isWord);
}

constexpr NamedMethod kMethods[] = {
    {"capitalize", mapped<capitalise>},
    {"casefold", mapped<foldCase>},
    {"center", aligned<Alignment::Centre>},
    {"count", counted},
    {"endswith", hasAffix<true>},
    {"expandtabs", tabsExpanded},
    {"find", found<false, false>},
    {"format", formatted},
    {"format_map", formattedMap},
    {"index", found<false, true>},
    {"isalnum", everyIs<isAlphanumeric>},
    {"isalpha", everyIs<is<CharacterProperty::Alpha>>},
    {"isascii", wholeIs<isAsciiText>},
    {"isdecimal", everyIs<is<CharacterProperty::Decimal>>},
    {"isdigit", everyIs<is<CharacterProperty::Digit>>},
    {"isidentifier", wholeIs<isIdentifier>},
    {"islower", wholeIs<isLowerCase>},
    {"isnumeric", everyIs<is<CharacterProperty::Numeric>>},
    {"isprintable", wholeIs<isPrintableText>},
    {"isspace", everyIs<isSpace>},
    {"istitle", wholeIs<isTitleCase>},
    {"isupper", wholeIs<isUpperCase>},
    {"join", join},
    {"ljust", aligned<Alignment::Left>},
    {"lower", mapped<lowerCase>},
    {"lstrip", stripped<Side::Left>},
    {"partition", partition<false>},
    {"removeprefix", affixRemoved<false>},
    {"removesuffix", affixRemoved<true>},
    {"replace", replaced},
    {"rfind", found<true, false>},
    {"rindex", found<true, true>},
    {"rjust", aligned<Alignment::Right>},
    {"rpartition", partition<true>},
    {"rsplit", splitted<splitFromRight>},
    {"rstrip", stripped<Side::Right>},
    {"split", splitted<split>},
    {"splitlines", lines},
    {"startswith", hasAffix<false>},
    {"strip", stripped<Side::Both>},
    {"swapcase", mapped<swapCase>},
    {"title", mapped<titleCase>},
    {"upper", mapped<upperCase>},
    {"zfill", zeroFilled},
};

}  // namespace

std::span<const NamedMethod> stringMethods() {
    return kMethods;
}

}  // namespace engine::jinja
