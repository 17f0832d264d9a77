#include "engine/prompt/jinja/format.h"

#include <cmath>

#include "engine/prompt/jinja/access.h"
#include "engine/prompt/jinja/dict.h"
#include "engine/prompt/jinja/number_format.h"
#include "engine/prompt/jinja/operators.h"
#include "engine/prompt/jinja/printing.h"
#include "engine/prompt/jinja/runtime.h"
#include "engine/prompt/jinja/text_operations.h"

namespace engine::jinja {
namespace {

bool isMapping(const Value& value) {
    return value.isDict() || value.isList() || value.isUndefined() ||
           value.objectAs<RangeObject>() != nullptr;
}

class PercentFormatter {
  public:
    PercentFormatter(Runtime& runtime, const Value& format, const Value& values)
        : runtime_(runtime), format_(format), values_(values) {}

    Value run() {
        const std::string& bytes = format_.bytes();
        while (position_ < bytes.size()) {
            const size_t percent = std::min(bytes.find('%', position_), bytes.size());
            out_.append(format_.text(), position_, percent);
            position_ = percent;
            if (percent < bytes.size()) conversion();
        }
        const bool unused =
            values_.isTuple() ? used_ < values_.items().size() : used_ == 0 && !isMapping(values_);
        if (unused && !named_) raise("not all arguments converted during string formatting");
        return Value::string(std::move(out_), format_.isMarkup());
    }

  private:
    char at() const {
        if (position_ >= format_.bytes().size()) raise("incomplete format");
        return format_.bytes()[position_];
    }

    Value nextValue() {
        if (name_) {
            const Value value = getNamed(*name_);
            return value;
        }
        if (values_.isTuple()) {
            if (used_ >= values_.items().size()) raise("not enough arguments for format string");
            return values_.items()[used_++];
        }
        if (used_++ > 0) raise("not enough arguments for format string");
        return values_;
    }

    Value getNamed(const std::string& name) const {
        if (!values_.isDict()) raise("format requires a mapping");
        const Value* found = values_.asDict().find(name);
        if (found == nullptr) raise("the format has no value for '{}'", name);
        return *found;
    }

    size_t number() {
        if (at() == '*') {
            ++position_;
            const Value value = nextValue();
            if (!value.isIntegral()) raise("* wants int");
            if (value.asInt() < 0) spec_.align = '<';
            const Integer size = value.asInt() < 0 ? -value.asInt() : value.asInt();
            if (size > static_cast<Integer>(kMaxText)) raise("a format asks for too many characters");
            return static_cast<size_t>(size);
        }
        size_t value = 0;
        for (; at() >= '0' && at() <= '9'; ++position_) {
            value = value * 10 + static_cast<size_t>(at() - '0');
            if (value > kMaxText) raise("a format asks for too many characters");
        }
        return value;
    }

