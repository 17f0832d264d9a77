#include "engine/gguf/gguf_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "engine/gguf/element_types.h"
#include "tests/engine/support/gguf_builder.h"

namespace engine {
namespace {

using kernels::DType;
using ::testing::ElementsAre;
using testing::GgufBuilder;
using ::testing::HasSubstr;
using ::testing::Optional;

GgufFile openOrThrow(const GgufBuilder& builder) {
    auto file = GgufFile::fromBytes(builder.bytes(), "test.gguf");
    if (!file) throw std::runtime_error(file.error().message);
    return std::move(*file);
}

TEST(GgufFile, ReadsVersionsTwoAndThreeAlike) {
    for (uint32_t version : {2u, 3u}) {
        const GgufFile file =
            openOrThrow(GgufBuilder().version(version).set("a", "b").tensor("t", {2}, {1, 2}));
        EXPECT_EQ(file.version(), version);
        EXPECT_EQ(file.string("a"), "b");
        EXPECT_EQ(file.tensors().size(), 1u);
    }
}

TEST(GgufFile, ReadsAnIntegerFromEveryIntegerTypeThatHoldsIt) {
    const GgufFile file = openOrThrow(GgufBuilder()
                                          .set("u8", uint8_t{200})
                                          .set("i8", int8_t{-3})
                                          .set("u16", uint16_t{60000})
                                          .set("i16", int16_t{-30000})
                                          .set("u32", uint32_t{4000000000})
                                          .set("i32", int32_t{-2000000000})
                                          .set("u64", std::numeric_limits<uint64_t>::max())
                                          .set("i64", std::numeric_limits<int64_t>::min()));
    EXPECT_EQ(file.integer("u8"), 200);
    EXPECT_EQ(file.integer("i8"), -3);
    EXPECT_EQ(file.integer("u16"), 60000);
    EXPECT_EQ(file.integer("i16"), -30000);
    EXPECT_EQ(file.integer("u32"), 4000000000);
    EXPECT_EQ(file.integer("i32"), -2000000000);
    EXPECT_EQ(file.integer("i64"), std::numeric_limits<int64_t>::min());
    EXPECT_EQ(file.integer("u64"), std::nullopt) << "2^64-1 is no int64";
    EXPECT_EQ(file.unsignedInteger("u64"), std::numeric_limits<uint64_t>::max());
    EXPECT_EQ(file.unsignedInteger("i8"), std::nullopt) << "negative";
    EXPECT_THAT(file.real("i16"), Optional(-30000.0));
}

TEST(GgufFile, GivesNothingForAMissingKeyOrAnotherKindOfValue) {
    const GgufFile file = openOrThrow(
        GgufBuilder().set("text", "1").set("truth", true).set("half", 0.5F).set("one", uint32_t{1}));
    EXPECT_FALSE(file.has("missing"));
    EXPECT_EQ(file.string("missing"), std::nullopt);
    EXPECT_EQ(file.integer("text"), std::nullopt);
    EXPECT_EQ(file.real("text"), std::nullopt);
    EXPECT_EQ(file.string("one"), std::nullopt);
    EXPECT_EQ(file.integer("half"), std::nullopt);
    EXPECT_EQ(file.integer("truth"), std::nullopt) << "a bool is no number";
    EXPECT_EQ(file.boolean("one"), std::nullopt) << "a number is no bool";
    EXPECT_EQ(file.strings("one"), std::nullopt);
    EXPECT_EQ(file.integers("text"), std::nullopt);
    EXPECT_EQ(file.boolean("truth"), true);
    EXPECT_THAT(file.real("half"), Optional(0.5));
}

TEST(GgufFile, ReadsArraysAndTreatsAScalarAsAnArrayOfOne) {
    const GgufFile file = openOrThrow(GgufBuilder()
                                          .set("ints", std::vector<int32_t>{3, -1, 4})
                                          .set("reals", std::vector<float>{0.25F, -2})
                                          .set("texts", std::vector<std::string>{"a", "", "\xC3\xA4"})
                                          .set("none", std::vector<int32_t>{})
                                          .set("scalar", uint32_t{7}));
    EXPECT_THAT(file.integers("ints"), Optional(ElementsAre(3, -1, 4)));
    EXPECT_THAT(file.reals("reals"), Optional(ElementsAre(0.25, -2.0)));
    EXPECT_THAT(file.reals("ints"), Optional(ElementsAre(3.0, -1.0, 4.0)));
    EXPECT_THAT(file.strings("texts"), Optional(ElementsAre("a", "", "\xC3\xA4")));
    EXPECT_THAT(file.integers("none"), Optional(ElementsAre()));
    EXPECT_THAT(file.integers("scalar"), Optional(ElementsAre(7)));
    EXPECT_EQ(file.integer("ints"), std::nullopt) << "an array is no scalar";
    EXPECT_EQ(file.string("texts"), std::nullopt);
}

TEST(GgufFile, RefusesAnArrayWithOneValueThatDoesNotFit) {
    const GgufFile file = openOrThrow(
        GgufBuilder().set("big", std::vector<uint64_t>{1, std::numeric_limits<uint64_t>::max(), 2}));
    EXPECT_EQ(file.integers("big"), std::nullopt);
    EXPECT_TRUE(file.reals("big").has_value());
}

TEST(GgufFile, SkipsNestedArraysThatNoAccessorReads) {
    std::string inner;
    for (uint32_t part : {4u, 2u, 0u, 11u, 12u}) inner.append(reinterpret_cast<const char*>(&part), 4);
    const GgufFile file =
        openOrThrow(GgufBuilder().addArray("nested", 9, 1, inner).set("after", uint32_t{5}));
    EXPECT_TRUE(file.has("nested"));
    EXPECT_EQ(file.integers("nested"), std::nullopt);
    EXPECT_EQ(file.integer("after"), 5);
}

TEST(GgufFile, ListsKeysAndTensorsInTheFilesOrder) {
    const GgufFile file = openOrThrow(
        GgufBuilder().set("z", "1").set("a", "2").tensor("second", {1}, {2}).tensor("first", {1}, {1}));
    EXPECT_THAT(file.keys(), ElementsAre("z", "a"));
    ASSERT_EQ(file.tensors().size(), 2u);
    EXPECT_EQ(file.tensors()[0].name, "second");
    EXPECT_EQ(file.tensor("first"), &file.tensors()[1]);
    EXPECT_EQ(file.tensor("third"), nullptr);
}

TEST(GgufFile, PlacesEachTensorAtItsOffsetFromTheAlignedData) {
    for (uint32_t alignment : {8u, 32u, 64u, 4096u}) {
        GgufBuilder builder;
        builder.alignment(alignment).tensor("a", {3}, {1, 2, 3}).tensor("b", {2, 2}, {4, 5, 6, 7});
        const std::vector<std::byte> bytes = builder.bytes();
        const GgufFile file = openOrThrow(builder);
        const GgufTensor* b = file.tensor("b");
        ASSERT_NE(b, nullptr);
        EXPECT_EQ(b->bytes, 16u);
        EXPECT_EQ(b->cols(), 2u);
        EXPECT_EQ(b->rows(), 2u);
        float values[4];
        std::memcpy(values, b->data, sizeof values);
        EXPECT_THAT(values, ElementsAre(4, 5, 6, 7)) << "alignment " << alignment;
        EXPECT_EQ(static_cast<uint64_t>(b->data - file.tensor("a")->data), alignment < 16 ? 16 : alignment);
    }
}

TEST(GgufFile, KnowsTheSizeOfEveryElementTypeThatCanRun) {
    // Bytes of one block and its elements, from the format's description.
    struct Facts {
        uint32_t number;
        DType dtype;
        uint64_t elements, bytes;
    };
    const Facts all[] = {
        {0, DType::F32, 1, 4},       {1, DType::F16, 1, 2},       {30, DType::BF16, 1, 2},
        {2, DType::Q4_0, 32, 18},    {3, DType::Q4_1, 32, 20},    {6, DType::Q5_0, 32, 22},
        {7, DType::Q5_1, 32, 24},    {8, DType::Q8_0, 32, 34},    {10, DType::Q2_K, 256, 84},
        {11, DType::Q3_K, 256, 110}, {12, DType::Q4_K, 256, 144}, {13, DType::Q5_K, 256, 176},
        {14, DType::Q6_K, 256, 210}, {20, DType::IQ4_NL, 32, 18}, {23, DType::IQ4_XS, 256, 136}};
    for (const Facts& facts : all) {
        const std::vector<std::byte> block(facts.bytes);
        const GgufFile file = openOrThrow(GgufBuilder().tensor("t", facts.dtype, {facts.elements}, block));
        EXPECT_EQ(file.tensors()[0].bytes, facts.bytes) << facts.number;
        EXPECT_EQ(file.tensors()[0].dtype, facts.dtype);
        EXPECT_EQ(ggmlTypeNumber(facts.dtype), facts.number);
        EXPECT_EQ(dtypeOfGgmlType(facts.number), facts.dtype);
    }
}

TEST(GgufFile, AcceptsAVocabularyOnlyFileThatEndsAfterItsKeys) {
    std::vector<std::byte> bytes = GgufBuilder().set("a", "b").bytes();
    while (bytes.back() == std::byte{0}) bytes.pop_back();  // no padding: there is no data to align
    EXPECT_TRUE(GgufFile::fromBytes(bytes, "vocab.gguf").has_value());
}

TEST(GgufFile, SaysWhatIsWrongWithAPathThatIsNoFile) {
    const auto missing = GgufFile::open("/nonexistent/model.gguf");
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().code, ErrorCode::NotFound);
    EXPECT_THAT(missing.error().message, HasSubstr("/nonexistent/model.gguf"));
    const auto folder = GgufFile::open("/");
    ASSERT_FALSE(folder);
    EXPECT_EQ(folder.error().code, ErrorCode::Io);
    EXPECT_THAT(folder.error().message, HasSubstr("not a regular file"));
}

}  // namespace
}  // namespace engine
