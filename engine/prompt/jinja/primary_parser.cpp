#include "engine/prompt/jinja/expression_nodes.h"
#include "engine/prompt/jinja/expression_parser.h"

/// What operators join: names, literals and what stands in brackets; and what can be assigned to.
namespace engine::jinja {

ExpressionPtr ExpressionParser::primary() {
    const Token& token = tokens_.current();
    switch (token.kind) {
        case Token::Kind::Name: {
            tokens_.next();
            if (token.text == "true" || token.text == "True") return constant(Value::boolean(true));
            if (token.text == "false" || token.text == "False") return constant(Value::boolean(false));
            if (token.text == "none" || token.text == "None") return constant(Value());
            for (MacroUse& use : macroUses) {
                use.caller |= token.text == "caller";
                use.kwargs |= token.text == "kwargs";
                use.varargs |= token.text == "varargs";
            }
            auto node = std::make_unique<NameExpression>();
            node->name = names_.intern(token.text);
            return node;
        }
        case Token::Kind::String: {
            std::string text;
            while (tokens_.current().kind == Token::Kind::String) text += tokens_.next().text;
            return constant(Value::string(std::move(text), Origin::Template));
        }
        case Token::Kind::Whole:
        case Token::Kind::Float:
            return constant(tokens_.next().number);
        default:
            break;
    }
    if (token.isOperator("(")) return parenthesised();
    if (token.isOperator("[")) return list();
    if (token.isOperator("{")) return dict();
    tokens_.fail("expected an expression, got {}", describe(token));
}

ExpressionPtr ExpressionParser::parenthesised() {
    tokens_.expectOperator("(");
    if (tokens_.skipOperator(")")) {
        auto empty = std::make_unique<SequenceExpression>();
        empty->isTuple = true;
        return empty;
    }
    auto node = tuple();
    tokens_.expectOperator(")");
    return node;
}

ExpressionPtr ExpressionParser::list() {
    auto node = std::make_unique<SequenceExpression>();
    tokens_.expectOperator("[");
    while (!tokens_.current().isOperator("]")) {
        if (!node->items.empty()) tokens_.expectOperator(",");
        if (tokens_.current().isOperator("]")) break;
        node->items.push_back(expression());
    }
    tokens_.expectOperator("]");
    const int depth = depthOf(node->items);
    return finish(std::move(node), depth);
}

ExpressionPtr ExpressionParser::dict() {
    auto node = std::make_unique<DictExpression>();
    int depth = 0;
    tokens_.expectOperator("{");
    while (!tokens_.current().isOperator("}")) {
        if (!node->entries.empty()) tokens_.expectOperator(",");
        if (tokens_.current().isOperator("}")) break;
        auto key = expression();
        tokens_.expectOperator(":");
        auto value = expression();
        depth = std::max({depth, depthOf(key), depthOf(value)});
        node->entries.emplace_back(std::move(key), std::move(value));
    }
    tokens_.expectOperator("}");
    return finish(std::move(node), depth);
}

bool ExpressionParser::endsTuple() const {
    const Token& token = tokens_.current();
    return token.kind == Token::Kind::VariableEnd || token.kind == Token::Kind::BlockEnd ||
           token.isOperator(")");
}

ExpressionPtr ExpressionParser::tuple(bool withConditional) {
    auto node = std::make_unique<SequenceExpression>();
    node->isTuple = true;
    bool several = false;
    while (!endsTuple()) {
        node->items.push_back(expression(withConditional));
        if (!tokens_.skipOperator(",")) break;
        several = true;
    }
    if (several) {
        const int depth = depthOf(node->items);
        return finish(std::move(node), depth);
    }
    if (node->items.empty()) tokens_.fail("expected an expression, got {}", describe(tokens_.current()));
    return std::move(node->items.front());
}

NameId ExpressionParser::nameOnly() {
    const Token& token = tokens_.expect(Token::Kind::Name, "a name");
    for (const std::string_view constant : {"true", "false", "none", "True", "False", "None"})
        if (token.text == constant) tokens_.fail("can't assign to '{}'", token.text);
    return names_.intern(token.text);
}

Target ExpressionParser::primaryTarget(bool withNamespace) {
    const Nesting nesting(*this);
    Target out;
    if (tokens_.skipOperator("(")) {
        out = target(withNamespace);
        tokens_.expectOperator(")");
        return out;
    }
    out.name = nameOnly();
    if (withNamespace && tokens_.skipOperator(".")) {
        out.kind = Target::Kind::NamespaceAttribute;
        out.attribute = tokens_.expect(Token::Kind::Name, "a name").text;
    }
    return out;
}

Target ExpressionParser::target(bool withNamespace) {
    Target out;
    out.kind = Target::Kind::Tuple;
    bool several = false;
    while (!endsTuple()) {
        out.parts.push_back(primaryTarget(withNamespace));
        if (!tokens_.skipOperator(",")) break;
        several = true;
    }
    if (out.parts.empty()) tokens_.fail("expected a name to assign to, got {}", describe(tokens_.current()));
    if (several) return out;
    Target single = std::move(out.parts.front());
    return single;
}

}  // namespace engine::jinja
