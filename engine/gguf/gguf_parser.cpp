#include "engine/gguf/gguf_parser.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <optional>
#include <unordered_set>
#include <utility>

#include "engine/gguf/element_types.h"

namespace engine {
namespace {

static_assert(std::endian::native == std::endian::little, "GGUF values are read in place as little endian");

constexpr uint64_t kDefaultAlignment = 32;
constexpr uint64_t kMaxAlignment = uint64_t{1} << 20;
constexpr uint64_t kMaxKeyBytes = 65535;  // the format's own limit
constexpr uint64_t kMaxNameBytes = 1024;
constexpr uint32_t kMaxDimensions = 4;
constexpr int kMaxArrayDepth = 4;
// The fewest bytes an entry of each kind can take: they bound the counts before anything is reserved.
constexpr uint64_t kMinEntryBytes = 8 + 1 + 4 + 1;
constexpr uint64_t kMinTensorBytes = 8 + 1 + 4 + 8 + 4 + 8;
constexpr uint64_t kMinStringBytes = 8;
constexpr uint64_t kMinArrayBytes = 4 + 8;

/// Names come from the file: what a message shows of them is short and printable.
std::string shown(std::string_view name) {
    constexpr size_t kShownBytes = 80;
    std::string text;
    for (char c : name.substr(0, kShownBytes)) {
        text.push_back(static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c);
    }
    if (name.size() > kShownBytes) text += "...";
    return text;
}

bool isKnown(uint32_t type) {
    return type <= static_cast<uint32_t>(GgufType::F64);
}

class Parser {
  public:
    Parser(std::span<const std::byte> bytes, std::string_view file) : bytes_(bytes), file_(file) {}

    Result<GgufDirectory> parse();

  private:
    size_t remaining() const { return bytes_.size() - position_; }

    template <class... Args>
    tl::unexpected<Error> invalid(fmt::format_string<Args...> format, Args&&... args) const {
        return fail(ErrorCode::InvalidFile, "'{}' is not a usable GGUF file: {}", file_,
                    fmt::format(format, std::forward<Args>(args)...));
    }

    template <class T>
    std::optional<T> take() {
        if (remaining() < sizeof(T)) return std::nullopt;
        T value;
        std::memcpy(&value, bytes_.data() + position_, sizeof(T));
        position_ += sizeof(T);
        return value;
    }

    std::optional<std::string_view> takeString() {
        const auto length = take<uint64_t>();
        if (!length || *length > remaining()) return std::nullopt;
        const auto* text = reinterpret_cast<const char*>(bytes_.data() + position_);
        position_ += static_cast<size_t>(*length);
        return std::string_view(text, static_cast<size_t>(*length));
    }

    Result<void> header();
    Result<void> entry(uint64_t index);
    Result<void> elements(std::string_view key, GgufType type, uint64_t count, int depth);
    Result<void> arrayHead(std::string_view key, GgufType& type, uint64_t& count);
    Result<void> tensorInfo(uint64_t index);
    Result<void> shapeOf(GgufTensor& tensor);
    Result<void> readAlignment();
    Result<void> placeTensors();
    Result<void> refuseOverlaps() const;

