#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "engine/prompt/jinja/ast.h"

namespace engine::jinja {

/// The variables of one frame: a template, one turn of a loop, one call of a macro. Inner frames see outer
/// ones and write to themselves only.
class Scope {
  public:
    explicit Scope(std::shared_ptr<Scope> parent = nullptr) : parent_(std::move(parent)) {}

    const Value* find(NameId name) const {
        for (const Scope* scope = this; scope != nullptr; scope = scope->parent_.get())
            for (const auto& [known, value] : scope->variables_)
                if (known == name) return &value;
        return nullptr;
    }
    void set(NameId name, Value value) {
        for (auto& [known, present] : variables_)
            if (known == name) {
                present = std::move(value);
                return;
            }
        variables_.emplace_back(name, std::move(value));
    }
    void clear() { variables_.clear(); }

  private:
    std::shared_ptr<Scope> parent_;
    std::vector<std::pair<NameId, Value>> variables_;
};
using ScopeRef = std::shared_ptr<Scope>;

}  // namespace engine::jinja
