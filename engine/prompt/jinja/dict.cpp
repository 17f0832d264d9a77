#include "engine/prompt/jinja/dict.h"

#include "engine/prompt/jinja/object.h"
#include "engine/prompt/jinja/operators.h"

namespace engine::jinja {
namespace {

constexpr size_t kIndexFrom = 12;

}  // namespace

void requireHashable(const Value& key) {
    if (key.isList() || key.isDict() || key.objectAs<NamespaceObject>() != nullptr)
        raise("unhashable type: '{}'", typeName(key));
    if (key.isTuple())
        for (const Value& item : key.items()) requireHashable(item);
}

const Value* Dict::find(std::string_view key) const {
    if (!index_.empty()) {
        const auto found = index_.find(key);
        return found == index_.end() ? nullptr : &entries_[found->second].second;
    }
    for (const Entry& entry : entries_)
        if (entry.first.isString() && entry.first.bytes() == key) return &entry.second;
    return nullptr;
}

const Value* Dict::find(const Value& key) const {
    if (key.isString()) return find(key.bytes());
    for (const Entry& entry : entries_)
        if (equals(entry.first, key)) return &entry.second;
    return nullptr;
}

void Dict::set(Value key, Value value) {
    requireHashable(key);
    extent_.hold(key.extent());
    extent_.hold(value.extent());
    if (const Value* present = find(key)) {
        *const_cast<Value*>(present) = std::move(value);
        return;
    }
    entries_.emplace_back(std::move(key), std::move(value));
    if (entries_.size() < kIndexFrom) return;
    // The texts stay where they are when entries_ grows: values share them.
    for (size_t i = index_.empty() ? 0 : entries_.size() - 1; i < entries_.size(); ++i)
        if (entries_[i].first.isString()) index_.emplace(entries_[i].first.bytes(), i);
}

}  // namespace engine::jinja
