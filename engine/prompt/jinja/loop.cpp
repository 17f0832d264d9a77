#include "engine/prompt/jinja/loop.h"

#include "engine/prompt/jinja/access.h"
#include "engine/prompt/jinja/arguments.h"
#include "engine/prompt/jinja/operators.h"
#include "engine/prompt/jinja/printing.h"

namespace engine::jinja {

LoopObject::LoopObject(Interpreter& interpreter, Value iterable, std::unique_ptr<Iterator> iterator,
                       const ForStatement* recursive, ScopeRef scope, int depth0)
    : interpreter_(interpreter),
      iterable_(std::move(iterable)),
      iterator_(std::move(iterator)),
      recursive_(recursive),
      scope_(std::move(scope)),
      depth0_(depth0) {}

bool LoopObject::advance(Value& item) {
    if (after_) {
        item = *std::exchange(after_, std::nullopt);
    } else if (!iterator_->next(item)) {
        return false;
    }
    ++index0_;
    before_ = std::exchange(current_, item);
    return true;
}

const std::optional<Value>& LoopObject::peek() {
    Value next;
    if (!after_ && iterator_->next(next)) after_ = std::move(next);
    return after_;
}

Integer LoopObject::totalLength() {
    if (length_) return *length_;
    // A loop with a condition does not know: it has to look at the rest.
    const auto known = lengthOf(iterable_);
    if (known && !iterable_.isUndefined()) return *(length_ = static_cast<Integer>(*known));
    std::vector<Value> rest;
    for (Value item; iterator_->next(item);) {
        interpreter_.runtime().budget().items(1);
        rest.push_back(item);
    }
    length_ = static_cast<Integer>(rest.size()) + index0_ + 1 + (after_ ? 1 : 0);
    iterator_ = iterateVector(std::move(rest));
    return *length_;
}

std::optional<size_t> LoopObject::length() {
    return static_cast<size_t>(totalLength());
}

std::optional<Value> LoopObject::attribute(const Text& name) {
    const std::string& what = name.bytes();
    if (what == "index") return Value::integer(index0_ + 1);
    if (what == "index0") return Value::integer(index0_);
    if (what == "first") return Value::boolean(index0_ == 0);
    if (what == "last") return Value::boolean(!peek());
    if (what == "length") return Value::integer(totalLength());
    if (what == "revindex") return Value::integer(totalLength() - index0_);
    if (what == "revindex0") return Value::integer(totalLength() - index0_ - 1);
    if (what == "depth") return Value::integer(depth0_ + 1);
    if (what == "depth0") return Value::integer(depth0_);
    if (what == "previtem")
        return index0_ > 0 && before_ ? *before_ : Value::undefined("there is no previous item");
    if (what == "nextitem") return peek() ? *after_ : Value::undefined("there is no next item");
    // The method keeps the loop it belongs to.
    const auto self = shared_from_this();
    if (what == "cycle")
        return Value::object(std::make_shared<FunctionObject>("cycle", [self](Runtime&, Arguments given) {
            if (!given.named.empty()) raise("cycle() takes no keyword arguments");
            if (given.positional.empty()) raise("no items for cycling given");
            const Integer count = static_cast<Integer>(given.positional.size());
            return given.positional[static_cast<size_t>(((self->index0_ % count) + count) % count)];
        }));
    if (what == "changed")
        return Value::object(std::make_shared<FunctionObject>(
            "changed", [self](Runtime&, Arguments given) { return self->changed(std::move(given)); }));
    return std::nullopt;
}

Value LoopObject::changed(Arguments arguments) {
    if (!arguments.named.empty()) raise("changed() takes no keyword arguments");
    Value now = Value::tuple(std::move(arguments.positional));
    if (lastChanged_ && engine::jinja::equals(*lastChanged_, now)) return Value::boolean(false);
    lastChanged_ = std::move(now);
    return Value::boolean(true);
}

std::unique_ptr<Iterator> LoopObject::iterate(Runtime&) {
    raise("a loop cannot be iterated from inside itself");
}

Value LoopObject::call(Runtime& runtime, Arguments arguments) {
    const Parameters parameters("loop", std::move(arguments), {"iterable"}, 1);
    if (recursive_ == nullptr) raise("The loop must have the 'recursive' marker to be called recursively.");
    const Budget::Depth depth(runtime.budget());
    Text out;
    interpreter_.runLoop(*recursive_, parameters[0], scope_, depth0_ + 1, out);
    return Value::string(std::move(out));
}

void LoopObject::repr(Printer& printer) {
    printer.write(fmt::format("<LoopContext {}/{}>", index0_ + 1, totalLength()));
}

}  // namespace engine::jinja
