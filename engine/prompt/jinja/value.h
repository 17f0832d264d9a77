#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "engine/prompt/jinja/budget.h"
#include "engine/prompt/jinja/text.h"

namespace engine::jinja {

class Dict;
class Object;

/// Wide enough for every number of a JSON file; what overflows it is an error.
__extension__ using Integer = __int128;

/// How much of a value there is to walk through: what bounds printing, comparing and destroying it, although
/// its parts may be shared (`[x, x]` over and over is small in memory and endless on paper).
struct Extent {
    int depth = 0;        ///< of lists in lists; 0 for scalars
    uint64_t weight = 1;  ///< values in it, and one more for each 16 bytes of text
    /// Makes this one that holds `part` too. Fails beyond kMaxValueDepth and kMaxValueWeight.
    void hold(const Extent& part);
};

/// A value of the template language: Python's, as far as templates see it. Cheap to copy, immutable but for
/// what an Object holds.
class Value {
  public:
    enum class Kind : uint8_t { Undefined, None, Bool, Int, Float, String, List, Tuple, Dict, Object };

    struct String {
        Text text;
        bool markup = false;  ///< already escaped for HTML: joining plain text to it escapes that
    };
    struct Sequence {
        std::vector<Value> items;
        Extent extent;
    };

    Value() = default;  ///< None
    /// `message` is what an attempt to use it says.
    static Value undefined(std::string message);
    static Value boolean(bool value) { return Value(Kind::Bool, value); }
    static Value integer(Integer value) { return Value(Kind::Int, value); }
    static Value number(double value) { return Value(Kind::Float, value); }
    static Value string(Text text, bool markup = false);
    static Value string(std::string bytes, Origin origin) { return string(Text(std::move(bytes), origin)); }
    /// These fail for what Extent::hold refuses.
    static Value list(std::vector<Value> items) { return sequence(Kind::List, std::move(items)); }
    static Value tuple(std::vector<Value> items) { return sequence(Kind::Tuple, std::move(items)); }
    static Value dict(Dict dict);
    static Value object(std::shared_ptr<Object> object);

    Kind kind() const { return kind_; }
    bool isUndefined() const { return kind_ == Kind::Undefined; }
    bool isNone() const { return kind_ == Kind::None; }
    bool isBool() const { return kind_ == Kind::Bool; }
    bool isInt() const { return kind_ == Kind::Int; }
    bool isFloat() const { return kind_ == Kind::Float; }
    bool isString() const { return kind_ == Kind::String; }
    bool isList() const { return kind_ == Kind::List; }
    bool isTuple() const { return kind_ == Kind::Tuple; }
    bool isDict() const { return kind_ == Kind::Dict; }
    bool isObject() const { return kind_ == Kind::Object; }
    bool isSequence() const { return isList() || isTuple(); }
    /// Bool counts: Python's True is the integer 1.
    bool isIntegral() const { return isInt() || isBool(); }
    bool isNumber() const { return isIntegral() || isFloat(); }

    const std::string& undefinedMessage() const;
    bool asBool() const { return std::get<bool>(data_); }
    Integer asInt() const { return isBool() ? Integer(asBool()) : std::get<Integer>(data_); }
    double asDouble() const { return isFloat() ? std::get<double>(data_) : static_cast<double>(asInt()); }
    const Text& text() const { return std::get<std::shared_ptr<const String>>(data_)->text; }
    const std::string& bytes() const { return text().bytes(); }
    bool isMarkup() const { return isString() && std::get<std::shared_ptr<const String>>(data_)->markup; }
    const std::vector<Value>& items() const;
    const Dict& asDict() const { return *std::get<std::shared_ptr<const Dict>>(data_); }
    Object& asObject() const { return *std::get<std::shared_ptr<Object>>(data_); }
    const std::shared_ptr<Object>& objectRef() const { return std::get<std::shared_ptr<Object>>(data_); }
    template <class T>
    T* objectAs() const {
        return isObject() ? dynamic_cast<T*>(&asObject()) : nullptr;
    }

    Extent extent() const;
    /// Python's `is`, which for small values is being equal and of one type.
    bool isSame(const Value& other) const;

  private:
    template <class T>
    Value(Kind kind, T data) : kind_(kind), data_(std::move(data)) {}
    static Value sequence(Kind kind, std::vector<Value> items);

    Kind kind_ = Kind::None;
    std::variant<std::monostate, bool, Integer, double, std::shared_ptr<const std::string>,
                 std::shared_ptr<const String>, std::shared_ptr<const Sequence>, std::shared_ptr<const Dict>,
                 std::shared_ptr<Object>>
        data_;
};

/// What a call was given.
struct Arguments {
    std::vector<Value> positional;
    std::vector<std::pair<std::string, Value>> named;
};

}  // namespace engine::jinja
