#include <algorithm>

#include "engine/prompt/jinja/expression_nodes.h"
#include "engine/prompt/jinja/expression_parser.h"
#include "engine/prompt/jinja/filters.h"
#include "engine/prompt/jinja/tests.h"

/// What follows an expression and belongs to it: subscripts, slices, calls, filters and tests.
namespace engine::jinja {

ExpressionPtr ExpressionParser::postfix(ExpressionPtr node) {
    while (true) {
        const Token& token = tokens_.current();
        if (token.isOperator(".") || token.isOperator("["))
            node = subscript(std::move(node));
        else if (token.isOperator("("))
            node = call(std::move(node));
        else
            return node;
    }
}

ExpressionPtr ExpressionParser::filtersAndTests(ExpressionPtr node) {
    while (true) {
        const Token& token = tokens_.current();
        if (token.isOperator("|")) {
            tokens_.next();
            node = filter(std::move(node));
        } else if (token.isName("is")) {
            node = test(std::move(node));
        } else if (token.isOperator("(")) {
            node = call(std::move(node));
        } else {
            return node;
        }
    }
}

ExpressionPtr ExpressionParser::subscript(ExpressionPtr object) {
    if (!tokens_.skipOperator(".")) return bracketed(std::move(object));
    const Token& token = tokens_.next();
    const int depth = depthOf(object);
    if (token.kind == Token::Kind::Name) {
        auto node = std::make_unique<AttributeExpression>();
        node->object = std::move(object);
        node->name = Text(token.text, Origin::Template);
        return finish(std::move(node), depth);
    }
    if (token.kind != Token::Kind::Whole) tokens_.fail("expected a name or a number behind '.'");
    auto node = std::make_unique<ItemExpression>();
    node->object = std::move(object);
    node->key = constant(token.number);
    return finish(std::move(node), depth);
}

ExpressionPtr ExpressionParser::bracketed(ExpressionPtr object) {
    const Nesting nesting(*this);
    tokens_.expectOperator("[");
    if (tokens_.skipOperator(":")) return slice(std::move(object), nullptr);
    std::vector<ExpressionPtr> keys;
    bool several = false;
    while (!tokens_.current().isOperator("]")) {
        if (!keys.empty()) {
            tokens_.expectOperator(",");
            several = true;
        }
        keys.push_back(expression());
        if (tokens_.current().isOperator(":")) {
            if (several) tokens_.fail("a slice does not go with other keys");
            tokens_.next();
            return slice(std::move(object), std::move(keys.front()));
        }
    }
    tokens_.expectOperator("]");
    auto node = std::make_unique<ItemExpression>();
    if (keys.size() == 1) {
        node->key = std::move(keys.front());
    } else {
        auto key = std::make_unique<SequenceExpression>();
        key->isTuple = true;
        key->items = std::move(keys);
        const int keyDepth = depthOf(key->items);
        node->key = finish(std::move(key), keyDepth);
    }
    node->object = std::move(object);
    const int depth = std::max(depthOf(node->object), depthOf(node->key));
    return finish(std::move(node), depth);
}

ExpressionPtr ExpressionParser::slice(ExpressionPtr object, ExpressionPtr start) {
    auto node = std::make_unique<SliceExpression>();
    node->object = std::move(object);
    node->start = std::move(start);
    const auto absent = [&] {
        return tokens_.current().isOperator("]") || tokens_.current().isOperator(",");
    };
    if (!tokens_.current().isOperator(":") && !absent()) node->stop = expression();
    if (tokens_.skipOperator(":") && !absent()) node->step = expression();
    tokens_.expectOperator("]");
    const int depth =
        std::max({depthOf(node->object), depthOf(node->start), depthOf(node->stop), depthOf(node->step)});
    return finish(std::move(node), depth);
}

ExpressionPtr ExpressionParser::call(ExpressionPtr callee) {
    auto node = std::make_unique<CallExpression>();
    node->callee = std::move(callee);
    node->arguments = arguments();
    const int depth = std::max(depthOf(node->callee), depthOf(node->arguments));
    return finish(std::move(node), depth);
}

CallArguments ExpressionParser::arguments() {
    const Nesting nesting(*this);
    CallArguments out;
    const auto ensure = [&](bool right) {
        if (!right) tokens_.fail("the arguments of a call are out of order");
    };
    tokens_.expectOperator("(");
    bool first = true;
    while (!tokens_.current().isOperator(")")) {
        if (!first) {
            tokens_.expectOperator(",");
            if (tokens_.current().isOperator(")")) break;
        }
        first = false;
        if (tokens_.skipOperator("*")) {
            ensure(out.spreadPositional == nullptr && out.spreadNamed == nullptr);
            out.spreadPositional = expression();
        } else if (tokens_.skipOperator("**")) {
            ensure(out.spreadNamed == nullptr);
            out.spreadNamed = expression();
        } else if (tokens_.current().kind == Token::Kind::Name && tokens_.look().isOperator("=")) {
            ensure(out.spreadNamed == nullptr);
            const std::string name = tokens_.next().text;
            tokens_.next();
            for (const auto& named : out.named)
                if (named.first == name) tokens_.fail("the argument '{}' is given twice", name);
            out.named.emplace_back(name, expression());
        } else {
            ensure(out.spreadPositional == nullptr && out.spreadNamed == nullptr && out.named.empty());
            out.positional.push_back(expression());
        }
    }
    tokens_.expectOperator(")");
    return out;
}

std::string ExpressionParser::dottedName() {
    std::string name = tokens_.expect(Token::Kind::Name, "a name").text;
    while (tokens_.skipOperator(".")) name += "." + tokens_.expect(Token::Kind::Name, "a name").text;
    return name;
}

ExpressionPtr ExpressionParser::filter(ExpressionPtr subject) {
    auto node = std::make_unique<FilterExpression>();
    node->name = dottedName();
    if (!isSoft && findFilter(node->name) == nullptr)
        unknownNames.push_back(fmt::format("No filter named '{}'.", node->name));
    node->subject = std::move(subject);
    if (tokens_.current().isOperator("(")) node->arguments = arguments();
    const int depth = std::max(depthOf(node->subject), depthOf(node->arguments));
    return finish(std::move(node), depth);
}

ExpressionPtr ExpressionParser::blockFilters(bool start) {
    ExpressionPtr node;
    if (start) node = filter(nullptr);
    while (tokens_.skipOperator("|")) node = filter(std::move(node));
    return node;
}

ExpressionPtr ExpressionParser::test(ExpressionPtr subject) {
    tokens_.expectName("is");
    const bool negated = tokens_.skipName("not");
    auto node = std::make_unique<TestExpression>();
    node->name = dottedName();
    if (!isSoft && findTest(node->name) == nullptr)
        unknownNames.push_back(fmt::format("No test named '{}'.", node->name));
    node->subject = std::move(subject);
    const Token& token = tokens_.current();
    if (token.isOperator("(")) {
        node->arguments = arguments();
    } else if (token.kind == Token::Kind::String || token.kind == Token::Kind::Whole ||
               token.kind == Token::Kind::Float || token.isOperator("[") || token.isOperator("{") ||
               (token.kind == Token::Kind::Name && token.text != "else" && token.text != "or" &&
                token.text != "and")) {
        if (token.isName("is")) tokens_.fail("tests cannot be chained with 'is'");
        node->arguments.positional.push_back(postfix(primary()));
    }
    const int depth = std::max(depthOf(node->subject), depthOf(node->arguments));
    auto tested = finish(std::move(node), depth);
    if (!negated) return tested;
    auto negation = std::make_unique<NotExpression>();
    negation->operand = std::move(tested);
    return finish(std::move(negation), depth + 1);
}

}  // namespace engine::jinja
