#include "engine/prompt/jinja/expression_parser.h"

#include <algorithm>

#include "engine/prompt/jinja/filters.h"
#include "engine/prompt/jinja/tests.h"

namespace engine::jinja {
namespace {

int depthOf(const ExpressionPtr& node) {
    return node == nullptr ? 0 : node->depth;
}

int depthOf(const std::vector<ExpressionPtr>& nodes) {
    int deepest = 0;
    for (const auto& node : nodes) deepest = std::max(deepest, node->depth);
    return deepest;
}

int depthOf(const CallArguments& arguments) {
    int deepest = std::max(
        {depthOf(arguments.positional), depthOf(arguments.spreadPositional), depthOf(arguments.spreadNamed)});
    for (const auto& named : arguments.named) deepest = std::max(deepest, named.second->depth);
    return deepest;
}

ExpressionPtr constant(Value value) {
    auto node = std::make_unique<ConstantExpression>();
    node->value = std::move(value);
    return node;
}

}  // namespace

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
