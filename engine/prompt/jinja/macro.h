#pragma once

#include "engine/prompt/jinja/arguments.h"
#include "engine/prompt/jinja/interpreter.h"

namespace engine::jinja {

/// A macro, or the body of a call block: statements with the frame they were written in.
class MacroObject final : public Object {
  public:
    MacroObject(Interpreter& interpreter, const Signature& signature, const Body& body, ScopeRef definedIn)
        : interpreter_(interpreter), signature_(signature), body_(body), definedIn_(std::move(definedIn)) {}

    std::string_view typeName() const override { return "Macro"; }
    bool isCallable() const override { return true; }
    std::optional<Value> attribute(const Text& name) override;
    Value call(Runtime&, Arguments arguments) override {
        return Value::string(interpreter_.callMacro(signature_, body_, definedIn_, std::move(arguments)));
    }
    void repr(Printer& printer) override;

  private:
    Interpreter& interpreter_;
    const Signature& signature_;
    const Body& body_;
    ScopeRef definedIn_;
};

}  // namespace engine::jinja
