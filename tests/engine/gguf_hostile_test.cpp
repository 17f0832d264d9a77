// Every field of a GGUF file, broken: the answer is an error that names the field.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <random>

#include "engine/gguf/gguf_file.h"
#include "tests/engine/support/gguf_builder.h"
#include "tests/engine/support/gguf_exercise.h"
#include "tests/engine/support/tiny_vocabulary.h"

namespace engine {
namespace {

using kernels::DType;
using ::testing::AllOf;
using testing::GgufBuilder;
using ::testing::HasSubstr;

constexpr uint64_t kHuge = std::numeric_limits<uint64_t>::max();

Error refusal(std::vector<std::byte> bytes) {
    const auto file = GgufFile::fromBytes(std::move(bytes), "bad.gguf");
    return file ? Error{ErrorCode::Internal, "it was accepted"} : file.error();
}

Error refusal(const GgufBuilder& builder) {
    return refusal(builder.bytes());
}

template <class T>
std::string raw(T value) {
    return {reinterpret_cast<const char*>(&value), sizeof value};
}

/// A file with the 8 bytes at `offset` replaced.
std::vector<std::byte> patched(const GgufBuilder& builder, size_t offset, uint64_t value) {
    std::vector<std::byte> bytes = builder.bytes();
    std::memcpy(bytes.data() + offset, &value, sizeof value);
    return bytes;
}

constexpr size_t kTensorCountAt = 8;
constexpr size_t kEntryCountAt = 16;
constexpr size_t kFirstKeyAt = 24;

#define EXPECT_REFUSED(given, ...) \
    EXPECT_THAT(refusal(given).message, AllOf(HasSubstr("bad.gguf"), __VA_ARGS__))

TEST(HostileGguf, OtherFilesAreNotGguf) {
    std::vector<std::byte> bytes = GgufBuilder().bytes();
    bytes[0] = std::byte{'g'};
    EXPECT_REFUSED(bytes, HasSubstr("does not begin with 'GGUF'"));
    EXPECT_REFUSED(std::vector<std::byte>(3), HasSubstr("GGUF"));
}

TEST(HostileGguf, OtherVersionsAreUnsupportedByNumber) {
    for (uint32_t version : {0u, 1u, 4u, 77u}) {
        const Error error = refusal(GgufBuilder().version(version));
        EXPECT_EQ(error.code, ErrorCode::Unsupported);
        EXPECT_THAT(error.message, HasSubstr(fmt::format("version {}", version)));
    }
}

TEST(HostileGguf, BigEndianFilesAreCalledThat) {
    EXPECT_THAT(refusal(GgufBuilder().version(0x03000000)).message, HasSubstr("big-endian"));
}

TEST(HostileGguf, CountsBeyondTheFilesBytesAreRefusedBeforeAnythingIsReserved) {
    const GgufBuilder builder = GgufBuilder().set("a", "b");
    EXPECT_REFUSED(patched(builder, kTensorCountAt, kHuge), HasSubstr("tensor_count"));
    EXPECT_REFUSED(patched(builder, kTensorCountAt, 100), HasSubstr("tensor_count"));
    EXPECT_REFUSED(patched(builder, kEntryCountAt, kHuge), HasSubstr("metadata_kv_count"));
    EXPECT_REFUSED(patched(builder, kEntryCountAt, 100), HasSubstr("metadata_kv_count"));
}

TEST(HostileGguf, KeysMustEndInsideTheFileAndHaveAnOrdinaryLength) {
    const GgufBuilder builder = GgufBuilder().set("a", "b");
    EXPECT_REFUSED(patched(builder, kFirstKeyAt, kHuge), HasSubstr("metadata key 0"));
    EXPECT_REFUSED(patched(builder, kFirstKeyAt, 10000), HasSubstr("metadata key 0"));
    EXPECT_REFUSED(GgufBuilder().set("", "b"), HasSubstr("metadata key 0 is empty"));
    EXPECT_REFUSED(GgufBuilder().set(std::string(65536, 'k'), "b"), HasSubstr("65536 bytes long"));
}

TEST(HostileGguf, AKeyMayNotComeTwice) {
    EXPECT_REFUSED(GgufBuilder().set("twin", "b").set("twin", uint32_t{1}),
                   HasSubstr("'twin' is there twice"));
}

TEST(HostileGguf, UnknownValueTypesAreNamedByNumber) {
    EXPECT_REFUSED(GgufBuilder().addValue("odd", 13, "xxxxxxxx"), HasSubstr("'odd'"), HasSubstr("13"));
    EXPECT_REFUSED(GgufBuilder().addArray("odd", 99, 1, "xxxxxxxx"), HasSubstr("'odd'"), HasSubstr("99"));
}

TEST(HostileGguf, ValuesMustEndInsideTheFile) {
    EXPECT_REFUSED(GgufBuilder().addValue("text", 8, raw(kHuge)), HasSubstr("'text'"));
    EXPECT_REFUSED(GgufBuilder().addValue("text", 8, raw(uint64_t{4096})), HasSubstr("'text'"));
    EXPECT_REFUSED(GgufBuilder().addArray("ints", 4, kHuge, ""), HasSubstr("'ints'"));
    EXPECT_REFUSED(GgufBuilder().addArray("ints", 4, kHuge / 4 + 2, ""), HasSubstr("'ints'"));
    EXPECT_REFUSED(GgufBuilder().addArray("texts", 8, 1000, ""), HasSubstr("'texts'"));
    EXPECT_REFUSED(GgufBuilder().addArray("texts", 8, 2, raw(uint64_t{0}) + raw(kHuge)),
                   HasSubstr("string 1 of 'texts'"));
    EXPECT_REFUSED(GgufBuilder().addArray("lists", 9, 1, raw(uint32_t{10}) + raw(kHuge / 2)),
                   HasSubstr("'lists'"));
}

TEST(HostileGguf, ArraysMayNotNestWithoutEnd) {
    std::string nested;
    for (int depth = 0; depth < 1000; ++depth) nested += raw(uint32_t{9}) + raw(uint64_t{1});
    EXPECT_REFUSED(GgufBuilder().addArray("deep", 9, 1, nested),
                   HasSubstr("'deep' nests arrays deeper than"));
}

TEST(HostileGguf, AlignmentIsAPowerOfTwoInAUint32) {
    for (uint32_t alignment : {0u, 3u, 48u, 0x80000000u}) {
        EXPECT_REFUSED(GgufBuilder().set("general.alignment", alignment), HasSubstr("general.alignment"),
                       HasSubstr(std::to_string(alignment)));
    }
    EXPECT_REFUSED(GgufBuilder().set("general.alignment", "32"), HasSubstr("general.alignment"));
    EXPECT_REFUSED(GgufBuilder().set("general.alignment", std::vector<uint32_t>{32}),
                   HasSubstr("general.alignment"));
}

TEST(HostileGguf, TensorNamesAreThereOnceAndHaveAnOrdinaryLength) {
    EXPECT_REFUSED(GgufBuilder().tensor("", {1}, {1}), HasSubstr("name of tensor 0 has 0 bytes"));
    EXPECT_REFUSED(GgufBuilder().tensor(std::string(1025, 'n'), {1}, {1}), HasSubstr("has 1025 bytes"));
    EXPECT_REFUSED(GgufBuilder().tensor("twin", {1}, {1}).tensor("twin", {1}, {1}),
                   HasSubstr("tensor 'twin' is there twice"));
    EXPECT_REFUSED(patched(GgufBuilder().tensor("t", {1}, {1}), kFirstKeyAt, kHuge),
                   HasSubstr("name of tensor 0"));
}

TEST(HostileGguf, ShapesHaveOneToFourDimensionsNoneOfThemZero) {
    EXPECT_REFUSED(GgufBuilder().rawTensor("t", 0, {}, 0), HasSubstr("'t' has 0 dimensions"));
    EXPECT_REFUSED(GgufBuilder().rawTensor("t", 0, {1, 1, 1, 1, 1}, 0), HasSubstr("'t' has 5 dimensions"));
    EXPECT_REFUSED(GgufBuilder().rawTensor("t", 0, {4, 0}, 0),
                   HasSubstr("dimension 1 of tensor 't' is zero"));
}

TEST(HostileGguf, ShapesThatOverflowAreRefusedAtTheDimensionThatDoes) {
    const uint64_t half = uint64_t{1} << 32;
    EXPECT_REFUSED(GgufBuilder().rawTensor("t", 0, {half, half}, 0), HasSubstr("overflows at dimension 1"));
    EXPECT_REFUSED(GgufBuilder().rawTensor("t", 0, {half, 2, half}, 0),
                   HasSubstr("overflows at dimension 2"));
    EXPECT_REFUSED(GgufBuilder().rawTensor("t", 0, {kHuge}, 0), HasSubstr("overflows at dimension 0"));
    // Elements fit in 63 bits, their bytes would not.
    EXPECT_REFUSED(GgufBuilder().rawTensor("t", 0, {uint64_t{1} << 62}, 0),
                   HasSubstr("larger than the file"));
}

TEST(HostileGguf, ElementTypesThatCannotRunAreRefusedByName) {
    for (const auto& [number, name] : std::vector<std::pair<uint32_t, std::string>>{{16, "IQ2_XXS"},
                                                                                    {19, "IQ1_S"},
                                                                                    {24, "I8"},
                                                                                    {28, "F64"},
                                                                                    {34, "TQ1_0"},
                                                                                    {39, "MXFP4"},
                                                                                    {4, "Q4_2"},
                                                                                    {1000, "type 1000"}}) {
        const Error error = refusal(GgufBuilder().rawTensor("blk.0.w", number, {256}, 0));
        EXPECT_EQ(error.code, ErrorCode::Unsupported);
        EXPECT_THAT(error.message, AllOf(HasSubstr("blk.0.w"), HasSubstr(name)));
    }
}

TEST(HostileGguf, RowsAreWholeBlocks) {
    EXPECT_REFUSED(GgufBuilder().rawTensor("t", 12, {128, 2}, 0), HasSubstr("rows of 128 elements"),
                   HasSubstr("Q4_K"));
}

TEST(HostileGguf, TensorDataLiesAlignedInsideTheFile) {
    GgufBuilder builder;
    builder.tensor("t", {8}, std::vector<float>(8));
    GgufBuilder unaligned;
    unaligned.tensor("t", {8}, std::vector<float>(8)).rawTensor("u", 0, {1}, 4);
    EXPECT_REFUSED(unaligned, HasSubstr("'u' begins at offset 4"));
    GgufBuilder outside;
    outside.tensor("t", {8}, std::vector<float>(8)).rawTensor("u", 0, {8}, 4096);
    EXPECT_REFUSED(outside, HasSubstr("'u'"), HasSubstr("past the end of the file"));
    GgufBuilder wrapping;
    wrapping.tensor("t", {8}, std::vector<float>(8)).rawTensor("u", 0, {8}, kHuge - 31);
    EXPECT_REFUSED(wrapping, HasSubstr("'u'"), HasSubstr("past the end of the file"));
    std::vector<std::byte> cut = builder.bytes();
    cut.pop_back();
    EXPECT_REFUSED(cut, HasSubstr("'t'"), HasSubstr("is it whole?"));
}

TEST(HostileGguf, TensorsMayNotShareBytes) {
    GgufBuilder builder;
    builder.tensor("t", {16}, std::vector<float>(16)).rawTensor("u", 0, {8}, 32);
    EXPECT_REFUSED(builder, HasSubstr("'t' and 'u' overlap"));
}

TEST(HostileGguf, MessagesShowNoControlCharactersOfTheFile) {
    const std::string message =
        refusal(GgufBuilder().addValue(fmt::format("a\n\x1b[31mkey{:x<500}", ""), 77, "")).message;
    EXPECT_EQ(message.find_first_of("\n\x1b"), std::string::npos);
    EXPECT_LT(message.size(), 300u);
}

/// A file with everything in it that the parser looks at.
std::vector<std::byte> specimen() {
    auto vocabulary = testing::TinyVocabulary::bytePairs();
    vocabulary.merge("h", "e");
    vocabulary.add("<s>", testing::kControl);
    GgufBuilder builder = vocabulary.file();
    builder.alignment(64).set("reals", std::vector<double>{1, 2});
    builder.addArray("nested", 9, 1, raw(uint32_t{4}) + raw(uint64_t{1}) + raw(uint32_t{9}));
    builder.tensor("q", DType::Q4_K, {256}, std::vector<std::byte>(144));
    builder.tensor("w", {32, 2},
                   std::vector<float>(64, 1.5F));  // 256 bytes: no padding after the last tensor
    return builder.bytes();
}

TEST(HostileGguf, EveryTruncationIsRefusedOrHarmless) {
    const std::vector<std::byte> whole = specimen();
    ASSERT_NO_THROW(testing::exerciseGguf(whole));
    for (size_t size = 0; size < whole.size(); ++size) {
        const std::span<const std::byte> part = std::span(whole).first(size);
        ASSERT_FALSE(GgufFile::fromBytes({part.begin(), part.end()}, "cut").has_value()) << size << " bytes";
    }
}

TEST(HostileGguf, RandomDamageIsRefusedOrHarmless) {
    const std::vector<std::byte> whole = specimen();
    std::mt19937 random(20261124);
    const uint64_t striking[] = {0, 1, 31, 255, 0x7FFFFFFF, 0xFFFFFFFF, uint64_t{1} << 63, kHuge};
    for (int round = 0; round < 3000; ++round) {
        std::vector<std::byte> damaged = whole;
        const size_t hits = 1 + random() % 4;
        for (size_t hit = 0; hit < hits; ++hit) {
            if (random() % 3 == 0) {  // a whole number replaced: a count, a length, an offset
                const size_t at = random() % (damaged.size() - 8);
                std::memcpy(damaged.data() + at, &striking[random() % std::size(striking)], 8);
            } else {
                damaged[random() % damaged.size()] ^= std::byte{static_cast<uint8_t>(1u << (random() % 8))};
            }
        }
        ASSERT_NO_THROW(testing::exerciseGguf(damaged)) << "round " << round;
    }
}

}  // namespace
}  // namespace engine
