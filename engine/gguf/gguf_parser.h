#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/error.h"
#include "engine/gguf/gguf_file.h"

namespace engine {

/// Kinds of metadata values, by the number the format stores.
enum class GgufType : uint32_t {
    U8 = 0,
    I8 = 1,
    U16 = 2,
    I16 = 3,
    U32 = 4,
    I32 = 5,
    F32 = 6,
    Bool = 7,
    String = 8,
    Array = 9,
    U64 = 10,
    I64 = 11,
    F64 = 12,
};

/// One key and where its value lies. `first` points at the bytes of the value, or of the first of `count`
/// elements; everything up to their end has been checked to lie inside the file.
struct GgufEntry {
    std::string_view key;
    GgufType elementType = GgufType::U8;  ///< of the value, or of an array's elements
    bool isArray = false;
    uint64_t count = 1;  ///< elements; 1 for a scalar
    const std::byte* first = nullptr;
};

/// The directory of one file; views point into its bytes.
struct GgufDirectory {
    uint32_t version = 0;
    std::vector<GgufEntry> entries;
    std::vector<GgufTensor> tensors;
};

/// Reads and checks everything but the tensors' values. `file` is the name for messages. Linear in the
/// directory's bytes; allocates no more than a small multiple of them. Any thread.
Result<GgufDirectory> parseGguf(std::span<const std::byte> bytes, std::string_view file);

/// Bytes of one value; 0 for strings and arrays, whose size is in the file.
size_t ggufTypeBytes(GgufType type);

}  // namespace engine
