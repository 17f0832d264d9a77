#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/prompt/jinja/operators.h"
#include "engine/prompt/jinja/value.h"

/// A parsed template. Immutable; any thread may run it.
namespace engine::jinja {

/// A variable name, numbered within its template.
using NameId = uint32_t;

class NameTable {
  public:
    NameId intern(const std::string& name) {
        const auto [entry, added] = ids_.emplace(name, static_cast<NameId>(names_.size()));
        if (added) names_.push_back(name);
        return entry->second;
    }
    const std::string& operator[](NameId id) const { return names_[id]; }
    const std::vector<std::string>& all() const { return names_; }

  private:
    std::vector<std::string> names_;
    std::unordered_map<std::string, NameId> ids_;
};

struct Expression {
    enum class Kind : uint8_t {
        Constant,
        Name,
        Sequence,
        Dict,
        Attribute,
        Item,
        Slice,
        Call,
        Filter,
        Test,
        Not,
        Negate,
        Plus,
        Arithmetic,
        And,
        Or,
        Compare,
        Concat,
        Conditional,
    };
    explicit Expression(Kind k) : kind(k) {}
    virtual ~Expression() = default;
    const Kind kind;
    int depth = 1;  ///< of the tree below; bounded by the parser
};
using ExpressionPtr = std::unique_ptr<Expression>;

/// Gives a node its kind, so that `as<T>` below is checked by construction.
template <Expression::Kind K>
struct ExpressionOf : Expression {
    static constexpr Kind kKind = K;
    ExpressionOf() : Expression(K) {}
};

struct ConstantExpression : ExpressionOf<Expression::Kind::Constant> {
    Value value;
};
struct NameExpression : ExpressionOf<Expression::Kind::Name> {
    NameId name = 0;
};
struct SequenceExpression : ExpressionOf<Expression::Kind::Sequence> {
    std::vector<ExpressionPtr> items;
    bool isTuple = false;
};
struct DictExpression : ExpressionOf<Expression::Kind::Dict> {
    std::vector<std::pair<ExpressionPtr, ExpressionPtr>> entries;
};
struct AttributeExpression : ExpressionOf<Expression::Kind::Attribute> {
    ExpressionPtr object;
    Text name;
};
struct ItemExpression : ExpressionOf<Expression::Kind::Item> {
    ExpressionPtr object, key;
};
struct SliceExpression : ExpressionOf<Expression::Kind::Slice> {
    ExpressionPtr object, start, stop, step;  // the last three may be null
};
struct CallArguments {
    std::vector<ExpressionPtr> positional;
    std::vector<std::pair<std::string, ExpressionPtr>> named;
    ExpressionPtr spreadPositional, spreadNamed;  // *x and **x, or null
};
struct CallExpression : ExpressionOf<Expression::Kind::Call> {
    ExpressionPtr callee;
    CallArguments arguments;
};
struct FilterExpression : ExpressionOf<Expression::Kind::Filter> {
    ExpressionPtr subject;  ///< null: the text of a block
    std::string name;
    CallArguments arguments;
};
struct TestExpression : ExpressionOf<Expression::Kind::Test> {
    ExpressionPtr subject;
    std::string name;
    CallArguments arguments;
};
template <Expression::Kind K>
struct UnaryExpression : ExpressionOf<K> {
    ExpressionPtr operand;
};
using NotExpression = UnaryExpression<Expression::Kind::Not>;
using NegateExpression = UnaryExpression<Expression::Kind::Negate>;
using PlusExpression = UnaryExpression<Expression::Kind::Plus>;
template <Expression::Kind K>
struct BinaryExpression : ExpressionOf<K> {
    ExpressionPtr left, right;
};
using AndExpression = BinaryExpression<Expression::Kind::And>;
using OrExpression = BinaryExpression<Expression::Kind::Or>;
struct ArithmeticExpression : BinaryExpression<Expression::Kind::Arithmetic> {
    Arithmetic operation = Arithmetic::Add;
};
struct CompareExpression : ExpressionOf<Expression::Kind::Compare> {
    enum class Operator : uint8_t { Equal, NotEqual, Less, LessOrEqual, Greater, GreaterOrEqual, In, NotIn };
    ExpressionPtr first;
    std::vector<std::pair<Operator, ExpressionPtr>> rest;
};
struct ConcatExpression : ExpressionOf<Expression::Kind::Concat> {
    std::vector<ExpressionPtr> parts;
};
struct ConditionalExpression : ExpressionOf<Expression::Kind::Conditional> {
    ExpressionPtr condition, ifTrue, ifFalse;  // ifFalse may be null: undefined then
};

struct Statement {
    enum class Kind : uint8_t {
        Text,
        Print,
        If,
        For,
        Set,
        SetBlock,
        With,
        Macro,
        CallBlock,
        FilterBlock,
        Scope,
        Break,
        Continue,
    };
    explicit Statement(Kind k) : kind(k) {}
    virtual ~Statement() = default;
    const Kind kind;
};
using Body = std::vector<std::unique_ptr<Statement>>;

template <Statement::Kind K>
struct StatementOf : Statement {
    static constexpr Kind kKind = K;
    StatementOf() : Statement(K) {}
};

/// What an assignment writes to: a name, an attribute of a namespace, or several of them.
struct Target {
    enum class Kind : uint8_t { Name, NamespaceAttribute, Tuple };
    Kind kind = Kind::Name;
    NameId name = 0;
    std::string attribute;
    std::vector<Target> parts;
};
struct Parameter {
    NameId name;
    ExpressionPtr fallback;  ///< null: none
};
struct Signature {
    std::string name;  ///< for messages
    std::vector<Parameter> parameters;
    bool usesCaller = false, usesKwargs = false, usesVarargs = false;
};

struct TextStatement : StatementOf<Statement::Kind::Text> {
    std::string text;
};
struct PrintStatement : StatementOf<Statement::Kind::Print> {
    ExpressionPtr value;
};
struct IfStatement : StatementOf<Statement::Kind::If> {
    std::vector<std::pair<ExpressionPtr, Body>> branches;
    Body otherwise;
};
struct ForStatement : StatementOf<Statement::Kind::For> {
    Target target;
    ExpressionPtr iterable, condition;  // condition may be null
    bool recursive = false;
    Body body, otherwise;
};
struct SetStatement : StatementOf<Statement::Kind::Set> {
    Target target;
    ExpressionPtr value;
};
struct SetBlockStatement : StatementOf<Statement::Kind::SetBlock> {
    Target target;
    ExpressionPtr filter;  ///< a chain of filters of the block's text, or null
    Body body;
};
struct WithStatement : StatementOf<Statement::Kind::With> {
    std::vector<std::pair<Target, ExpressionPtr>> variables;
    Body body;
};
struct MacroStatement : StatementOf<Statement::Kind::Macro> {
    NameId name = 0;
    Signature signature;
    Body body;
};
struct CallBlockStatement : StatementOf<Statement::Kind::CallBlock> {
    Signature signature;
    ExpressionPtr call;  ///< a CallExpression
    Body body;
};
struct FilterBlockStatement : StatementOf<Statement::Kind::FilterBlock> {
    ExpressionPtr filter;
    Body body;
};
/// A body whose assignments stay inside: `generation`, `block`, `autoescape false`.
struct ScopeStatement : StatementOf<Statement::Kind::Scope> {
    Body body;
};
struct BreakStatement : StatementOf<Statement::Kind::Break> {};
struct ContinueStatement : StatementOf<Statement::Kind::Continue> {};

template <class T, class Node>
const T& as(const Node& node) {
    return static_cast<const T&>(node);
}

struct Program {
    NameTable names;
    Body body;
};

}  // namespace engine::jinja
