#include <algorithm>

#include "engine/prompt/jinja/access.h"
#include "engine/prompt/jinja/arguments.h"
#include "engine/prompt/jinja/attribute_path.h"
#include "engine/prompt/jinja/dict.h"
#include "engine/prompt/jinja/filter_tables.h"
#include "engine/prompt/jinja/object.h"
#include "engine/prompt/jinja/operators.h"
#include "engine/prompt/jinja/printing.h"
#include "engine/prompt/jinja/runtime.h"
#include "engine/prompt/jinja/text_operations.h"

namespace engine::jinja {
namespace {

/// Items with the keys they are sorted by.
struct Keyed {
    std::vector<Value> keys;
    Value item;
};

bool keysLess(const std::vector<Value>& a, const std::vector<Value>& b) {
    for (size_t i = 0; i < a.size(); ++i)
        if (!equals(a[i], b[i])) return less(a[i], b[i]);
    return false;
}

/// `single`: the one key is compared as it is; several are compared as Python compares lists, where equal
/// ones need no order.
void sortKeyed(Runtime& runtime, std::vector<Keyed>& items, bool reverse, bool single) {
    // Python keeps equal items in order when it reverses, too.
    const auto before = [&](const Keyed& a, const Keyed& b) {
        runtime.budget().step();
        const auto &first = reverse ? b.keys : a.keys, &second = reverse ? a.keys : b.keys;
        return single ? less(first[0], second[0]) : keysLess(first, second);
    };
    // A comparison may throw, which a merge sort survives.
    std::stable_sort(items.begin(), items.end(), before);
}

std::vector<Value> itemsOf(std::vector<Keyed> keyed) {
    std::vector<Value> out;
    out.reserve(keyed.size());
    for (Keyed& entry : keyed) out.push_back(std::move(entry.item));
    return out;
}

Value sort(Runtime& runtime, const Value& subject, Arguments given) {
    const Parameters parameters("sort", std::move(given), {"reverse", "case_sensitive", "attribute"});
    const bool foldsCase = !parameters.flag(1);
    std::vector<AttributePath> paths;
    const Value attribute = parameters.valueOr(2, Value());
    if (attribute.isString()) {
        const Text comma(",", Origin::Template);
        for (Text& part : split(attribute.text(), &comma, -1))
            paths.emplace_back(Value::string(std::move(part)), std::nullopt, foldsCase);
    } else {
        paths.emplace_back(attribute, std::nullopt, foldsCase);
    }
    std::vector<Keyed> keyed;
    for (Value& item : toVector(runtime, subject)) {
        Keyed entry;
        for (const AttributePath& path : paths) entry.keys.push_back(path.of(runtime, item));
        entry.item = std::move(item);
        keyed.push_back(std::move(entry));
    }
    sortKeyed(runtime, keyed, parameters.flag(0), false);
    return Value::list(itemsOf(std::move(keyed)));
}

Value dictSort(Runtime& runtime, const Value& subject, Arguments given) {
    const Parameters parameters("dictsort", std::move(given), {"case_sensitive", "by", "reverse"});
    const std::string by = parameters.text(1, "key").bytes();
    if (by != "key" && by != "value") raise("You can only sort by either \"key\" or \"value\"");
    requireDefined(subject);
    if (!subject.isDict()) raise("dictsort: '{}' object has no items", typeName(subject));
    const AttributePath path(Value::integer(by == "key" ? 0 : 1), std::nullopt, !parameters.flag(0));
    std::vector<Keyed> keyed;
    for (const auto& [key, value] : subject.asDict().entries()) {
        Value pair = Value::tuple({key, value});
        keyed.push_back({{path.of(runtime, pair)}, std::move(pair)});
    }
    runtime.budget().items(keyed.size());
    sortKeyed(runtime, keyed, parameters.flag(2), true);
    return Value::list(itemsOf(std::move(keyed)));
}

Value groupBy(Runtime& runtime, const Value& subject, Arguments given) {
    const Parameters parameters("groupby", std::move(given), {"attribute", "default", "case_sensitive"}, 1);
    const bool foldsCase = !parameters.flag(2);
    const auto fallback = parameters.given(1) ? std::optional<Value>(parameters[1]) : std::nullopt;
    const AttributePath path(parameters[0], fallback, foldsCase);
    const AttributePath shown(parameters[0], fallback, false);
    std::vector<Keyed> keyed;
    for (Value& item : toVector(runtime, subject)) keyed.push_back({{path.of(runtime, item)}, item});
    sortKeyed(runtime, keyed, false, true);
    std::vector<Value> groups;
    for (size_t begin = 0, end = 0; begin < keyed.size(); begin = end) {
        std::vector<Value> items;
        for (end = begin; end < keyed.size() && equals(keyed[end].keys[0], keyed[begin].keys[0]); ++end)
            items.push_back(keyed[end].item);
        Value key = shown.of(runtime, items.front());
        groups.push_back(makeGroup(std::move(key), Value::list(std::move(items))));
    }
    return Value::list(std::move(groups));
}

template <bool Largest>
Value extreme(Runtime& runtime, const Value& subject, Arguments given) {
    const Parameters parameters("min or max", std::move(given), {"case_sensitive", "attribute"});
    const AttributePath path(parameters.valueOr(1, Value()), std::nullopt, !parameters.flag(0));
    std::optional<Value> best, bestKey;
    const auto source = iterate(runtime, subject);
    for (Value item; source->next(item);) {
        runtime.budget().step();
        Value key = path.of(runtime, item);
        if (bestKey && !(Largest ? less(*bestKey, key) : less(key, *bestKey))) continue;
        best = item;
        bestKey = std::move(key);
    }
    return best ? *best : Value::undefined("No aggregated item, sequence was empty.");
}

Value sum(Runtime& runtime, const Value& subject, Arguments given) {
    const Parameters parameters("sum", std::move(given), {"attribute", "start"});
    Value total = parameters.valueOr(1, Value::integer(0));
    if (total.isString()) raise("sum() can't sum strings [use ''.join(seq) instead]");
    const AttributePath path(parameters.valueOr(0, Value()), std::nullopt, false);
    const auto source = iterate(runtime, subject);
    for (Value item; source->next(item);) {
        runtime.budget().step();
        total = arithmetic(runtime, total, Arithmetic::Add, path.of(runtime, item));
    }
    return total;
}

Value join(Runtime& runtime, const Value& subject, Arguments given) {
    const Parameters parameters("join", std::move(given), {"d", "attribute"});
    const AttributePath path(parameters.valueOr(1, Value()), std::nullopt, false);
    const Text separator = parameters.has(0) ? toText(parameters[0]) : Text();
    std::vector<Text> parts;
    size_t size = 0;
    const auto source = iterate(runtime, subject);
    for (Value item; source->next(item);) {
        runtime.budget().items(1);
        parts.push_back(toText(path.of(runtime, item)));
        size += parts.back().size() + separator.size();
        if (size > kMaxText) runtime.budget().text(size);
    }
    runtime.budget().text(size);
    return Value::string(joined(parts, separator));
}

Value first(Runtime& runtime, const Value& subject, Arguments given) {
    const Parameters none("first", std::move(given), {});
    Value item;
    return iterate(runtime, subject)->next(item) ? item
                                                 : Value::undefined("No first item, sequence was empty.");
}

/// Python's reversed(): nothing for what has no order from behind.
std::optional<std::vector<Value>> reversedItems(Runtime& runtime, const Value& subject) {
    const bool known = subject.isUndefined() || subject.isString() || subject.isSequence() ||
                       subject.isDict() || subject.objectAs<DictView>() != nullptr ||
                       subject.objectAs<RangeObject>() != nullptr;
    if (!known) return std::nullopt;
    auto items = toVector(runtime, subject);
    std::reverse(items.begin(), items.end());
    return items;
}

Value last(Runtime& runtime, const Value& subject, Arguments given) {
    const Parameters none("last", std::move(given), {});
    const auto items = reversedItems(runtime, subject);
    if (!items) raise("'{}' object is not reversible", typeName(subject));
    return items->empty() ? Value::undefined("No last item, sequence was empty.") : items->front();
}

Value reverse(Runtime& runtime, const Value& subject, Arguments given) {
    const Parameters none("reverse", std::move(given), {});
    if (subject.isString()) return getSlice(runtime, subject, Value(), Value(), Value::integer(-1));
    if (auto items = reversedItems(runtime, subject)) {
        const auto source = std::make_shared<std::unique_ptr<Iterator>>(iterateVector(*std::move(items)));
        return generator([source](Value& item) { return (*source)->next(item); }, subject.extent(),
                         "list_reverseiterator");
    }
    if (tryIterate(runtime, subject) == nullptr) raise("argument must be iterable");
    auto items = toVector(runtime, subject);
    std::reverse(items.begin(), items.end());
    return Value::list(std::move(items));
}

Value list(Runtime& runtime, const Value& subject, Arguments given) {
    const Parameters none("list", std::move(given), {});
    return Value::list(toVector(runtime, subject));
}

Value length(Runtime& runtime, const Value& subject, Arguments given) {
    const Parameters none("length", std::move(given), {});
    runtime.budget().step(subject.isString() ? subject.text().size() / 64 : 0);
    const auto count = lengthOf(subject);
    if (!count) raise("object of type '{}' has no len()", typeName(subject));
    return Value::integer(static_cast<Integer>(*count));
}

Value refuseRandom(Runtime&, const Value&, Arguments) {
    raise("the filter 'random' is not supported: the same conversation must give the same prompt");
}

constexpr NamedFilter kFilters[] = {
    {"count", length},        {"dictsort", dictSort},
    {"first", first},         {"groupby", groupBy},
    {"join", join},           {"last", last},
    {"length", length},       {"list", list},
    {"max", extreme<true>},   {"min", extreme<false>},
    {"random", refuseRandom}, {"reverse", reverse},
    {"sort", sort},           {"sum", sum},
};

}  // namespace

std::span<const NamedFilter> sequenceFilters() {
    return kFilters;
}

}  // namespace engine::jinja
