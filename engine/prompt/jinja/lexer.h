#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/prompt/jinja/value.h"

namespace engine::jinja {

struct Token {
    enum class Kind : uint8_t {
        Data,           ///< text outside of tags
        VariableBegin,  ///< {{
        VariableEnd,
        BlockBegin,  ///< {%
        BlockEnd,
        Name,
        String,
        Whole,  ///< an integer
        Float,
        Operator,
        End,
    };
    Kind kind = Kind::End;
    int line = 1;
    std::string text;  ///< of Data, Name, String (decoded) and Operator
    Value number;      ///< of Whole and Float

    bool isName(std::string_view name) const { return kind == Kind::Name && text == name; }
    bool isOperator(std::string_view symbol) const { return kind == Kind::Operator && text == symbol; }
};

/// Cuts a template into tokens as jinja2's lexer does with trim_blocks and lstrip_blocks: comments and raw
/// blocks are resolved, white space control is applied, one newline at the end is dropped. Throws
/// TemplateError. Linear.
std::vector<Token> tokenize(std::string_view source);

/// What a message calls a token.
std::string describe(const Token& token);

}  // namespace engine::jinja
