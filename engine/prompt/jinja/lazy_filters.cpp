#include <functional>

#include "engine/prompt/jinja/access.h"
#include "engine/prompt/jinja/arguments.h"
#include "engine/prompt/jinja/attribute_path.h"
#include "engine/prompt/jinja/dict.h"
#include "engine/prompt/jinja/filter_tables.h"
#include "engine/prompt/jinja/object.h"
#include "engine/prompt/jinja/operators.h"
#include "engine/prompt/jinja/printing.h"
#include "engine/prompt/jinja/runtime.h"
#include "engine/prompt/jinja/tests.h"

/// The filters that jinja2 writes as generators: nothing of them runs, and nothing of them can fail, before
/// their first item is asked for.
namespace engine::jinja {
namespace {

/// Gives the next item, or false behind the last.
using Step = std::function<bool(Value&)>;

/// A generator whose work `begin` starts. `held`: the extent of what it holds on to.
Value deferred(const Extent& held, std::function<Step()> begin) {
    const auto step = std::make_shared<Step>();
    return generator(
        [begin = std::move(begin), step](Value& item) {
            if (*step == nullptr) *step = begin();
            return (*step)(item);
        },
        held);
}

Step nothing() {
    return [](Value&) { return false; };
}

Step stepsOf(std::shared_ptr<Iterator> source) {
    return [source = std::move(source)](Value& item) { return source->next(item); };
}

Step stepsOf(std::vector<Value> items) {
    return stepsOf(iterateVector(std::move(items)));
}

Value unique(Runtime& runtime, const Value& subject, Arguments given) {
    const Parameters parameters("unique", std::move(given), {"case_sensitive", "attribute"});
    const AttributePath path(parameters.valueOr(1, Value()), std::nullopt, !parameters.flag(0));
    return deferred(subject.extent(), [&runtime, subject, path]() -> Step {
        const std::shared_ptr<Iterator> source = iterate(runtime, subject);
        const auto seen = std::make_shared<Dict>();
        return [&runtime, path, source, seen](Value& item) {
            while (source->next(item)) {
                Value key = path.of(runtime, item);
                requireHashable(key);
                if (!key.isString()) runtime.budget().step(seen->size() / 8);
                if (seen->find(key) != nullptr) continue;
                seen->set(std::move(key), Value());
                return true;
            }
            return false;
        };
    });
}

Value items(Runtime& runtime, const Value& subject, Arguments given) {
    const Parameters none("items", std::move(given), {});
    return deferred(subject.extent(), [&runtime, subject]() -> Step {
        if (subject.isUndefined()) return nothing();
        if (!subject.isDict()) raise("Can only get item pairs from a mapping.");
        return stepsOf(DictView(subject, DictView::Part::Items).iterate(runtime));
    });
}

/// Extent of a generator over `subject` that also keeps its arguments.
Extent heldBy(const Value& subject, const Arguments& given) {
    Extent held = subject.extent();
    for (const Value& argument : given.positional) held.depth = std::max(held.depth, argument.extent().depth);
    for (const auto& named : given.named) held.depth = std::max(held.depth, named.second.extent().depth);
    return held;
}

/// What map applies to each item.
std::function<Value(const Value&)> mapping(Runtime& runtime, const Arguments& given) {
    if (given.positional.empty() && !given.named.empty()) {
        Value attribute;
        std::optional<Value> fallback;
        bool hasAttribute = false;
        for (const auto& [name, value] : given.named) {
            if (name == "attribute") {
                attribute = value;
                hasAttribute = true;
            } else if (name == "default") {
                if (!value.isNone()) fallback = value;
            } else {
                raise("Unexpected keyword argument '{}'", name);
            }
        }
        if (!hasAttribute) raise("map requires a filter argument");
        const AttributePath path(attribute, fallback, false);
        return [&runtime, path](const Value& item) { return path.of(runtime, item); };
    }
    if (given.positional.empty()) raise("map requires a filter argument");
    const Value& name = given.positional[0];
    const FilterFunction filter = name.isString() ? findFilter(name.bytes()) : nullptr;
    if (filter == nullptr) raise("No filter named {}.", reprBytes(name));
    Arguments rest{{given.positional.begin() + 1, given.positional.end()}, given.named};
    return [&runtime, filter, rest](const Value& item) { return filter(runtime, item, rest); };
}

Value map(Runtime& runtime, const Value& subject, Arguments given) {
    const Extent held = heldBy(subject, given);
    return deferred(held, [&runtime, subject, given = std::move(given)]() -> Step {
        if (!truth(subject)) return nothing();
        const auto apply = mapping(runtime, given);
        const std::shared_ptr<Iterator> source = iterate(runtime, subject);
        return [apply, source](Value& item) {
            Value next;
            if (!source->next(next)) return false;
            item = apply(next);
            return true;
        };
    });
}

/// What select and its like ask of each item.
std::function<bool(const Value&)> selection(Runtime& runtime, const Arguments& given, bool byAttribute) {
    const size_t offset = byAttribute ? 1 : 0;
    std::optional<AttributePath> path;
    if (byAttribute) {
        if (given.positional.empty()) raise("Missing parameter for attribute name");
        path.emplace(given.positional[0], std::nullopt, false);
    }
    const auto subjectOf = [&runtime, path](const Value& item) {
        return path ? path->of(runtime, item) : item;
    };
    if (given.positional.size() <= offset)
        return [subjectOf](const Value& item) { return truth(subjectOf(item)); };
    const Value& name = given.positional[offset];
    const TestFunction test = name.isString() ? findTest(name.bytes()) : nullptr;
    if (test == nullptr) raise("No test named {}.", reprBytes(name));
    Arguments rest{{given.positional.begin() + static_cast<ptrdiff_t>(offset) + 1, given.positional.end()},
                   given.named};
    return
        [&runtime, subjectOf, test, rest](const Value& item) { return test(runtime, subjectOf(item), rest); };
}

template <bool Keeps, bool ByAttribute>
Value select(Runtime& runtime, const Value& subject, Arguments given) {
    const Extent held = heldBy(subject, given);
    return deferred(held, [&runtime, subject, given = std::move(given)]() -> Step {
        if (!truth(subject)) return nothing();
        const auto passes = selection(runtime, given, ByAttribute);
        const std::shared_ptr<Iterator> source = iterate(runtime, subject);
        return [&runtime, passes, source](Value& item) {
            while (source->next(item)) {
                runtime.budget().step();
                if (passes(item) == Keeps) return true;
            }
            return false;
        };
    });
}

Value batch(Runtime& runtime, const Value& subject, Arguments given) {
    const Parameters parameters("batch", std::move(given), {"linecount", "fill_with"}, 1);
    return deferred(subject.extent(), [&runtime, subject, parameters] {
        const Integer count = parameters.integer(0, 0);
        std::vector<Value> out, line;
        for (Value& item : toVector(runtime, subject)) {
            if (static_cast<Integer>(line.size()) == count)
                out.push_back(Value::list(std::exchange(line, {})));
            line.push_back(std::move(item));
        }
        if (line.empty()) return stepsOf(std::move(out));
        if (parameters.given(1) && static_cast<Integer>(line.size()) < count) {
            runtime.budget().items(static_cast<size_t>(std::min<Integer>(count, Integer(kMaxItems) + 1)));
            line.resize(static_cast<size_t>(count), parameters[1]);
        }
        out.push_back(Value::list(std::move(line)));
        return stepsOf(std::move(out));
    });
}

Value slice(Runtime& runtime, const Value& subject, Arguments given) {
    const Parameters parameters("slice", std::move(given), {"slices", "fill_with"}, 1);
    return deferred(subject.extent(), [&runtime, subject, parameters] {
        const auto all = toVector(runtime, subject);
        const Integer slices = parameters.integer(0, 0);
        if (slices == 0) raise("integer division or modulo by zero");
        std::vector<Value> out;
        if (slices < 0) return stepsOf(std::move(out));
        runtime.budget().items(static_cast<size_t>(std::min<Integer>(slices, Integer(kMaxItems) + 1)));
        const auto count = static_cast<size_t>(slices), each = all.size() / count,
                   longer = all.size() % count;
        for (size_t i = 0, begin = 0; i < count; ++i) {
            const size_t end = begin + each + (i < longer ? 1 : 0);
            std::vector<Value> part(all.begin() + static_cast<ptrdiff_t>(begin),
                                    all.begin() + static_cast<ptrdiff_t>(end));
            if (parameters.given(1) && i >= longer) part.push_back(parameters[1]);
            out.push_back(Value::list(std::move(part)));
            begin = end;
        }
        return stepsOf(std::move(out));
    });
}

constexpr NamedFilter kFilters[] = {
    {"batch", batch},
    {"items", items},
    {"map", map},
    {"reject", select<false, false>},
    {"rejectattr", select<false, true>},
    {"select", select<true, false>},
    {"selectattr", select<true, true>},
    {"slice", slice},
    {"unique", unique},
};

}  // namespace

std::span<const NamedFilter> lazyFilters() {
    return kFilters;
}

}  // namespace engine::jinja
