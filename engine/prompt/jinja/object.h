#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "engine/prompt/jinja/value.h"

namespace engine::jinja {

class Printer;
class Runtime;

/// One pass over something's items.
class Iterator {
  public:
    virtual ~Iterator() = default;
    /// False at the end, and `item` is untouched.
    virtual bool next(Value& item) = 0;
};

/// A value with behaviour. The defaults are those of an opaque Python object.
class Object {
  public:
    virtual ~Object() = default;
    virtual std::string_view typeName() const = 0;  ///< as Python names it in errors
    virtual std::optional<Value> attribute(const Text& name);
    /// object[key]; nothing where Python raises TypeError or LookupError.
    virtual std::optional<Value> item(const Value& key);
    /// Null when it cannot be iterated.
    virtual std::unique_ptr<Iterator> iterate(Runtime& runtime);
    virtual std::optional<size_t> length();
    virtual bool truth();
    virtual bool isSequence() const { return false; }  ///< has a length and takes [index]
    virtual bool isCallable() const { return false; }
    virtual Value call(Runtime& runtime, Arguments arguments);
    virtual bool equals(const Object& other);
    virtual void repr(Printer& printer);
    virtual Extent extent() const { return {1, 1}; }
};

/// range(): its items are computed.
class RangeObject final : public Object {
  public:
    RangeObject(Integer start, Integer stop, Integer step);
    std::string_view typeName() const override { return "range"; }
    std::optional<Value> attribute(const Text& name) override;
    std::optional<Value> item(const Value& key) override;
    std::unique_ptr<Iterator> iterate(Runtime& runtime) override;
    std::optional<size_t> length() override { return count_; }
    bool isSequence() const override { return true; }
    bool equals(const Object& other) override;
    void repr(Printer& printer) override;
    Integer at(size_t index) const { return start_ + static_cast<Integer>(index) * step_; }
    bool contains(Integer value) const;
    Value slice(const struct SlicePlan& plan) const;

  private:
    Integer start_, stop_, step_;
    size_t count_;
};

/// dict.keys(), .values(), .items().
class DictView final : public Object {
  public:
    enum class Part : uint8_t { Keys, Values, Items };
    DictView(Value dict, Part part);
    std::string_view typeName() const override;
    std::unique_ptr<Iterator> iterate(Runtime& runtime) override;
    std::optional<size_t> length() override;
    bool equals(const Object& other) override;
    void repr(Printer& printer) override;
    Extent extent() const override { return extent_; }

  private:
    Value dict_;
    Part part_;
    Extent extent_;
};

/// What Python's lazy functions give: items computed as they are asked for, once.
class GeneratorObject final : public Object {
  public:
    /// `held`: of what the generator holds on to. `name`: Python's type name.
    GeneratorObject(std::unique_ptr<Iterator> source, const Extent& held, std::string_view name);
    std::string_view typeName() const override { return name_; }
    std::unique_ptr<Iterator> iterate(Runtime& runtime) override;
    bool truth() override { return true; }
    Extent extent() const override { return extent_; }

  private:
    std::shared_ptr<Iterator> source_;
    Extent extent_;
    std::string_view name_;
};

/// namespace(): the one thing that a template may change.
class NamespaceObject final : public Object {
  public:
    std::string_view typeName() const override { return "Namespace"; }
    std::optional<Value> attribute(const Text& name) override;
    bool truth() override { return true; }
    void repr(Printer& printer) override;
    void set(const std::string& name, Value value);
    void clear() { attributes_.clear(); }

  private:
    std::vector<std::pair<std::string, Value>> attributes_;
};

/// A built-in function or a method bound to its object.
class FunctionObject final : public Object {
  public:
    using Body = std::function<Value(Runtime&, Arguments)>;
    /// `held`: of the object that a method is bound to.
    FunctionObject(std::string name, Body body, const Extent& held = {})
        : name_(std::move(name)), body_(std::move(body)) {
        extent_.hold(held);
    }
    std::string_view typeName() const override { return "builtin_function_or_method"; }
    bool isCallable() const override { return true; }
    Value call(Runtime& runtime, Arguments arguments) override;
    Extent extent() const override { return extent_; }

  private:
    std::string name_;
    Body body_;
    Extent extent_{1, 1};
};

/// Makes a generator from a function that gives the next item or false.
Value generator(std::function<bool(Value&)> next, const Extent& held, std::string_view name = "generator");

}  // namespace engine::jinja
