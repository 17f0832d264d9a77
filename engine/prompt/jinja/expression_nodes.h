#pragma once

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "engine/prompt/jinja/ast.h"

/// What the parts of the expression parser share: how deep what they made so far is.
namespace engine::jinja {

inline int depthOf(const ExpressionPtr& node) {
    return node == nullptr ? 0 : node->depth;
}

inline int depthOf(const std::vector<ExpressionPtr>& nodes) {
    int deepest = 0;
    for (const auto& node : nodes) deepest = std::max(deepest, node->depth);
    return deepest;
}

inline int depthOf(const CallArguments& arguments) {
    int deepest = std::max(
        {depthOf(arguments.positional), depthOf(arguments.spreadPositional), depthOf(arguments.spreadNamed)});
    for (const auto& named : arguments.named) deepest = std::max(deepest, named.second->depth);
    return deepest;
}

inline ExpressionPtr constant(Value value) {
    auto node = std::make_unique<ConstantExpression>();
    node->value = std::move(value);
    return node;
}

}  // namespace engine::jinja
