#include "engine/prompt/jinja/evaluator.h"

#include "engine/prompt/jinja/access.h"
#include "engine/prompt/jinja/dict.h"
#include "engine/prompt/jinja/filters.h"
#include "engine/prompt/jinja/globals.h"
#include "engine/prompt/jinja/printing.h"
#include "engine/prompt/jinja/tests.h"

namespace engine::jinja {

Value Evaluator::evaluate(const Expression& expression, const Scope& scope) {
    const Budget::Depth depth(runtime_.budget());
    runtime_.budget().step();
    using Kind = Expression::Kind;
    switch (expression.kind) {
        case Kind::Constant:
            return as<ConstantExpression>(expression).value;
        case Kind::Name:
            return name(as<NameExpression>(expression), scope);
        case Kind::Sequence:
            return sequence(as<SequenceExpression>(expression), scope);
        case Kind::Dict:
            return dict(as<DictExpression>(expression), scope);
        case Kind::Attribute: {
            const auto& node = as<AttributeExpression>(expression);
            return getAttribute(runtime_, evaluate(*node.object, scope), node.name);
        }
        case Kind::Item: {
            const auto& node = as<ItemExpression>(expression);
            const Value object = evaluate(*node.object, scope);
            return getItem(runtime_, object, evaluate(*node.key, scope));
        }
        case Kind::Slice:
            return slice(as<SliceExpression>(expression), scope);
        case Kind::Call: {
            const auto& node = as<CallExpression>(expression);
            const Value callee = evaluate(*node.callee, scope);
            return call(runtime_, callee, arguments(node.arguments, scope));
        }
        case Kind::Filter: {
            const auto& node = as<FilterExpression>(expression);
            return filter(node, evaluate(*node.subject, scope), scope);
        }
        case Kind::Test:
            return test(as<TestExpression>(expression), scope);
        case Kind::Not:
            return Value::boolean(!truth(evaluate(*as<NotExpression>(expression).operand, scope)));
        case Kind::Negate:
            return negate(evaluate(*as<NegateExpression>(expression).operand, scope));
        case Kind::Plus:
            return plus(evaluate(*as<PlusExpression>(expression).operand, scope));
        case Kind::Arithmetic: {
            const auto& node = as<ArithmeticExpression>(expression);
            const Value left = evaluate(*node.left, scope);
            return arithmetic(runtime_, left, node.operation, evaluate(*node.right, scope));
        }
        case Kind::And: {
            const auto& node = as<AndExpression>(expression);
            Value left = evaluate(*node.left, scope);
            return truth(left) ? evaluate(*node.right, scope) : left;
        }
        case Kind::Or: {
            const auto& node = as<OrExpression>(expression);
            Value left = evaluate(*node.left, scope);
            return truth(left) ? left : evaluate(*node.right, scope);
        }
        case Kind::Compare:
            return compare(as<CompareExpression>(expression), scope);
        case Kind::Concat:
            return concat(as<ConcatExpression>(expression), scope);
        case Kind::Conditional:
            return conditional(as<ConditionalExpression>(expression), scope);
    }
    return {};
}

Value Evaluator::name(const NameExpression& node, const Scope& scope) const {
    if (const Value* found = scope.find(node.name)) return *found;
    const std::string& name = names_[node.name];
    if (auto global = findGlobal(name)) return *std::move(global);
    return Value::undefined(fmt::format("'{}' is undefined", name));
}

Value Evaluator::sequence(const SequenceExpression& node, const Scope& scope) {
    runtime_.budget().items(node.items.size());
    std::vector<Value> items;
    items.reserve(node.items.size());
    for (const auto& item : node.items) items.push_back(evaluate(*item, scope));
    return node.isTuple ? Value::tuple(std::move(items)) : Value::list(std::move(items));
}

Value Evaluator::dict(const DictExpression& node, const Scope& scope) {
    runtime_.budget().items(node.entries.size());
    Dict out;
    for (const auto& [key, value] : node.entries) {
        Value computed = evaluate(*key, scope);
        out.set(std::move(computed), evaluate(*value, scope));
    }
    return Value::dict(std::move(out));
}

Value Evaluator::slice(const SliceExpression& node, const Scope& scope) {
    const auto part = [&](const ExpressionPtr& bound) {
        return bound == nullptr ? Value() : evaluate(*bound, scope);
    };
    const Value object = evaluate(*node.object, scope);
    const Value start = part(node.start), stop = part(node.stop), step = part(node.step);
    return getSlice(runtime_, object, start, stop, step);
}

Value Evaluator::filter(const FilterExpression& node, const Value& subject, const Scope& scope) {
    const FilterFunction function = findFilter(node.name);
    if (function == nullptr) raise("No filter named '{}'.", node.name);
    return function(runtime_, subject, arguments(node.arguments, scope));
}

Value Evaluator::applyFilters(const Expression& chain, const Value& subject, const Scope& scope) {
    const Budget::Depth depth(runtime_.budget());
    const auto& node = as<FilterExpression>(chain);
    return filter(node, node.subject == nullptr ? subject : applyFilters(*node.subject, subject, scope),
                  scope);
}

Value Evaluator::test(const TestExpression& node, const Scope& scope) {
    const TestFunction function = findTest(node.name);
    if (function == nullptr) raise("No test named '{}'.", node.name);
    const Value subject = evaluate(*node.subject, scope);
    return Value::boolean(function(runtime_, subject, arguments(node.arguments, scope)));
}

Arguments Evaluator::arguments(const CallArguments& given, const Scope& scope) {
    Arguments out;
    for (const auto& argument : given.positional) out.positional.push_back(evaluate(*argument, scope));
    for (const auto& [name, argument] : given.named) out.named.emplace_back(name, evaluate(*argument, scope));
    if (given.spreadPositional != nullptr) {
        auto more = toVector(runtime_, evaluate(*given.spreadPositional, scope));
        out.positional.insert(out.positional.end(), more.begin(), more.end());
    }
    if (given.spreadNamed == nullptr) return out;
    const Value more = evaluate(*given.spreadNamed, scope);
    requireDefined(more);
    if (!more.isDict()) raise("argument after ** must be a mapping, not {}", typeName(more));
    for (const auto& [key, value] : more.asDict().entries()) {
        if (!key.isString()) raise("keywords must be strings");
        for (const auto& named : out.named)
            if (named.first == key.bytes())
                raise("got multiple values for keyword argument '{}'", key.bytes());
        runtime_.budget().step(out.named.size());
        out.named.emplace_back(key.bytes(), value);
    }
    return out;
}

Value Evaluator::compare(const CompareExpression& node, const Scope& scope) {
    using Operator = CompareExpression::Operator;
    Value left = evaluate(*node.first, scope);
    for (const auto& [operation, operand] : node.rest) {
        Value right = evaluate(*operand, scope);
        runtime_.budget().step(std::min(left.extent().weight, right.extent().weight) / 16);
        bool holds = false;
        switch (operation) {
            case Operator::Equal:
                holds = equals(left, right);
                break;
            case Operator::NotEqual:
                holds = !equals(left, right);
                break;
            case Operator::Less:
                holds = ordered(left, Order::Less, right);
                break;
            case Operator::LessOrEqual:
                holds = ordered(left, Order::LessOrEqual, right);
                break;
            case Operator::Greater:
                holds = ordered(left, Order::Greater, right);
                break;
            case Operator::GreaterOrEqual:
                holds = ordered(left, Order::GreaterOrEqual, right);
                break;
            case Operator::In:
                holds = contains(runtime_, right, left);
                break;
            case Operator::NotIn:
                holds = !contains(runtime_, right, left);
                break;
        }
        if (!holds) return Value::boolean(false);
        left = std::move(right);
    }
    return Value::boolean(true);
}

Value Evaluator::concat(const ConcatExpression& node, const Scope& scope) {
    Text out;
    for (const auto& part : node.parts) {
        const Text text = toText(evaluate(*part, scope));
        runtime_.budget().text(out.size() + text.size());
        out.append(text);
    }
    return Value::string(std::move(out));
}

Value Evaluator::conditional(const ConditionalExpression& node, const Scope& scope) {
    if (truth(evaluate(*node.condition, scope))) return evaluate(*node.ifTrue, scope);
    if (node.ifFalse != nullptr) return evaluate(*node.ifFalse, scope);
    return Value::undefined("the inline if-expression evaluated to false and no else section was defined.");
}

}  // namespace engine::jinja
