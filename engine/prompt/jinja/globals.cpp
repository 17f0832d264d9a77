#include "engine/prompt/jinja/globals.h"

#include <ctime>

#include "engine/prompt/jinja/access.h"
#include "engine/prompt/jinja/arguments.h"
#include "engine/prompt/jinja/dict.h"
#include "engine/prompt/jinja/operators.h"
#include "engine/prompt/jinja/printing.h"
#include "engine/prompt/jinja/runtime.h"

namespace engine::jinja {
namespace {

Value range(Runtime&, Arguments given) {
    const Parameters parameters("range", std::move(given), {"", "", ""}, 1);
    const Integer first = parameters.integer(0, 0);
    const bool single = !parameters.has(1);
    const Integer start = single ? 0 : first, stop = single ? first : parameters.integer(1, 0);
    return Value::object(std::make_shared<RangeObject>(start, stop, parameters.integer(2, 1)));
}

Dict dictOf(Runtime& runtime, std::string_view function, Arguments given) {
    if (given.positional.size() > 1)
        raise("{} expected at most 1 argument, got {}", function, given.positional.size());
    Dict out;
    if (!given.positional.empty()) {
        const Value& source = given.positional[0];
        requireDefined(source);
        if (source.isDict()) {
            out = source.asDict();
        } else {
            for (const Value& entry : toVector(runtime, source)) {
                auto pair = toVector(runtime, entry);
                if (pair.size() != 2) raise("{}(): an element is not a pair", function);
                if (!pair[0].isString()) runtime.budget().step(out.size());
                out.set(std::move(pair[0]), std::move(pair[1]));
            }
        }
    }
    for (auto& [name, value] : given.named) out.set(Value::string(name, Origin::Template), std::move(value));
    runtime.budget().items(out.size());
    return out;
}

Value makeDict(Runtime& runtime, Arguments given) {
    return Value::dict(dictOf(runtime, "dict", std::move(given)));
}

Value makeNamespace(Runtime& runtime, Arguments given) {
    const Dict attributes = dictOf(runtime, "namespace", std::move(given));
    runtime.budget().step(attributes.size() * attributes.size() / 16);
    auto space = runtime.makeNamespace();
    for (const auto& [name, value] : attributes.entries())
        if (name.isString()) space->set(name.bytes(), value);
    return Value::object(std::move(space));
}

/// Gives its items in turn.
class CyclerObject final : public Object, public std::enable_shared_from_this<CyclerObject> {
  public:
    explicit CyclerObject(std::vector<Value> items) : items_(std::move(items)) {
        for (const Value& item : items_) extent_.hold(item.extent());
    }
    std::string_view typeName() const override { return "Cycler"; }
    Extent extent() const override { return extent_; }
    std::optional<Value> attribute(const Text& name) override {
        if (name.bytes() == "current") return items_[position_];
        if (name.bytes() == "pos") return Value::integer(static_cast<Integer>(position_));
        if (name.bytes() == "items") return Value::tuple(items_);
        const auto self = shared_from_this();
        if (name.bytes() == "next")
            return function("next", [self](Runtime&, Arguments given) {
                const Parameters none("next", std::move(given), {});
                const Value value = self->items_[self->position_];
                self->position_ = (self->position_ + 1) % self->items_.size();
                return value;
            });
        if (name.bytes() == "reset")
            return function("reset", [self](Runtime&, Arguments given) {
                const Parameters none("reset", std::move(given), {});
                self->position_ = 0;
                return Value();
            });
        return std::nullopt;
    }

  private:
    Value function(std::string name, FunctionObject::Body body) const {
        return Value::object(std::make_shared<FunctionObject>(std::move(name), std::move(body), extent_));
    }

    std::vector<Value> items_;
    size_t position_ = 0;
    Extent extent_{1, 1};
};

/// Nothing the first time, its separator from then on.
class JoinerObject final : public Object {
  public:
    explicit JoinerObject(Value separator) : separator_(std::move(separator)) {
        extent_.hold(separator_.extent());
    }
    std::string_view typeName() const override { return "Joiner"; }
    Extent extent() const override { return extent_; }
    bool isCallable() const override { return true; }
    std::optional<Value> attribute(const Text& name) override {
        if (name.bytes() == "sep") return separator_;
        if (name.bytes() == "used") return Value::boolean(used_);
        return std::nullopt;
    }
    Value call(Runtime&, Arguments given) override {
        const Parameters none("joiner", std::move(given), {});
        return std::exchange(used_, true) ? separator_ : Value::string(Text());
    }

  private:
    Value separator_;
    bool used_ = false;
    Extent extent_{1, 1};
};

Value makeCycler(Runtime&, Arguments given) {
    if (!given.named.empty()) raise("cycler() takes no keyword arguments");
    if (given.positional.empty()) raise("at least one item has to be provided");
    return Value::object(std::make_shared<CyclerObject>(std::move(given.positional)));
}

Value makeJoiner(Runtime&, Arguments given) {
    const Parameters parameters("joiner", std::move(given), {"sep"});
    return Value::object(
        std::make_shared<JoinerObject>(parameters.valueOr(0, Value::string(", ", Origin::Template))));
}

Value raiseException(Runtime&, Arguments given) {
    const Parameters parameters("raise_exception", std::move(given), {"message"}, 1);
    throw TemplateError{toText(parameters[0]).bytes()};
}

Value strftimeNow(Runtime& runtime, Arguments given) {
    const Parameters parameters("strftime_now", std::move(given), {"format"}, 1);
    std::string format;
    const std::string wanted = parameters.text(0, "").bytes();
    // Python's clock here knows no time zone, and microseconds are zero.
    for (size_t i = 0; i < wanted.size(); ++i) {
        const char next = wanted[i] == '%' && i + 1 < wanted.size() ? wanted[i + 1] : '\0';
        if (next == 'f') format += "000000";
        if (next == 'f' || next == 'z' || next == 'Z') {
            ++i;
            continue;
        }
        format += wanted[i];
        if (next != '\0') format += wanted[++i];
    }
    if (format.empty()) return Value::string(Text());
    std::tm time{};
    const std::time_t now =
        runtime.nowUnix() ? static_cast<std::time_t>(*runtime.nowUnix()) : std::time(nullptr);
    if ((runtime.nowUnix() ? gmtime_r(&now, &time) : localtime_r(&now, &time)) == nullptr)
        raise("strftime_now: the time {} is out of range", now);
    // strftime tells "nothing to write" from "no room" only by what follows.
    format += '.';
    for (size_t room = 256; room <= (1 << 20); room *= 16) {
        std::string out(room, '\0');
        const size_t written = std::strftime(out.data(), out.size(), format.c_str(), &time);
        if (written == 0) continue;
        out.resize(written - 1);
        return Value::string(std::move(out), Origin::Template);
    }
    raise("strftime_now: the format is too long");
}

struct Global {
    std::string_view name;
    Value (*function)(Runtime&, Arguments);
};

constexpr Global kGlobals[] = {
    {"cycler", makeCycler},        {"dict", makeDict}, {"joiner", makeJoiner},
    {"namespace", makeNamespace},  {"range", range},   {"raise_exception", raiseException},
    {"strftime_now", strftimeNow},
};

}  // namespace

std::optional<Value> findGlobal(std::string_view name) {
    for (const Global& global : kGlobals)
        if (global.name == name)
            return Value::object(std::make_shared<FunctionObject>(std::string(name), global.function));
    return std::nullopt;
}

}  // namespace engine::jinja
