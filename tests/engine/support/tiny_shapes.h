#pragma once

#include <string>
#include <vector>

#include "tests/engine/support/tiny_model.h"

namespace engine::testing {

struct NamedShape {
    std::string name;
    TinyModel shape;
};

/// Between them every architecture, way of sharing keys, RoPE scaling, tie and stored type. The scores in
/// tests/data/reference/tiny_golden.json belong to exactly these files: after a change here write them anew.
std::vector<NamedShape> tinyShapes();

/// The ids that the tiny golden scores are of: longer than Gemma's window, many blocks.
std::vector<int32_t> tinyGoldenIds(const TinyModel& shape);

}  // namespace engine::testing
