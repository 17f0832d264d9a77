#pragma once

#include <memory>
#include <vector>

#include "engine/prompt/jinja/ast.h"
#include "engine/prompt/jinja/evaluator.h"
#include "engine/prompt/jinja/runtime.h"
#include "engine/prompt/jinja/scope.h"

namespace engine::jinja {

class LoopObject;

/// Runs a template's statements. One rendering, one thread; throws TemplateError.
class Interpreter {
  public:
    Interpreter(const Program& program, Runtime& runtime);
    ~Interpreter();
    Interpreter(const Interpreter&) = delete;
    Interpreter& operator=(const Interpreter&) = delete;

    /// `variables`: what the template is rendered with.
    Text run(const ScopeRef& variables);

    /// Runs a macro's body (or a call block's) with these arguments, inside the frame that defined it.
    Text callMacro(const Signature& signature, const Body& body, const ScopeRef& definedIn,
                   Arguments arguments);
    /// Runs a loop, for recursive loops from within itself. `depth0`: loops of this kind around it.
    enum class Flow : uint8_t { Normal, Break, Continue };
    Flow runLoop(const ForStatement& loop, const Value& iterable, const ScopeRef& scope, int depth0,
                 Text& out);

    Runtime& runtime() { return runtime_; }
    const NameTable& names() const { return names_; }

  private:
    Flow execute(const Body& body, const ScopeRef& scope, Text& out);
    Flow execute(const Statement& statement, const ScopeRef& scope, Text& out);
    Flow executeIf(const IfStatement& node, const ScopeRef& scope, Text& out);
    Flow executeWith(const WithStatement& node, const ScopeRef& scope, Text& out);
    Flow executeSetBlock(const SetBlockStatement& node, const ScopeRef& scope);
    Flow executeFilterBlock(const FilterBlockStatement& node, const ScopeRef& scope, Text& out);
    void executeCallBlock(const CallBlockStatement& node, const ScopeRef& scope, Text& out);
    Value makeMacro(const Signature& signature, const Body& body, const ScopeRef& scope);
    void assign(const Target& target, const Value& value, Scope& scope);
    void print(const Text& text, Text& out);
    std::unique_ptr<Iterator> filtered(const ForStatement& loop, std::unique_ptr<Iterator> source,
                                       const ScopeRef& scope);

    const Program& program_;
    Runtime& runtime_;
    NameTable names_;  // the program's, and those of special variables
    Evaluator evaluator_;
    NameId loopName_, callerName_, kwargsName_, varargsName_;
    // Macros keep the frame they were defined in, which keeps the macros.
    std::vector<std::weak_ptr<Scope>> captured_;
};

}  // namespace engine::jinja
