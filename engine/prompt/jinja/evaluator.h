#pragma once

#include "engine/prompt/jinja/ast.h"
#include "engine/prompt/jinja/runtime.h"
#include "engine/prompt/jinja/scope.h"

namespace engine::jinja {

/// Computes expressions. One rendering, one thread.
class Evaluator {
  public:
    Evaluator(Runtime& runtime, const NameTable& names) : runtime_(runtime), names_(names) {}

    Value evaluate(const Expression& expression, const Scope& scope);
    /// Runs a chain of filters whose innermost subject is a block's text.
    Value applyFilters(const Expression& chain, const Value& subject, const Scope& scope);
    Arguments arguments(const CallArguments& given, const Scope& scope);

  private:
    Value name(const NameExpression& node, const Scope& scope) const;
    Value sequence(const SequenceExpression& node, const Scope& scope);
    Value dict(const DictExpression& node, const Scope& scope);
    Value slice(const SliceExpression& node, const Scope& scope);
    Value filter(const FilterExpression& node, const Value& subject, const Scope& scope);
    Value test(const TestExpression& node, const Scope& scope);
    Value compare(const CompareExpression& node, const Scope& scope);
    Value concat(const ConcatExpression& node, const Scope& scope);
    Value conditional(const ConditionalExpression& node, const Scope& scope);

    Runtime& runtime_;
    const NameTable& names_;
};

}  // namespace engine::jinja
