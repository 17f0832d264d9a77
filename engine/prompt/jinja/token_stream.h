#pragma once

#include <initializer_list>
#include <vector>

#include "engine/prompt/jinja/lexer.h"

namespace engine::jinja {

/// Tokens with one look ahead, and the errors of both parsers.
class TokenStream {
  public:
    explicit TokenStream(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

    const Token& current() const { return tokens_[position_]; }
    const Token& look() const { return tokens_[std::min(position_ + 1, tokens_.size() - 1)]; }
    const Token& next() {
        const Token& token = current();
        if (token.kind != Token::Kind::End) ++position_;
        return token;
    }
    bool atEnd() const { return current().kind == Token::Kind::End; }

    bool skipName(std::string_view name) { return current().isName(name) && (next(), true); }
    bool skipOperator(std::string_view symbol) { return current().isOperator(symbol) && (next(), true); }
    const Token& expect(Token::Kind kind, std::string_view what) {
        if (current().kind != kind) failExpected(what);
        return next();
    }
    void expectName(std::string_view name) {
        if (!skipName(name)) failExpected(name);
    }
    void expectOperator(std::string_view symbol) {
        if (!skipOperator(symbol)) failExpected(symbol);
    }

    [[noreturn]] void failExpected(std::string_view what) const {
        raise("line {}: expected {}, got {}", current().line, what, describe(current()));
    }
    template <class... Args>
    [[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) const {
        raise("line {}: {}", current().line, fmt::format(format, std::forward<Args>(args)...));
    }

  private:
    std::vector<Token> tokens_;
    size_t position_ = 0;
};

}  // namespace engine::jinja
