#include "engine/prompt/jinja/lexer.h"

#include <algorithm>

#include "engine/prompt/jinja/literals.h"
#include "engine/prompt/jinja/unicode.h"

namespace engine::jinja {
namespace {

/// One kind of newline, and none at the very end.
std::string normalised(std::string_view source) {
    std::string out;
    out.reserve(source.size());
    for (size_t i = 0; i < source.size(); ++i) {
        if (source[i] != '\r') {
            out += source[i];
            continue;
        }
        out += '\n';
        if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    }
    if (!out.empty() && out.back() == '\n') out.pop_back();
    return out;
}

size_t skipSpace(std::string_view text, size_t position) {
    while (position < text.size()) {
        size_t next = position;
        if (!isSpace(nextCharacter(text, next))) break;
        position = next;
    }
    return position;
}

size_t trimmedEnd(std::string_view text) {
    size_t end = 0;
    for (size_t position = 0; position < text.size();)
        if (!isSpace(nextCharacter(text, position))) end = position;
    return end;
}

class Lexer {
  public:
    explicit Lexer(std::string_view source) : source_(normalised(source)), rest_(source_) {}

    std::vector<Token> run() {
        while (position_ < rest_.size()) data();
        add(Token::Kind::End, "");
        return std::move(tokens_);
    }

  private:
    struct Sign {
        char character = 0;  // '-', '+' or none
        size_t end;          // behind it
    };
    Sign signAt(size_t position) const {
        if (position < rest_.size() && (rest_[position] == '-' || rest_[position] == '+'))
            return {rest_[position], position + 1};
        return {0, position};
    }
    bool startsWith(size_t position, std::string_view what) const {
        return rest_.substr(std::min(position, rest_.size()), what.size()) == what;
    }

    void add(Token::Kind kind, std::string text) { tokens_.push_back({kind, line_, std::move(text), {}}); }
    void advance(size_t end) {
        line_ += static_cast<int>(std::count(rest_.begin() + static_cast<ptrdiff_t>(position_),
                                             rest_.begin() + static_cast<ptrdiff_t>(end), '\n'));
        lineStarting_ = end > 0 && end > position_ ? rest_[end - 1] == '\n' : lineStarting_;
        position_ = end;
    }

    /// Text up to the next tag, cut as the tag's sign and lstrip_blocks want it.
    void addData(std::string_view text, char sign, bool stripsIndent) {
        if (sign == '-') {
            text = text.substr(0, trimmedEnd(text));
        } else if (sign != '+' && stripsIndent) {
            const size_t newline = text.rfind('\n');
            const size_t line = newline == std::string_view::npos ? 0 : newline + 1;
            if ((line > 0 || lineStarting_) && skipSpace(text, line) == text.size())
                text = text.substr(0, line);
        }
        if (!text.empty()) add(Token::Kind::Data, std::string(text));
    }

    size_t findTag() const {
        for (size_t brace = rest_.find('{', position_); brace != std::string_view::npos;
             brace = rest_.find('{', brace + 1))
            if (brace + 1 < rest_.size() &&
                std::string_view("{%#").find(rest_[brace + 1]) != std::string_view::npos)
                return brace;
        return std::string_view::npos;
    }

    void data() {
        const size_t tag = findTag();
        if (tag == std::string_view::npos) {
            add(Token::Kind::Data, std::string(rest_.substr(position_)));
            position_ = rest_.size();
            return;
        }
        const char mark = rest_[tag + 1];
        const Sign sign = signAt(tag + 2);
        addData(rest_.substr(position_, tag - position_), sign.character, mark != '{');
        if (mark == '#') {
            advance(sign.end);
            comment();
        } else if (const size_t raw = mark == '%' ? rawBegin(sign.end) : 0; raw != 0) {
            advance(raw);
            rawBlock();
        } else {
            advance(sign.end);
            tagTokens(mark == '{');
        }
    }

    void comment() {
        const size_t end = rest_.find("#}", position_);
        if (end == std::string_view::npos) {
            if (position_ == rest_.size()) return;  // jinja2 forgives a comment that begins at the very end
            raise("line {}: a comment is not closed with '#}}'", line_);
        }
        const char sign = end > position_ ? rest_[end - 1] : '\0';
        advance(behindBlock(end + 2, sign));
    }

    /// Where text goes on behind a closing %} or #}: trim_blocks takes one newline, a '-' all white space.
    size_t behindBlock(size_t end, char sign) const {
        if (sign == '-') return skipSpace(rest_, end);
        if (sign != '+' && end < rest_.size() && rest_[end] == '\n') return end + 1;
        return end;
    }

    /// The end of "raw %}" behind a block's start, or 0.
    size_t rawBegin(size_t position) const {
        position = skipSpace(rest_, position);
        if (!startsWith(position, "raw")) return 0;
        position = skipSpace(rest_, position + 3);
        if (startsWith(position, "-%}")) return skipSpace(rest_, position + 3);
        return startsWith(position, "%}") ? position + 2 : 0;
    }

