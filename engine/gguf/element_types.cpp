#include "engine/gguf/element_types.h"

#include <fmt/format.h>

#include <array>
#include <cassert>
#include <string_view>

namespace engine {
namespace {

using kernels::DType;

struct ElementType {
    std::string_view name;
    std::optional<DType> dtype = std::nullopt;
};

// Indexed by the stored number. Names without a DType are or were part of the format but cannot be run.
constexpr std::array<ElementType, 43> kElementTypes = {{
    {"F32", DType::F32},
    {"F16", DType::F16},
    {"Q4_0", DType::Q4_0},
    {"Q4_1", DType::Q4_1},
    {"Q4_2"},
    {"Q4_3"},
    {"Q5_0", DType::Q5_0},
    {"Q5_1", DType::Q5_1},
    {"Q8_0", DType::Q8_0},
    {"Q8_1"},
    {"Q2_K", DType::Q2_K},
    {"Q3_K", DType::Q3_K},
    {"Q4_K", DType::Q4_K},
    {"Q5_K", DType::Q5_K},
    {"Q6_K", DType::Q6_K},
    {"Q8_K"},
    {"IQ2_XXS"},
    {"IQ2_XS"},
    {"IQ3_XXS"},
    {"IQ1_S"},
    {"IQ4_NL", DType::IQ4_NL},
    {"IQ3_S"},
    {"IQ2_S"},
    {"IQ4_XS", DType::IQ4_XS},
    {"I8"},
    {"I16"},
    {"I32"},
    {"I64"},
    {"F64"},
    {"IQ1_M"},
    {"BF16", DType::BF16},
    {"Q4_0_4_4"},
    {"Q4_0_4_8"},
    {"Q4_0_8_8"},
    {"TQ1_0"},
    {"TQ2_0"},
    {"IQ4_NL_4_4"},
    {"IQ4_NL_4_8"},
    {"IQ4_NL_8_8"},
    {"MXFP4"},
    {"NVFP4"},
    {"Q1_0"},
    {"Q2_0"},
}};

}  // namespace

uint32_t ggmlTypeNumber(DType type) {
    for (uint32_t number = 0; number < kElementTypes.size(); ++number) {
        if (kElementTypes[number].dtype == type) return number;
    }
    assert(false && "every DType comes from a GGUF element type");
    return 0;
}

std::optional<DType> dtypeOfGgmlType(uint32_t number) {
    if (number >= kElementTypes.size()) return std::nullopt;
    return kElementTypes[number].dtype;
}

std::string ggmlTypeName(uint32_t number) {
    if (number >= kElementTypes.size()) return fmt::format("type {}", number);
    return std::string(kElementTypes[number].name);
}

}  // namespace engine
