#include "engine/prompt/jinja/json_writer.h"

#include <algorithm>
#include <cmath>

#include "engine/prompt/jinja/dict.h"
#include "engine/prompt/jinja/operators.h"
#include "engine/prompt/jinja/printing.h"
#include "engine/prompt/jinja/unicode.h"

namespace engine::jinja {
namespace {

class JsonWriter {
  public:
    explicit JsonWriter(const JsonStyle& style) : style_(style) {}

    Text run(const Value& value) {
        write(value, 0);
        return std::move(out_);
    }

  private:
    void punctuation(std::string_view bytes) { out_.append(bytes, Origin::Data); }

    void write(const Value& value, size_t level) {
        if (out_.size() > kMaxText) raise("the template builds a text of more than {} bytes", kMaxText);
        switch (value.kind()) {
            case Value::Kind::String:
                text(value.text());
                return;
            case Value::Kind::List:
            case Value::Kind::Tuple:
                list(value.items(), level);
                return;
            case Value::Kind::Dict:
                dict(value.asDict(), level);
                return;
            default:
                punctuation(scalar(value));
        }
    }

    static std::string scalar(const Value& value) {
        switch (value.kind()) {
            case Value::Kind::None:
                return "null";
            case Value::Kind::Bool:
                return value.asBool() ? "true" : "false";
            case Value::Kind::Int:
                return formatInt(value.asInt());
            case Value::Kind::Float: {
                const double real = value.asDouble();
                if (std::isnan(real)) return "NaN";
                if (std::isinf(real)) return real < 0 ? "-Infinity" : "Infinity";
                return formatFloat(real);
            }
            default:
                raise("Object of type {} is not JSON serializable", typeName(value));
        }
    }

    /// A key as the text that JSON needs.
    static Text keyText(const Value& key) {
        if (key.isString()) return key.text();
        if (key.isNone() || key.isNumber()) return Text(scalar(key), Origin::Data);
        raise("keys must be str, int, float, bool or None, not {}", typeName(key));
    }

    void newline(size_t level) {
        if (!style_.indent) return;
        punctuation("\n");
        for (size_t i = 0; i < level; ++i) out_.append(*style_.indent);
    }

    void list(const std::vector<Value>& items, size_t level) {
        if (items.empty()) return punctuation("[]");
        punctuation("[");
        for (size_t i = 0; i < items.size(); ++i) {
            if (i > 0) out_.append(style_.itemSeparator);
            newline(level + 1);
            write(items[i], level + 1);
        }
        newline(level);
        punctuation("]");
    }

    void dict(const Dict& dict, size_t level) {
        if (dict.size() == 0) return punctuation("{}");
        std::vector<const Dict::Entry*> entries;
        for (const Dict::Entry& entry : dict.entries()) entries.push_back(&entry);
        if (style_.sortKeys)
            std::stable_sort(entries.begin(), entries.end(), [](const Dict::Entry* a, const Dict::Entry* b) {
                return less(a->first, b->first);
            });
        punctuation("{");
        bool first = true;
        for (const Dict::Entry* entry : entries) {
            if (!std::exchange(first, false)) out_.append(style_.itemSeparator);
            newline(level + 1);
            text(keyText(entry->first));
            out_.append(style_.keySeparator);
            write(entry->second, level + 1);
        }
        newline(level);
        punctuation("}");
    }

    void text(const Text& text) {
        punctuation("\"");
        const std::string& bytes = text.bytes();
        size_t kept = 0;
        for (size_t position = 0; position < bytes.size();) {
            const size_t begin = position;
            const std::string escape = escaped(nextCharacter(bytes, position));
            if (escape.empty()) continue;
            out_.append(text, kept, begin);
            out_.append(escape, text.originAt(begin));
            kept = position;
        }
        out_.append(text, kept, bytes.size());
        punctuation("\"");
    }

    /// What stands for a character; empty for itself.
    std::string escaped(char32_t c) const {
        switch (c) {
            case '"':
                return "\\\"";
            case '\\':
                return "\\\\";
            case '\n':
                return "\\n";
            case '\r':
                return "\\r";
            case '\t':
                return "\\t";
            case '\f':
                return "\\f";
            case '\b':
                return "\\b";
            default:
                break;
        }
        if (c < 0x20) return fmt::format("\\u{:04x}", static_cast<uint32_t>(c));
        if (!style_.ensureAscii || c < 0x7F) return {};
        if (c < 0x10000) return fmt::format("\\u{:04x}", static_cast<uint32_t>(c));
        const auto rest = static_cast<uint32_t>(c) - 0x10000;
        return fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + (rest >> 10), 0xDC00 + (rest & 0x3FF));
    }

    const JsonStyle& style_;
    Text out_;
};

}  // namespace

Text writeJson(const Value& value, const JsonStyle& style) {
    return JsonWriter(style).run(value);
}

}  // namespace engine::jinja