    void conversion() {
        const Origin origin = format_.text().originAt(position_++);
        spec_ = FormatSpec();
        name_.reset();
        if (at() == '(') {
            const size_t begin = ++position_;
            for (int open = 1; open > 0; ++position_) open += at() == '(' ? 1 : at() == ')' ? -1 : 0;
            name_ = format_.bytes().substr(begin, position_ - begin - 1);
            named_ = true;
        }
        bool zero = false;
        for (;; ++position_) {
            const char flag = at();
            if (flag == '-')
                spec_.align = '<';
            else if (flag == '+')
                spec_.sign = '+';
            else if (flag == ' ')
                spec_.sign = spec_.sign == '+' ? '+' : ' ';
            else if (flag == '#')
                spec_.alternate = true;
            else if (flag == '0')
                zero = true;
            else
                break;
        }
        spec_.width = number();
        if (at() == '.') {
            ++position_;
            spec_.precision = static_cast<int>(std::min<size_t>(number(), 10'000));
        }
        while (at() == 'h' || at() == 'l' || at() == 'L') ++position_;
        spec_.type = at();
        ++position_;
        if (spec_.type == '%') {
            out_.append("%", origin);
            return;
        }
        const bool left = spec_.align == '<';
        Text text = converted();
        const bool numeric = std::string_view("crsa").find(spec_.type) == std::string_view::npos;
        if (zero && numeric && !left) {
            spec_.fill.assign(1, '0');
            spec_.align = '=';
        }
        text = fillUp(text, spec_, '>');
        runtime_.budget().text(text.size());
        if (out_.size() + text.size() > kMaxText) raise("a format asks for too many characters");
        out_.append(text);
    }

    Text converted() {
        const Value value = nextValue();
        switch (spec_.type) {
            case 's':
            case 'r':
            case 'a': {
                Text text = spec_.type == 's' ? toText(value) : reprOf(value);
                if (format_.isMarkup() && !value.isMarkup()) text = escapeHtml(text);
                if (!spec_.precision) return text;
                const auto offsets = characterOffsets(text.bytes());
                const auto keep = static_cast<size_t>(*spec_.precision);
                return keep + 1 < offsets.size() ? text.slice(0, offsets[keep]) : text;
            }
            case 'c':
                return character(value);
            case 'd':
            case 'i':
            case 'u':
            case 'o':
            case 'x':
            case 'X':
                return integer(value);
            case 'e':
            case 'E':
            case 'f':
            case 'F':
            case 'g':
            case 'G':
                requireDefined(value);
                if (!value.isNumber()) raise("must be real number, not {}", typeName(value));
                return Text(formatReal(value.asDouble(), spec_), Origin::Template);
            default:
                raise("unsupported format character '{}'", spec_.type);
        }
    }

    static Text reprOf(const Value& value) {
        Printer printer;
        printer.repr(value);
        return printer.take();
    }

    Text character(const Value& value) const {
        if (value.isString() && characterCount(value.bytes()) == 1) return value.text();
        if (!value.isIntegral() || value.asInt() < 0 || value.asInt() > 0x10FFFF)
            raise("%c requires int or char");
        std::string bytes;
        appendUtf8(static_cast<char32_t>(value.asInt()), bytes);
        return Text(std::move(bytes), Origin::Data);
    }

    Text integer(const Value& value) const {
        requireDefined(value);
        const bool whole = spec_.type == 'd' || spec_.type == 'i' || spec_.type == 'u';
        if (value.isFloat() && whole) {
            const double real = value.asDouble();
            if (!(std::abs(real) < 1e38)) raise("cannot convert float {} to integer", formatFloat(real));
            return Text(formatInteger(static_cast<Integer>(real), spec_), Origin::Template);
        }
        if (!value.isIntegral())
            raise("%{} format: a number is required, not {}", spec_.type, typeName(value));
        return Text(formatInteger(value.asInt(), spec_), Origin::Template);
    }

    Runtime& runtime_;
    const Value &format_, &values_;
    size_t position_ = 0, used_ = 0;
    std::optional<std::string> name_;
    bool named_ = false;
    FormatSpec spec_;
    Text out_;
};

class BraceFormatter {
  public:
    BraceFormatter(Runtime& runtime, const Arguments& values) : runtime_(runtime), values_(values) {}

    Text run(const Text& format, int level) {
        if (level > 2) raise("Max string recursion exceeded");
        const std::string& bytes = format.bytes();
        Text out;
        for (size_t position = 0; position < bytes.size();) {
            const size_t brace = std::min(bytes.find_first_of("{}", position), bytes.size());
            out.append(format, position, brace);
            if (brace == bytes.size()) break;
            if (brace + 1 < bytes.size() && bytes[brace + 1] == bytes[brace]) {
                out.append(format, brace, brace + 1);
                position = brace + 2;
                continue;
            }
            if (bytes[brace] == '}') raise("Single '}}' encountered in format string");
            const size_t end = fieldEnd(bytes, brace + 1);
            const Text text = field(format.slice(brace + 1, end), level);
            runtime_.budget().text(out.size() + text.size());
            out.append(text);
            position = end + 1;
        }
        return out;
    }

  private:
    static size_t fieldEnd(const std::string& bytes, size_t position) {
        int open = 1;
        bool inKey = false;  // braces inside [...] are part of the key
        for (; position < bytes.size(); ++position) {
            if (bytes[position] == '[') inKey = true;
            if (bytes[position] == ']') inKey = false;
            if (inKey) continue;
            if (bytes[position] == '{') ++open;
            if (bytes[position] == '}' && --open == 0) return position;
        }
        raise("expected '}}' before end of string");
    }

    Text field(const Text& text, int level) {
        const std::string& bytes = text.bytes();
        size_t nameEnd = 0;
        for (bool inKey = false; nameEnd < bytes.size(); ++nameEnd) {
            if (bytes[nameEnd] == '[') inKey = true;
            if (bytes[nameEnd] == ']') inKey = false;
            if (!inKey && (bytes[nameEnd] == '!' || bytes[nameEnd] == ':')) break;
            if (!inKey && bytes[nameEnd] == '{') raise("unexpected '{{' in field name");
        }
        Value value = lookUp(std::string_view(bytes).substr(0, nameEnd));
        size_t position = nameEnd;
        if (position < bytes.size() && bytes[position] == '!') {
            const char conversion = position + 1 < bytes.size() ? bytes[position + 1] : '\0';
            if (conversion == 's') {
                value = Value::string(toText(value));
            } else if (conversion == 'r' || conversion == 'a') {
                Printer printer;
                printer.repr(value);
                value = Value::string(printer.take());
            } else {
                raise("Unknown conversion specifier '{}'", conversion);
            }
            position += 2;
            if (position < bytes.size() && bytes[position] != ':')
                raise("expected ':' after conversion specifier");
        }
        if (position >= bytes.size()) return toText(value);
        return formatValue(value, run(text.slice(position + 1, bytes.size()), level + 1).bytes());
    }

    static bool isNumber(std::string_view text) {
        return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
    }

    static Integer toNumber(std::string_view text) {
        if (text.size() > 18) raise("Too many decimal digits in format string");
        return std::stoll(std::string(text));
    }

    Value lookUp(std::string_view name) {
        const size_t first = std::min(name.find_first_of(".["), name.size());
        Value value = argument(name.substr(0, first));
        for (size_t position = first; position < name.size();) {
            if (name[position] == '.') {
                const size_t end = std::min(name.find_first_of(".[", position + 1), name.size());
                if (end == position + 1) raise("Empty attribute in format string");
                value = getAttribute(
                    runtime_, value,
                    Text(std::string(name.substr(position + 1, end - position - 1)), Origin::Template));
                position = end;
            } else if (name[position] == '[') {
                const size_t end = name.find(']', position);
                if (end == std::string_view::npos) raise("Missing ']' in format string");
                const auto key = name.substr(position + 1, end - position - 1);
                if (key.empty()) raise("Empty attribute in format string");
                value = getItem(runtime_, value,
                                isNumber(key) ? Value::integer(toNumber(key))
                                              : Value::string(std::string(key), Origin::Template));
                position = end + 1;
            } else {
                raise("Only '.' or '[' may follow ']' in format field specifier");
            }
        }
        return value;
    }

    Value argument(std::string_view name) {
        if (name.empty() || isNumber(name)) {
            const bool automatic = name.empty();
            if ((automatic && numbering_ == 'm') || (!automatic && numbering_ == 'a'))
                raise("cannot switch between manual field specification and automatic field numbering");
            numbering_ = automatic ? 'a' : 'm';
            const auto index = automatic ? next_++ : static_cast<size_t>(toNumber(name));
            if (index >= values_.positional.size())
                raise("Replacement index {} out of range for positional args tuple", index);
            return values_.positional[index];
        }
        for (const auto& [known, value] : values_.named)
            if (known == name) return value;
        raise("the format has no value for '{}'", name);
    }

    Runtime& runtime_;
    const Arguments& values_;
    size_t next_ = 0;
    char numbering_ = '\0';
};

}  // namespace

Value percentFormat(Runtime& runtime, const Value& format, const Value& values) {
    return PercentFormatter(runtime, format, values).run();
}

Value braceFormat(Runtime& runtime, const Value& format, Arguments values) {
    return Value::string(BraceFormatter(runtime, values).run(format.text(), 1), format.isMarkup());
}

}  // namespace engine::jinja
