#include "engine/prompt/jinja/object.h"

#include <algorithm>

#include "engine/prompt/jinja/access.h"
#include "engine/prompt/jinja/arguments.h"
#include "engine/prompt/jinja/dict.h"
#include "engine/prompt/jinja/operators.h"
#include "engine/prompt/jinja/printing.h"
#include "engine/prompt/jinja/runtime.h"

namespace engine::jinja {
namespace {

constexpr Integer kMaxRange = 100'000;  // jinja2's sandbox

class RangeIterator final : public Iterator {
  public:
    RangeIterator(std::shared_ptr<const RangeObject> range, size_t count)
        : range_(std::move(range)), count_(count) {}
    bool next(Value& item) override {
        if (position_ >= count_) return false;
        item = Value::integer(range_->at(position_++));
        return true;
    }

  private:
    std::shared_ptr<const RangeObject> range_;
    size_t count_, position_ = 0;
};

class DictViewIterator final : public Iterator {
  public:
    DictViewIterator(Value dict, DictView::Part part) : dict_(std::move(dict)), part_(part) {}
    bool next(Value& item) override {
        const auto& entries = dict_.asDict().entries();
        if (position_ >= entries.size()) return false;
        const auto& [key, value] = entries[position_++];
        item = part_ == DictView::Part::Keys     ? key
               : part_ == DictView::Part::Values ? value
                                                 : Value::tuple({key, value});
        return true;
    }

  private:
    Value dict_;
    DictView::Part part_;
    size_t position_ = 0;
};

class FunctionIterator final : public Iterator {
  public:
    explicit FunctionIterator(std::function<bool(Value&)> function) : function_(std::move(function)) {}
    bool next(Value& item) override { return function_ && function_(item); }

  private:
    std::function<bool(Value&)> function_;
};

/// One more reader of a source that is read once.
class SharedIterator final : public Iterator {
  public:
    SharedIterator(std::shared_ptr<Iterator> source, Runtime& runtime)
        : source_(std::move(source)), runtime_(runtime) {}
    bool next(Value& item) override {
        const Budget::Depth depth(runtime_.budget());
        runtime_.budget().step();
        return source_->next(item);
    }

