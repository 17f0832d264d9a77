#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "kernels/dtype.h"

namespace engine {

/// The number that GGUF files store for an element type (ggml's enum).
uint32_t ggmlTypeNumber(kernels::DType type);

/// The element type behind a stored number, if it is one that can be run.
std::optional<kernels::DType> dtypeOfGgmlType(uint32_t number);

/// What to call a stored number in a message: "IQ2_XXS", or "type 99" when nobody has named it.
std::string ggmlTypeName(uint32_t number);

}  // namespace engine
