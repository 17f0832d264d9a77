#pragma once

#include <optional>

#include "engine/prompt/jinja/interpreter.h"

namespace engine::jinja {

/// The `loop` variable: where a loop is, looking one item ahead only when it is asked to.
class LoopObject final : public Object, public std::enable_shared_from_this<LoopObject> {
  public:
    /// `recursive`: the statement to run again when `loop` is called; null if it cannot be.
    LoopObject(Interpreter& interpreter, Value iterable, std::unique_ptr<Iterator> iterator,
               const ForStatement* recursive, ScopeRef scope, int depth0);

    /// To the next item; false at the end.
    bool advance(Value& item);

    std::string_view typeName() const override { return "LoopContext"; }
    std::optional<Value> attribute(const Text& name) override;
    std::unique_ptr<Iterator> iterate(Runtime& runtime) override;
    std::optional<size_t> length() override;
    bool truth() override { return totalLength() > 0; }
    bool isCallable() const override { return true; }
    Value call(Runtime& runtime, Arguments arguments) override;
    void repr(Printer& printer) override;

  private:
    Integer totalLength();
    const std::optional<Value>& peek();
    Value changed(Arguments arguments);

    Interpreter& interpreter_;
    Value iterable_;
    std::unique_ptr<Iterator> iterator_;
    const ForStatement* recursive_;
    ScopeRef scope_;
    int depth0_;
    Integer index0_ = -1;
    std::optional<Integer> length_;
    std::optional<Value> before_, current_, after_, lastChanged_;
};

}  // namespace engine::jinja
