#include "engine/prompt/jinja/interpreter.h"

#include <algorithm>

#include "engine/prompt/jinja/access.h"
#include "engine/prompt/jinja/dict.h"
#include "engine/prompt/jinja/loop.h"
#include "engine/prompt/jinja/macro.h"
#include "engine/prompt/jinja/operators.h"
#include "engine/prompt/jinja/printing.h"

namespace engine::jinja {
namespace {

/// A loop's items that pass its condition, tried as the loop asks for them.
class ConditionIterator final : public Iterator {
  public:
    ConditionIterator(std::unique_ptr<Iterator> source, std::function<bool(const Value&)> condition)
        : source_(std::move(source)), condition_(std::move(condition)) {}
    bool next(Value& item) override {
        while (source_->next(item))
            if (condition_(item)) return true;
        return false;
    }

  private:
    std::unique_ptr<Iterator> source_;
    std::function<bool(const Value&)> condition_;
};

}  // namespace

Interpreter::Interpreter(const Program& program, Runtime& runtime)
    : program_(program),
      runtime_(runtime),
      names_(program.names),
      evaluator_(runtime, names_),
      loopName_(names_.intern("loop")),
      callerName_(names_.intern("caller")),
      kwargsName_(names_.intern("kwargs")),
      varargsName_(names_.intern("varargs")) {}

Interpreter::~Interpreter() {
    for (const auto& scope : captured_)
        if (const auto alive = scope.lock()) alive->clear();
}

Text Interpreter::run(const ScopeRef& variables) {
    Text out;
    execute(program_.body, std::make_shared<Scope>(variables), out);
    return out;
}

void Interpreter::print(const Text& text, Text& out) {
    runtime_.budget().text(text.size());
    if (out.size() + text.size() > kMaxText)
        raise("the template builds a text of more than {} bytes", kMaxText);
    out.append(text);
}

Interpreter::Flow Interpreter::execute(const Body& body, const ScopeRef& scope, Text& out) {
    for (const auto& statement : body) {
        const Flow flow = execute(*statement, scope, out);
        if (flow != Flow::Normal) return flow;
    }
    return Flow::Normal;
}

Interpreter::Flow Interpreter::execute(const Statement& statement, const ScopeRef& scope, Text& out) {
    const Budget::Depth depth(runtime_.budget());
    runtime_.budget().step();
    using Kind = Statement::Kind;
    switch (statement.kind) {
        case Kind::Text:
            print(Text(as<TextStatement>(statement).text, Origin::Template), out);
            break;
        case Kind::Print:
            print(toText(evaluator_.evaluate(*as<PrintStatement>(statement).value, *scope)), out);
            break;
        case Kind::If:
            return executeIf(as<IfStatement>(statement), scope, out);
        case Kind::For: {
            const auto& node = as<ForStatement>(statement);
            return runLoop(node, evaluator_.evaluate(*node.iterable, *scope), scope, 0, out);
        }
        case Kind::Set: {
            const auto& node = as<SetStatement>(statement);
            assign(node.target, evaluator_.evaluate(*node.value, *scope), *scope);
            break;
        }
        case Kind::SetBlock:
            return executeSetBlock(as<SetBlockStatement>(statement), scope);
        case Kind::With:
            return executeWith(as<WithStatement>(statement), scope, out);
        case Kind::Macro: {
            const auto& node = as<MacroStatement>(statement);
            scope->set(node.name, makeMacro(node.signature, node.body, scope));
            break;
        }
        case Kind::CallBlock:
            executeCallBlock(as<CallBlockStatement>(statement), scope, out);
            break;
        case Kind::FilterBlock:
            return executeFilterBlock(as<FilterBlockStatement>(statement), scope, out);
        case Kind::Scope:
            return execute(as<ScopeStatement>(statement).body, std::make_shared<Scope>(scope), out);
        case Kind::Break:
            return Flow::Break;
        case Kind::Continue:
            return Flow::Continue;
    }
    return Flow::Normal;
}

Interpreter::Flow Interpreter::executeIf(const IfStatement& node, const ScopeRef& scope, Text& out) {
    for (const auto& [condition, body] : node.branches)
        if (truth(evaluator_.evaluate(*condition, *scope))) return execute(body, scope, out);
    return execute(node.otherwise, scope, out);
}

Interpreter::Flow Interpreter::executeWith(const WithStatement& node, const ScopeRef& scope, Text& out) {
    const auto inner = std::make_shared<Scope>(scope);
    // Every value is computed outside: `with a = 1, b = a` does not see the new a.
    std::vector<Value> values;
    for (const auto& variable : node.variables)
        values.push_back(evaluator_.evaluate(*variable.second, *scope));
    for (size_t i = 0; i < values.size(); ++i) assign(node.variables[i].first, values[i], *inner);
    return execute(node.body, inner, out);
}

Interpreter::Flow Interpreter::executeSetBlock(const SetBlockStatement& node, const ScopeRef& scope) {
    Text text;
    const auto inner = std::make_shared<Scope>(scope);
    const Flow flow = execute(node.body, inner, text);
    if (flow != Flow::Normal) return flow;
    Value value = Value::string(std::move(text));
    if (node.filter != nullptr) value = evaluator_.applyFilters(*node.filter, value, *inner);
    assign(node.target, value, *scope);
    return Flow::Normal;
}

Interpreter::Flow Interpreter::executeFilterBlock(const FilterBlockStatement& node, const ScopeRef& scope,
                                                  Text& out) {
    Text text;
    const auto inner = std::make_shared<Scope>(scope);
    const Flow flow = execute(node.body, inner, text);
    if (flow != Flow::Normal) return flow;
    print(toText(evaluator_.applyFilters(*node.filter, Value::string(std::move(text)), *inner)), out);
    return Flow::Normal;
}

void Interpreter::executeCallBlock(const CallBlockStatement& node, const ScopeRef& scope, Text& out) {
    const auto& node_call = as<CallExpression>(*node.call);
    const Value callee = evaluator_.evaluate(*node_call.callee, *scope);
    Arguments arguments = evaluator_.arguments(node_call.arguments, *scope);
    arguments.named.emplace_back("caller", makeMacro(node.signature, node.body, scope));
    print(toText(call(runtime_, callee, std::move(arguments))), out);
}

Value Interpreter::makeMacro(const Signature& signature, const Body& body, const ScopeRef& scope) {
    runtime_.budget().items(1);
    if (captured_.empty() || captured_.back().lock() != scope) captured_.push_back(scope);
    return Value::object(std::make_shared<MacroObject>(*this, signature, body, scope));
}

void Interpreter::assign(const Target& target, const Value& value, Scope& scope) {
    switch (target.kind) {
        case Target::Kind::Name:
            scope.set(target.name, value);
            return;
        case Target::Kind::NamespaceAttribute: {
            const Value* owner = scope.find(target.name);
            if (owner == nullptr) raise("'{}' is undefined", names_[target.name]);
            auto* space = owner->objectAs<NamespaceObject>();
            if (space == nullptr) raise("cannot assign attribute on non-namespace object");
            space->set(target.attribute, value);
            return;
        }
        case Target::Kind::Tuple:
            break;
    }
    const auto items = toVector(runtime_, value);
    if (items.size() < target.parts.size())
        raise("not enough values to unpack (expected {}, got {})", target.parts.size(), items.size());
    if (items.size() > target.parts.size())
        raise("too many values to unpack (expected {})", target.parts.size());
    for (size_t i = 0; i < items.size(); ++i) assign(target.parts[i], items[i], scope);
}

std::unique_ptr<Iterator> Interpreter::filtered(const ForStatement& loop, std::unique_ptr<Iterator> source,
                                                const ScopeRef& scope) {
    return std::make_unique<ConditionIterator>(std::move(source), [this, &loop, scope](const Value& item) {
        runtime_.budget().step();
        Scope inner(scope);
        assign(loop.target, item, inner);
        return truth(evaluator_.evaluate(*loop.condition, inner));
    });
}

Interpreter::Flow Interpreter::runLoop(const ForStatement& node, const Value& iterable, const ScopeRef& scope,
                                       int depth0, Text& out) {
    auto iterator = iterate(runtime_, iterable);
    if (node.condition != nullptr) iterator = filtered(node, std::move(iterator), scope);
    const auto loop =
        std::make_shared<LoopObject>(*this, node.condition == nullptr ? iterable : Value(),
                                     std::move(iterator), node.recursive ? &node : nullptr, scope, depth0);
    bool completed = false;  // jinja2 takes `else` unless a turn came to its end, so after a break too
    for (Value item; loop->advance(item);) {
        runtime_.budget().step();
        const auto inner = std::make_shared<Scope>(scope);
        inner->set(loopName_, Value::object(loop));
        assign(node.target, item, *inner);
        const Flow flow = execute(node.body, inner, out);
        if (flow == Flow::Break) break;
        completed |= flow == Flow::Normal;
    }
    return completed ? Flow::Normal : execute(node.otherwise, std::make_shared<Scope>(scope), out);
}

Text Interpreter::callMacro(const Signature& signature, const Body& body, const ScopeRef& definedIn,
                            Arguments arguments) {
    const Budget::Depth depth(runtime_.budget());
    const auto scope = std::make_shared<Scope>(definedIn);
    auto takeNamed = [&](const std::string& name) -> std::optional<Value> {
        for (auto argument = arguments.named.begin(); argument != arguments.named.end(); ++argument) {
            if (argument->first != name) continue;
            Value value = std::move(argument->second);
            arguments.named.erase(argument);
            return value;
        }
        return std::nullopt;
    };
    const size_t given = arguments.positional.size(), expected = signature.parameters.size();
    std::vector<std::optional<Value>> bound(expected);
    for (size_t i = 0; i < expected; ++i)
        bound[i] = i < given ? std::optional<Value>(arguments.positional[i])
                             : takeNamed(names_[signature.parameters[i].name]);
    if (signature.usesCaller) {
        auto caller = takeNamed("caller");
        scope->set(callerName_, caller ? *std::move(caller) : Value::undefined("No caller defined"));
    }
    if (signature.usesKwargs) {
        Dict kwargs;
        for (auto& [name, value] : arguments.named)
            kwargs.set(Value::string(name, Origin::Template), std::move(value));
        scope->set(kwargsName_, Value::dict(std::move(kwargs)));
    } else if (!arguments.named.empty()) {
        raise("macro '{}' takes no keyword argument '{}'", signature.name, arguments.named.front().first);
    }
    if (signature.usesVarargs) {
        const auto first = arguments.positional.begin() + static_cast<ptrdiff_t>(std::min(given, expected));
        scope->set(varargsName_, Value::tuple({first, arguments.positional.end()}));
    } else if (given > expected) {
        raise("macro '{}' takes not more than {} argument(s)", signature.name, expected);
    }
    // Defaults may use the parameters before them.
    for (size_t i = 0; i < expected; ++i) {
        const Parameter& parameter = signature.parameters[i];
        scope->set(parameter.name, bound[i] ? *bound[i]
                                   : parameter.fallback != nullptr
                                       ? evaluator_.evaluate(*parameter.fallback, *scope)
                                       : Value::undefined(fmt::format("parameter '{}' was not provided",
                                                                      names_[parameter.name])));
    }
    Text out;
    execute(body, scope, out);
    return out;
}

}  // namespace engine::jinja
