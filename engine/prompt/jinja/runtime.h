#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "engine/prompt/jinja/budget.h"
#include "engine/prompt/jinja/object.h"

namespace engine::jinja {

/// One rendering: what every operation may spend and see. One thread.
class Runtime {
  public:
    explicit Runtime(std::optional<int64_t> nowUnix) : nowUnix_(nowUnix) {}
    /// Namespaces may refer to each other in circles: they are emptied one by one.
    ~Runtime() {
        for (const auto& space : namespaces_) space->clear();
    }
    Runtime(const Runtime&) = delete;
    Runtime& operator=(const Runtime&) = delete;

    Budget& budget() { return budget_; }
    std::optional<int64_t> nowUnix() const { return nowUnix_; }
    std::shared_ptr<NamespaceObject> makeNamespace() {
        budget_.items(1);
        if (namespaces_.size() >= kMaxItems) raise("the template makes too many namespaces");
        return namespaces_.emplace_back(std::make_shared<NamespaceObject>());
    }

  private:
    Budget budget_;
    std::optional<int64_t> nowUnix_;
    std::vector<std::shared_ptr<NamespaceObject>> namespaces_;
};

}  // namespace engine::jinja