    std::span<const std::byte> bytes_;
    std::string_view file_;
    size_t position_ = 0;
    uint64_t tensorCount_ = 0;
    uint64_t entryCount_ = 0;
    uint64_t alignment_ = kDefaultAlignment;
    std::unordered_set<std::string_view> seenKeys_;
    std::unordered_set<std::string_view> seenNames_;
    std::vector<uint64_t> offsets_;  ///< of each tensor, from the start of the data
    GgufDirectory directory_;
};

Result<GgufDirectory> Parser::parse() {
    if (auto done = header(); !done) return tl::unexpected(done.error());
    directory_.entries.reserve(static_cast<size_t>(entryCount_));
    for (uint64_t i = 0; i < entryCount_; ++i) {
        if (auto done = entry(i); !done) return tl::unexpected(done.error());
    }
    if (auto done = readAlignment(); !done) return tl::unexpected(done.error());
    directory_.tensors.reserve(static_cast<size_t>(tensorCount_));
    for (uint64_t i = 0; i < tensorCount_; ++i) {
        if (auto done = tensorInfo(i); !done) return tl::unexpected(done.error());
    }
    if (auto done = placeTensors(); !done) return tl::unexpected(done.error());
    if (auto done = refuseOverlaps(); !done) return tl::unexpected(done.error());
    return std::move(directory_);
}

Result<void> Parser::header() {
    const auto magic = take<std::array<char, 4>>();
    if (!magic || std::string_view(magic->data(), 4) != "GGUF") {
        return invalid("it does not begin with 'GGUF'; choose a model file in GGUF format");
    }
    const auto version = take<uint32_t>();
    if (!version) return invalid("it ends inside the version");
    if (*version != 2 && *version != 3) {
        if (__builtin_bswap32(*version) <= 3 && *version != 0) {
            return fail(ErrorCode::Unsupported,
                        "'{}' is a big-endian GGUF file; only little-endian files can be read", file_);
        }
        return fail(ErrorCode::Unsupported, "'{}' has GGUF version {}; versions 2 and 3 can be read", file_,
                    *version);
    }
    directory_.version = *version;
    const auto tensorCount = take<uint64_t>();
    const auto entryCount = take<uint64_t>();
    if (!tensorCount || !entryCount) return invalid("it ends inside the counts");
    if (*tensorCount > remaining() / kMinTensorBytes) {
        return invalid("tensor_count says {}, more than its {} bytes can hold", *tensorCount, bytes_.size());
    }
    if (*entryCount > remaining() / kMinEntryBytes) {
        return invalid("metadata_kv_count says {}, more than its {} bytes can hold", *entryCount,
                       bytes_.size());
    }
    tensorCount_ = *tensorCount;
    entryCount_ = *entryCount;
    return {};
}

Result<void> Parser::entry(uint64_t index) {
    const auto key = takeString();
    if (!key) return invalid("metadata key {} reaches past the end of the file", index);
    if (key->empty()) return invalid("metadata key {} is empty", index);
    if (key->size() > kMaxKeyBytes) return invalid("metadata key {} is {} bytes long", index, key->size());
    if (!seenKeys_.insert(*key).second) return invalid("the key '{}' is there twice", shown(*key));
    const auto type = take<uint32_t>();
    if (!type) return invalid("it ends inside the type of '{}'", shown(*key));
    if (!isKnown(*type)) return invalid("'{}' has the unknown value type {}", shown(*key), *type);

    GgufEntry entry;
    entry.key = *key;
    entry.elementType = static_cast<GgufType>(*type);
    if (entry.elementType == GgufType::Array) {
        entry.isArray = true;
        if (auto done = arrayHead(*key, entry.elementType, entry.count); !done) return done;
    }
    entry.first = bytes_.data() + position_;
    if (auto done = elements(*key, entry.elementType, entry.count, entry.isArray ? 1 : 0); !done) return done;
    directory_.entries.push_back(entry);
    return {};
}

Result<void> Parser::arrayHead(std::string_view key, GgufType& type, uint64_t& count) {
    const auto elementType = take<uint32_t>();
    const auto elementCount = take<uint64_t>();
    if (!elementType || !elementCount) return invalid("it ends inside the array '{}'", shown(key));
    if (!isKnown(*elementType)) {
        return invalid("the array '{}' has the unknown element type {}", shown(key), *elementType);
    }
    type = static_cast<GgufType>(*elementType);
    count = *elementCount;
    return {};
}

/// Steps over `count` values, checking that they lie inside the file.
Result<void> Parser::elements(std::string_view key, GgufType type, uint64_t count, int depth) {
    if (depth > kMaxArrayDepth)
        return invalid("'{}' nests arrays deeper than {}", shown(key), kMaxArrayDepth);
    const size_t elementBytes = ggufTypeBytes(type);
    const uint64_t least = type == GgufType::String  ? kMinStringBytes
                           : type == GgufType::Array ? kMinArrayBytes
                                                     : elementBytes;
    if (count > remaining() / least) {
        return invalid("'{}' says it has {} values, more than the file has bytes for", shown(key), count);
    }
    if (elementBytes > 0) {
        position_ += elementBytes * static_cast<size_t>(count);
        return {};
    }
    for (uint64_t i = 0; i < count; ++i) {
        if (type == GgufType::String) {
            if (!takeString())
                return invalid("string {} of '{}' reaches past the end of the file", i, shown(key));
            continue;
        }
        GgufType innerType = GgufType::U8;
        uint64_t innerCount = 0;
        if (auto done = arrayHead(key, innerType, innerCount); !done) return done;
        if (auto done = elements(key, innerType, innerCount, depth + 1); !done) return done;
    }
    return {};
}

Result<void> Parser::readAlignment() {
    for (const GgufEntry& entry : directory_.entries) {
        if (entry.key != "general.alignment") continue;
        uint32_t alignment = 0;
        if (entry.elementType != GgufType::U32 || entry.isArray)
            return invalid("general.alignment is not a uint32");
        std::memcpy(&alignment, entry.first, sizeof alignment);
        if (!std::has_single_bit(alignment) || alignment > kMaxAlignment) {
            return invalid("general.alignment is {}, not a power of two up to {}", alignment, kMaxAlignment);
        }
        alignment_ = alignment;
    }
    return {};
}

Result<void> Parser::tensorInfo(uint64_t index) {
    const auto name = takeString();
    if (!name) return invalid("the name of tensor {} reaches past the end of the file", index);
    if (name->empty() || name->size() > kMaxNameBytes) {
        return invalid("the name of tensor {} has {} bytes, not 1 to {}", index, name->size(), kMaxNameBytes);
    }
    if (!seenNames_.insert(*name).second) return invalid("the tensor '{}' is there twice", shown(*name));
    GgufTensor tensor;
    tensor.name = std::string(*name);
    if (auto done = shapeOf(tensor); !done) return done;
    const auto type = take<uint32_t>();
    const auto offset = take<uint64_t>();
    if (!type || !offset) return invalid("it ends inside the description of tensor '{}'", shown(*name));
    const auto dtype = dtypeOfGgmlType(*type);
    if (!dtype) {
        return fail(ErrorCode::Unsupported, "'{}': tensor '{}' is stored as {}, which cannot be run here",
                    file_, shown(*name), ggmlTypeName(*type));
    }
    tensor.dtype = *dtype;
    const kernels::DTypeInfo& facts = kernels::dtypeInfo(*dtype);
    const auto blockElements = static_cast<uint64_t>(facts.blockElements);
    if (tensor.cols() % blockElements != 0) {
        return invalid("tensor '{}' has rows of {} elements, not a multiple of the {} in a block of {}",
                       shown(*name), tensor.cols(), blockElements, facts.name);
    }
    const uint64_t blocks = tensor.elements() / blockElements;
    if (blocks > bytes_.size() / static_cast<uint64_t>(facts.blockBytes)) {
        return invalid("tensor '{}' with its {} elements of {} is larger than the file", shown(*name),
                       tensor.elements(), facts.name);
    }
    tensor.bytes = static_cast<size_t>(blocks) * static_cast<size_t>(facts.blockBytes);
    if (*offset % alignment_ != 0) {
        return invalid("tensor '{}' begins at offset {}, not a multiple of the alignment {}", shown(*name),
                       *offset, alignment_);
    }
    offsets_.push_back(*offset);
    directory_.tensors.push_back(std::move(tensor));
    return {};
}

Result<void> Parser::shapeOf(GgufTensor& tensor) {
    const auto dimensions = take<uint32_t>();
    if (!dimensions) return invalid("it ends inside the shape of tensor '{}'", shown(tensor.name));
    if (*dimensions == 0 || *dimensions > kMaxDimensions) {
        return invalid("tensor '{}' has {} dimensions, not 1 to {}", shown(tensor.name), *dimensions,
                       kMaxDimensions);
    }
    uint64_t elements = 1;
    for (uint32_t d = 0; d < *dimensions; ++d) {
        const auto extent = take<uint64_t>();
        if (!extent) return invalid("it ends inside the shape of tensor '{}'", shown(tensor.name));
        if (*extent == 0) return invalid("dimension {} of tensor '{}' is zero", d, shown(tensor.name));
        if (*extent > static_cast<uint64_t>(INT64_MAX) / elements) {
            return invalid("the shape of tensor '{}' overflows at dimension {} of {}", shown(tensor.name), d,
                           *extent);
        }
        elements *= *extent;
        tensor.shape.push_back(*extent);
    }
    return {};
}

Result<void> Parser::placeTensors() {
    if (directory_.tensors.empty()) return {};
    const uint64_t dataStart = (uint64_t{position_} + alignment_ - 1) / alignment_ * alignment_;
    for (size_t i = 0; i < directory_.tensors.size(); ++i) {
        GgufTensor& tensor = directory_.tensors[i];
        const uint64_t room = dataStart > bytes_.size() ? 0 : bytes_.size() - dataStart;
        if (offsets_[i] > room || tensor.bytes > room - offsets_[i]) {
            return invalid(
                "tensor '{}' ({} bytes at offset {}) reaches past the end of the file; is it whole?",
                shown(tensor.name), tensor.bytes, offsets_[i]);
        }
        tensor.data = bytes_.data() + dataStart + offsets_[i];
    }
    return {};
}

Result<void> Parser::refuseOverlaps() const {
    std::vector<const GgufTensor*> order;
    order.reserve(directory_.tensors.size());
    for (const GgufTensor& tensor : directory_.tensors) order.push_back(&tensor);
    std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) { return a->data < b->data; });
    for (size_t i = 1; i < order.size(); ++i) {
        if (order[i - 1]->data + order[i - 1]->bytes > order[i]->data) {
            return invalid("the tensors '{}' and '{}' overlap", shown(order[i - 1]->name),
                           shown(order[i]->name));
        }
    }
    return {};
}

}  // namespace

size_t ggufTypeBytes(GgufType type) {
    switch (type) {
        case GgufType::U8:
        case GgufType::I8:
        case GgufType::Bool:
            return 1;
        case GgufType::U16:
        case GgufType::I16:
            return 2;
        case GgufType::U32:
        case GgufType::I32:
        case GgufType::F32:
            return 4;
        case GgufType::U64:
        case GgufType::I64:
        case GgufType::F64:
            return 8;
        case GgufType::String:
        case GgufType::Array:
            break;
    }
    return 0;
}

Result<GgufDirectory> parseGguf(std::span<const std::byte> bytes, std::string_view file) {
    return Parser(bytes, file).parse();
}

}  // namespace engine
