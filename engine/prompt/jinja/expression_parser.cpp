#include "engine/prompt/jinja/expression_parser.h"

#include <algorithm>

#include "engine/prompt/jinja/expression_nodes.h"

/// Operators, from those that bind loosest to those that bind tightest.
namespace engine::jinja {

ExpressionPtr ExpressionParser::finish(std::unique_ptr<Expression> node, int childDepth) {
    node->depth = childDepth + 1;
    if (node->depth > kMaxSyntaxDepth)
        tokens_.fail("the template nests too deeply (more than {})", kMaxSyntaxDepth);
    return node;
}

ExpressionPtr ExpressionParser::expression(bool withConditional) {
    const Nesting nesting(*this);
    return withConditional ? conditional() : disjunction();
}

ExpressionPtr ExpressionParser::conditional() {
    const bool wasSoft = isSoft;
    const size_t known = unknownNames.size();
    auto value = disjunction();
    while (tokens_.skipName("if")) {
        auto node = std::make_unique<ConditionalExpression>();
        unknownNames.resize(known);
        isSoft = true;
        node->condition = disjunction();
        if (tokens_.skipName("else")) {
            const Nesting nesting(*this);
            node->ifFalse = conditional();
        }
        isSoft = wasSoft;
        node->ifTrue = std::move(value);
        const int depth = std::max({depthOf(node->condition), depthOf(node->ifTrue), depthOf(node->ifFalse)});
        value = finish(std::move(node), depth);
    }
    return value;
}

ExpressionPtr ExpressionParser::disjunction() {
    auto left = conjunction();
    while (tokens_.skipName("or")) {
        auto node = std::make_unique<OrExpression>();
        node->right = conjunction();
        node->left = std::move(left);
        const int depth = std::max(depthOf(node->left), depthOf(node->right));
        left = finish(std::move(node), depth);
    }
    return left;
}

ExpressionPtr ExpressionParser::conjunction() {
    auto left = negation();
    while (tokens_.skipName("and")) {
        auto node = std::make_unique<AndExpression>();
        node->right = negation();
        node->left = std::move(left);
        const int depth = std::max(depthOf(node->left), depthOf(node->right));
        left = finish(std::move(node), depth);
    }
    return left;
}

ExpressionPtr ExpressionParser::negation() {
    if (!tokens_.skipName("not")) return comparison();
    const Nesting nesting(*this);
    auto node = std::make_unique<NotExpression>();
    node->operand = negation();
    const int depth = depthOf(node->operand);
    return finish(std::move(node), depth);
}

ExpressionPtr ExpressionParser::comparison() {
    using Operator = CompareExpression::Operator;
    static constexpr std::pair<std::string_view, Operator> kSymbols[] = {
        {"==", Operator::Equal},       {"!=", Operator::NotEqual}, {"<", Operator::Less},
        {"<=", Operator::LessOrEqual}, {">", Operator::Greater},   {">=", Operator::GreaterOrEqual}};
    auto node = std::make_unique<CompareExpression>();
    node->first = sum();
    int depth = depthOf(node->first);
    while (true) {
        const Token& token = tokens_.current();
        const auto* symbol = std::find_if(std::begin(kSymbols), std::end(kSymbols),
                                          [&](const auto& entry) { return token.isOperator(entry.first); });
        Operator operation = Operator::In;
        if (symbol != std::end(kSymbols)) {
            operation = symbol->second;
            tokens_.next();
        } else if (token.isName("not") && tokens_.look().isName("in")) {
            operation = Operator::NotIn;
            tokens_.next();
            tokens_.next();
        } else if (!tokens_.skipName("in")) {
            break;
        }
        node->rest.emplace_back(operation, sum());
        depth = std::max(depth, depthOf(node->rest.back().second));
    }
    if (node->rest.empty()) return std::move(node->first);
    return finish(std::move(node), depth);
}

ExpressionPtr ExpressionParser::sum() {
    auto left = concatenation();
    while (tokens_.current().isOperator("+") || tokens_.current().isOperator("-")) {
        auto node = std::make_unique<ArithmeticExpression>();
        node->operation = tokens_.next().text == "+" ? Arithmetic::Add : Arithmetic::Subtract;
        node->right = concatenation();
        node->left = std::move(left);
        const int depth = std::max(depthOf(node->left), depthOf(node->right));
        left = finish(std::move(node), depth);
    }
    return left;
}

ExpressionPtr ExpressionParser::concatenation() {
    auto node = std::make_unique<ConcatExpression>();
    node->parts.push_back(product());
    while (tokens_.skipOperator("~")) node->parts.push_back(product());
    if (node->parts.size() == 1) return std::move(node->parts.front());
    const int depth = depthOf(node->parts);
    return finish(std::move(node), depth);
}

ExpressionPtr ExpressionParser::product() {
    static constexpr std::pair<std::string_view, Arithmetic> kSymbols[] = {{"*", Arithmetic::Multiply},
                                                                           {"/", Arithmetic::Divide},
                                                                           {"//", Arithmetic::FloorDivide},
                                                                           {"%", Arithmetic::Modulo}};
    auto left = power();
    while (true) {
        const auto* symbol = std::find_if(std::begin(kSymbols), std::end(kSymbols), [&](const auto& entry) {
            return tokens_.current().isOperator(entry.first);
        });
        if (symbol == std::end(kSymbols)) return left;
        tokens_.next();
        auto node = std::make_unique<ArithmeticExpression>();
        node->operation = symbol->second;
        node->right = power();
        node->left = std::move(left);
        const int depth = std::max(depthOf(node->left), depthOf(node->right));
        left = finish(std::move(node), depth);
    }
}

ExpressionPtr ExpressionParser::power() {
    auto left = unary();
    while (tokens_.skipOperator("**")) {
        auto node = std::make_unique<ArithmeticExpression>();
        node->operation = Arithmetic::Power;
        node->right = unary();
        node->left = std::move(left);
        const int depth = std::max(depthOf(node->left), depthOf(node->right));
        left = finish(std::move(node), depth);
    }
    return left;
}

ExpressionPtr ExpressionParser::unary(bool withFilter) {
    const Nesting nesting(*this);
    ExpressionPtr node;
    if (tokens_.skipOperator("-")) {
        auto negated = std::make_unique<NegateExpression>();
        negated->operand = unary(false);
        const int depth = depthOf(negated->operand);
        node = finish(std::move(negated), depth);
    } else if (tokens_.skipOperator("+")) {
        auto plain = std::make_unique<PlusExpression>();
        plain->operand = unary(false);
        const int depth = depthOf(plain->operand);
        node = finish(std::move(plain), depth);
    } else {
        node = primary();
    }
    node = postfix(std::move(node));
    return withFilter ? filtersAndTests(std::move(node)) : std::move(node);
}

}  // namespace engine::jinja