    void rawBlock() {
        if (position_ == rest_.size()) return;  // as for a comment
        for (size_t tag = rest_.find("{%", position_); tag != std::string_view::npos;
             tag = rest_.find("{%", tag + 1)) {
            const Sign sign = signAt(tag + 2);
            size_t end = skipSpace(rest_, sign.end);
            if (!startsWith(end, "endraw")) continue;
            end = skipSpace(rest_, end + 6);
            const Sign closing = signAt(end);
            if (!startsWith(closing.end, "%}")) continue;
            addData(rest_.substr(position_, tag - position_), sign.character, true);
            advance(behindBlock(closing.end + 2, closing.character));
            return;
        }
        raise("line {}: a raw block is not closed with '{{% endraw %}}'", line_);
    }

    void tagTokens(bool variable) {
        add(variable ? Token::Kind::VariableBegin : Token::Kind::BlockBegin, variable ? "{{" : "{%");
        brackets_.clear();
        while (true) {
            if (position_ >= rest_.size()) return;  // the parser says what is missing
            if (brackets_.empty() && tagEnd(variable)) return;
            const size_t space = skipSpace(rest_, position_);
            if (space > position_)
                advance(space);
            else
                expressionToken();
        }
    }

    bool tagEnd(bool variable) {
        const Sign sign = signAt(position_);
        if (variable && sign.character == '+') return false;
        if (!startsWith(sign.end, variable ? "}}" : "%}")) return false;
        const size_t end = sign.end + 2;
        add(variable ? Token::Kind::VariableEnd : Token::Kind::BlockEnd, variable ? "}}" : "%}");
        if (variable)
            advance(sign.character == '-' ? skipSpace(rest_, end) : end);
        else
            advance(behindBlock(end, sign.character));
        return true;
    }

    void expressionToken() {
        const std::string_view text = rest_.substr(position_);
        const char c = text[0];
        const bool afterDot = position_ > 0 && rest_[position_ - 1] == '.';
        if (const size_t length = afterDot ? 0 : floatLength(text); length > 0) {
            addNumber(Token::Kind::Float, floatValue(text.substr(0, length)), length);
        } else if (const size_t whole = integerLength(text); whole > 0) {
            addNumber(Token::Kind::Whole, integerValue(text.substr(0, whole)), whole);
        } else if (c == '"' || c == '\'') {
            const size_t end = stringLength(text);
            if (end == 0) raise("line {}: a string is not closed with {}", line_, c);
            add(Token::Kind::String, unescape(text.substr(1, end - 2)));
            advance(position_ + end);
        } else {
            size_t end = 0;
            for (size_t next = 0; next < text.size() && isWord(nextCharacter(text, next));) end = next;
            if (end > 0) {
                add(Token::Kind::Name, std::string(text.substr(0, end)));
                advance(position_ + end);
            } else {
                operatorToken(text);
            }
        }
    }

    void addNumber(Token::Kind kind, Value value, size_t length) {
        tokens_.push_back({kind, line_, std::string(rest_.substr(position_, length)), std::move(value)});
        advance(position_ + length);
    }

    void operatorToken(std::string_view text) {
        for (const std::string_view symbol : {"//", "**", "==", "!=", ">=", "<="}) {
            if (text.substr(0, 2) != symbol) continue;
            add(Token::Kind::Operator, std::string(symbol));
            advance(position_ + 2);
            return;
        }
        if (std::string_view("+-/*%~[](){}><=.:|,;").find(text[0]) == std::string_view::npos) {
            size_t end = 0;
            nextCharacter(text, end);
            raise("line {}: unexpected character '{}' in a tag", line_, text.substr(0, end));
        }
        balance(text[0]);
        add(Token::Kind::Operator, std::string(1, text[0]));
        advance(position_ + 1);
    }

    void balance(char c) {
        if (c == '(' || c == '[' || c == '{') brackets_ += c == '(' ? ')' : c == '[' ? ']' : '}';
        if (c != ')' && c != ']' && c != '}') return;
        if (brackets_.empty()) raise("line {}: unexpected '{}'", line_, c);
        if (brackets_.back() != c)
            raise("line {}: unexpected '{}', expected '{}'", line_, c, brackets_.back());
        brackets_.pop_back();
    }

    std::string source_;
    std::string_view rest_;
    size_t position_ = 0;
    int line_ = 1;
    bool lineStarting_ = true;
    std::string brackets_;  // closing ones awaited
    std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> tokenize(std::string_view source) {
    return Lexer(source).run();
}

std::string describe(const Token& token) {
    switch (token.kind) {
        case Token::Kind::Data:
            return "text";
        case Token::Kind::End:
            return "the end of the template";
        case Token::Kind::String:
            return fmt::format("the string '{}'", token.text.substr(0, 40));
        default:
            return fmt::format("'{}'", token.text.substr(0, 40));
    }
}

}  // namespace engine::jinja