  private:
    std::shared_ptr<Iterator> source_;
    Runtime& runtime_;
};

}  // namespace

std::optional<Value> Object::attribute(const Text&) {
    return std::nullopt;
}
std::optional<Value> Object::item(const Value&) {
    return std::nullopt;
}
std::unique_ptr<Iterator> Object::iterate(Runtime&) {
    return nullptr;
}
std::optional<size_t> Object::length() {
    return std::nullopt;
}
bool Object::truth() {
    const auto count = length();
    return !count || *count > 0;
}
Value Object::call(Runtime&, Arguments) {
    raise("'{}' object is not callable", typeName());
}
bool Object::equals(const Object& other) {
    return this == &other;
}
void Object::repr(Printer& printer) {
    printer.write(fmt::format("<{} object>", typeName()));
}

RangeObject::RangeObject(Integer start, Integer stop, Integer step)
    : start_(start), stop_(stop), step_(step), count_(0) {
    constexpr Integer kBound = Integer(1) << 100;
    if (step == 0) raise("range() arg 3 must not be zero");
    for (const Integer value : {start, stop, step})
        if (value > kBound || value < -kBound) raise("range(): a number is too large");
    const Integer distance = step > 0 ? stop - start : start - stop;
    const Integer count = distance <= 0 ? 0 : (distance - 1) / (step > 0 ? step : -step) + 1;
    if (count > kMaxRange)
        raise("Range too big. The sandbox blocks ranges larger than MAX_RANGE ({}).", int{kMaxRange});
    count_ = static_cast<size_t>(count);
}

std::optional<Value> RangeObject::attribute(const Text& name) {
    if (name.bytes() == "start") return Value::integer(start_);
    if (name.bytes() == "stop") return Value::integer(stop_);
    if (name.bytes() == "step") return Value::integer(step_);
    if (name.bytes() != "index" && name.bytes() != "count") return std::nullopt;
    const bool counts = name.bytes() == "count";
    const RangeObject self = *this;
    return Value::object(
        std::make_shared<FunctionObject>(name.bytes(), [self, counts](Runtime&, Arguments given) {
            const Parameters parameters("range.index", std::move(given), {""}, 1);
            const bool found = parameters[0].isIntegral() && self.contains(parameters[0].asInt());
            if (counts) return Value::integer(found ? 1 : 0);
            if (!found) raise("{} is not in range", reprBytes(parameters[0]));
            return Value::integer((parameters[0].asInt() - self.start_) / self.step_);
        }));
}

std::optional<Value> RangeObject::item(const Value& key) {
    if (!key.isIntegral()) return std::nullopt;
    Integer index = key.asInt();
    if (index < 0) index += static_cast<Integer>(count_);
    if (index < 0 || index >= static_cast<Integer>(count_)) return std::nullopt;
    return Value::integer(at(static_cast<size_t>(index)));
}

std::unique_ptr<Iterator> RangeObject::iterate(Runtime&) {
    return std::make_unique<RangeIterator>(std::make_shared<const RangeObject>(*this), count_);
}

bool RangeObject::equals(const Object& other) {
    const auto* range = dynamic_cast<const RangeObject*>(&other);
    if (range == nullptr || range->count_ != count_) return false;
    if (count_ == 0) return true;
    return range->start_ == start_ && (count_ == 1 || range->step_ == step_);
}

bool RangeObject::contains(Integer value) const {
    if (count_ == 0) return false;
    const Integer first = at(0), last = at(count_ - 1);
    if (value < std::min(first, last) || value > std::max(first, last)) return false;
    return (value - start_) % step_ == 0;
}

Value RangeObject::slice(const SlicePlan& plan) const {
    const Integer start = start_ + plan.start * step_, step = plan.step * step_;
    return Value::object(
        std::make_shared<RangeObject>(start, start + static_cast<Integer>(plan.count) * step, step));
}

void RangeObject::repr(Printer& printer) {
    printer.write(step_ == 1 ? fmt::format("range({}, {})", start_, stop_)
                             : fmt::format("range({}, {}, {})", start_, stop_, step_));
}

DictView::DictView(Value dict, Part part) : dict_(std::move(dict)), part_(part) {
    extent_.hold(dict_.extent());
}
std::string_view DictView::typeName() const {
    return part_ == Part::Keys ? "dict_keys" : part_ == Part::Values ? "dict_values" : "dict_items";
}
std::unique_ptr<Iterator> DictView::iterate(Runtime&) {
    return std::make_unique<DictViewIterator>(dict_, part_);
}
std::optional<size_t> DictView::length() {
    return dict_.asDict().size();
}
bool DictView::equals(const Object& other) {
    const auto* view = dynamic_cast<const DictView*>(&other);
    if (view == nullptr || view->part_ != part_ || part_ == Part::Values) return this == &other;
    if (part_ == Part::Items) return engine::jinja::equals(dict_, view->dict_);
    const auto &mine = dict_.asDict(), &theirs = view->dict_.asDict();
    return mine.size() == theirs.size() &&
           std::all_of(mine.entries().begin(), mine.entries().end(),
                       [&](const Dict::Entry& entry) { return theirs.find(entry.first) != nullptr; });
}
void DictView::repr(Printer& printer) {
    printer.write(fmt::format("{}([", typeName()));
    bool first = true;
    for (const auto& [key, value] : dict_.asDict().entries()) {
        if (!first) printer.write(", ");
        first = false;
        if (part_ == Part::Items) printer.write("(");
        if (part_ != Part::Values) printer.repr(key);
        if (part_ == Part::Items) printer.write(", ");
        if (part_ != Part::Keys) printer.repr(value);
        if (part_ == Part::Items) printer.write(")");
    }
    printer.write("])");
}

GeneratorObject::GeneratorObject(std::unique_ptr<Iterator> source, const Extent& held, std::string_view name)
    : source_(std::move(source)), name_(name) {
    extent_.hold(held);
}
std::unique_ptr<Iterator> GeneratorObject::iterate(Runtime& runtime) {
    return std::make_unique<SharedIterator>(source_, runtime);
}

std::optional<Value> NamespaceObject::attribute(const Text& name) {
    for (const auto& [known, value] : attributes_)
        if (known == name.bytes()) return value;
    return std::nullopt;
}
void NamespaceObject::set(const std::string& name, Value value) {
    for (auto& [known, present] : attributes_)
        if (known == name) {
            present = std::move(value);
            return;
        }
    attributes_.emplace_back(name, std::move(value));
}
void NamespaceObject::repr(Printer& printer) {
    if (!printer.enterNamespace()) raise("a namespace inside a namespace cannot be printed");
    printer.write("<Namespace {");
    bool first = true;
    for (const auto& [name, value] : attributes_) {
        if (!first) printer.write(", ");
        first = false;
        printer.repr(Value::string(name, Origin::Template));
        printer.write(": ");
        printer.repr(value);
    }
    printer.write("}>");
    printer.leaveNamespace();
}

Value FunctionObject::call(Runtime& runtime, Arguments arguments) {
    return body_(runtime, std::move(arguments));
}

Value generator(std::function<bool(Value&)> next, const Extent& held, std::string_view name) {
    return Value::object(
        std::make_shared<GeneratorObject>(std::make_unique<FunctionIterator>(std::move(next)), held, name));
}

}  // namespace engine::jinja
