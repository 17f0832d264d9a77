#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "engine/gguf/gguf_file.h"
#include "tests/engine/support/gguf_builder.h"

namespace engine {
namespace {

namespace fs = std::filesystem;
using testing::GgufBuilder;
using ::testing::HasSubstr;

class GgufShards : public ::testing::Test {
  protected:
    void SetUp() override {
        std::string pattern = (fs::temp_directory_path() / "alcove-shards-XXXXXX").string();
        ASSERT_NE(mkdtemp(pattern.data()), nullptr);
        folder_ = pattern;
    }
    void TearDown() override { fs::remove_all(folder_); }

    fs::path path(const std::string& name) const { return folder_ / name; }

    static GgufBuilder shard(uint16_t number, uint16_t count, const std::string& tensor) {
        GgufBuilder builder;
        builder.set("split.no", number).set("split.count", count);
        if (number == 0) builder.set("general.name", "whole");
        builder.tensor(tensor, {2}, {static_cast<float>(number), 1});
        return builder;
    }
    std::string messageOf(const std::string& name) const {
        const auto file = GgufFile::open(path(name));
        return file ? "it was accepted" : file.error().message;
    }

    fs::path folder_;
};

TEST_F(GgufShards, TheFirstShardOpensItsSiblings) {
    for (uint16_t i = 0; i < 3; ++i) {
        shard(i, 3, fmt::format("t{}", i)).write(path(fmt::format("m-{:05}-of-00003.gguf", i + 1)));
    }
    const auto file = GgufFile::open(path("m-00001-of-00003.gguf"));
    ASSERT_TRUE(file) << file.error().message;
    ASSERT_EQ(file->tensors().size(), 3u);
    for (size_t i = 0; i < 3; ++i) {
        EXPECT_EQ(file->tensors()[i].name, fmt::format("t{}", i));
        EXPECT_EQ(*reinterpret_cast<const float*>(file->tensors()[i].data), static_cast<float>(i));
    }
    EXPECT_EQ(file->string("general.name"), "whole");
    uint64_t bytes = 0;
    for (const auto& entry : fs::directory_iterator(folder_)) bytes += entry.file_size();
    EXPECT_EQ(file->fileBytes(), bytes);
}

TEST_F(GgufShards, AMissingSiblingIsNamed) {
    shard(0, 2, "a").write(path("m-00001-of-00002.gguf"));
    EXPECT_THAT(messageOf("m-00001-of-00002.gguf"), HasSubstr("m-00002-of-00002.gguf"));
}

TEST_F(GgufShards, ALaterShardAsksForTheFirst) {
    shard(1, 2, "a").write(path("m-00002-of-00002.gguf"));
    EXPECT_THAT(messageOf("m-00002-of-00002.gguf"), HasSubstr("open the first shard"));
}

TEST_F(GgufShards, ARenamedFirstShardSaysHowItMustBeCalled) {
    shard(0, 2, "a").write(path("renamed.gguf"));
    EXPECT_THAT(messageOf("renamed.gguf"), HasSubstr("-00001-of-00002.gguf"));
}

TEST_F(GgufShards, ASiblingOfAnotherSplitIsRefused) {
    shard(0, 2, "a").write(path("m-00001-of-00002.gguf"));
    shard(1, 3, "b").write(path("m-00002-of-00002.gguf"));
    EXPECT_THAT(messageOf("m-00001-of-00002.gguf"), HasSubstr("split.count"));
    shard(0, 2, "b").write(path("m-00002-of-00002.gguf"));
    EXPECT_THAT(messageOf("m-00001-of-00002.gguf"), HasSubstr("split.no"));
}

TEST_F(GgufShards, TheSameTensorInTwoShardsIsRefused) {
    shard(0, 2, "same").write(path("m-00001-of-00002.gguf"));
    shard(1, 2, "same").write(path("m-00002-of-00002.gguf"));
    EXPECT_THAT(messageOf("m-00001-of-00002.gguf"), HasSubstr("'same'"));
}

TEST_F(GgufShards, AnAbsurdNumberOfShardsOpensNothing) {
    GgufBuilder().set("split.no", uint32_t{0}).set("split.count", uint32_t{4000000000}).write(path("m.gguf"));
    EXPECT_THAT(messageOf("m.gguf"), HasSubstr("split.count says 4000000000"));
}

TEST_F(GgufShards, AnEmptyFileIsCalledEmpty) {
    std::FILE* file = std::fopen(path("empty.gguf").c_str(), "w");
    ASSERT_NE(file, nullptr);
    std::fclose(file);
    EXPECT_THAT(messageOf("empty.gguf"), HasSubstr("is empty"));
}

}  // namespace
}  // namespace engine
