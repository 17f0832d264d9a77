#pragma once

#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/prompt/jinja/value.h"

namespace engine::jinja {

/// Python's dict: keys in insertion order, 1 == 1.0 == True. Finding a text key is constant time in large
/// dicts, other keys are looked for one by one.
class Dict {
  public:
    using Entry = std::pair<Value, Value>;

    const Value* find(const Value& key) const;
    const Value* find(std::string_view key) const;
    /// Replaces the value of an equal key, which stays as it was. Fails for keys Python cannot hash.
    void set(Value key, Value value);
    const std::vector<Entry>& entries() const { return entries_; }
    size_t size() const { return entries_.size(); }
    const Extent& extent() const { return extent_; }

  private:
    std::vector<Entry> entries_;
    std::unordered_map<std::string_view, size_t> index_;  // of text keys, once there are many
    Extent extent_{1, 1};
};

/// Fails with Python's words for lists, dicts and whatever holds one.
void requireHashable(const Value& key);

}  // namespace engine::jinja
