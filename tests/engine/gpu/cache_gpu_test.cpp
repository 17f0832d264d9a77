#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "engine/kv/tier_stack.h"
#include "engine/runtime/device.h"
#include "kernels/cuda_plugin.h"
#include "tests/engine/support/engine_driver.h"
#include "tests/engine/support/model_runner.h"
#include "tests/engine/support/tiny_shapes.h"

/// The prefix cache, its tiers and pausing prompts on a card.
namespace engine {
namespace {

namespace fs = std::filesystem;
using testing::EngineDriver;
using testing::ModelRunner;
using testing::TinyChatModel;
using testing::TinyModel;

TinyModel shape(int layers = 4) {
    TinyModel shape = testing::tinyChatShape();
    shape.layers = layers;
    return shape;
}
size_t blockBytes(const TinyModel& shape) {
    return static_cast<size_t>(shape.layers) * 16 * static_cast<size_t>(shape.kvHeads * shape.headDim) * 2 *
           2;
}
EngineOptions onTheCard(const TinyChatModel& model) {
    EngineOptions options = EngineDriver::options(model);
    options.device = DeviceChoice::Cuda;
    options.speculate = SpeculationMode::Off;
    return options;
}
GenerateRequest question(int chat, int newTokens = 60) {
    GenerateRequest request = EngineDriver::ask(
        "question number " + std::to_string(chat) + ", and what do you say to that?", newTokens, 0.8F);
    request.sampling.seed = static_cast<uint64_t>(chat);
    return request;
}

TEST(CacheOnTheCard, PreemptedSequencesResumeBitExactly) {
    const TinyChatModel model(shape());
    EngineDriver roomy(onTheCard(model));
    std::vector<std::vector<TokenId>> expected;
    for (int i = 0; i < 4; ++i) expected.push_back(roomy.run(question(i, 150)).ids);
    for (const bool cache : {true, false}) {
        EngineOptions tight = onTheCard(model);
        tight.kvBytes = 25 * blockBytes(shape());
        tight.prefixCache = cache;
        EngineDriver driver(tight);
        std::vector<RequestId> ids;
        for (int i = 0; i < 4; ++i) ids.push_back(driver.engine->submit(question(i, 150)));
        for (int i = 0; i < 4; ++i)
            EXPECT_EQ(driver.run(ids[static_cast<size_t>(i)]).ids, expected[static_cast<size_t>(i)]);
        EXPECT_GT(driver.engine->stats().preemptions, 0);
        driver.engine->checkIntegrity();
    }
}

TEST(CacheOnTheCard, PromptsPauseBetweenLayersForRunningRepliesAndNoByteChanges) {
    const TinyChatModel model(shape(6));
    EngineOptions whole = onTheCard(model), pausing = whole;
    whole.prefillShare = whole.prefillMicros = 0.0;
    pausing.prefillShare = 1e-9;
    EngineDriver plain(whole), paused(pausing);
    const GenerateRequest story = question(100, 400);
    const auto expectedStory = plain.run(story).ids;
    const RequestId running = paused.engine->submit(story);
    while (paused.outcomes[running].ids.size() < 10) paused.step();
    for (int i = 0; i < 5; ++i) {
        const auto expected = plain.run(question(i, 20)).ids;
        const size_t before = paused.outcomes[running].ids.size();
        EXPECT_EQ(paused.run(question(i, 20)).ids, expected);
        EXPECT_GE(paused.outcomes[running].ids.size() - before, 20U + 6U - 1U) << "a token for each layer";
    }
    EXPECT_EQ(paused.run(running).ids, expectedStory);
    paused.engine->checkIntegrity();
}

TEST(CacheOnTheCard, OnAgainstOffDiffersByLittleInMeanLogProbability) {
    // With the cache a later turn finds its reply's rows as decode steps stored them, without it as rows of a
    // prompt: two families of kernels.
    testing::RunnerOptions options;
    options.kvType = KvType::F16;
    options.makeDevice = [] { return kernels::makeCudaOps(); };
    TinyModel tiny = shape();
    tiny.vocabulary = 416;
    double warmSum = 0.0, coldSum = 0.0, apart = 0.0;
    size_t count = 0;
    for (const uint64_t seed : {1U, 2U, 3U, 4U, 5U, 6U}) {
        const auto ids = testing::tinyIds(300, tiny.vocabulary, seed);
        const auto part = [&](int from, int to) {
            return std::vector<int32_t>(ids.begin() + from, ids.begin() + to);
        };
        ModelRunner on(tiny, options), off(tiny, options);
        on.step({{0, part(0, 100)}});
        for (int at = 100; at < 220; ++at) on.step({{0, part(at, at + 1), true}});
        const auto warm = on.step({{0, part(220, 300)}});
        const auto all = off.step({{0, part(0, 300)}});
        const std::vector<float> cold(all.begin() + 220 * tiny.vocabulary, all.end());
        const auto a = testing::negativeLogLikelihoods(warm, part(220, 300), tiny.vocabulary),
                   b = testing::negativeLogLikelihoods(cold, part(220, 300), tiny.vocabulary);
        ASSERT_EQ(a.size(), b.size());
        count += a.size();
        for (size_t i = 0; i < a.size(); ++i) {
            warmSum += a[i];
            coldSum += b[i];
            apart += std::abs(a[i] - b[i]);
        }
    }
    // Single tokens lie further apart: activations of a decode row have eight bits, and random weights have
    // no favourites.
    RecordProperty("apart", std::to_string(apart / static_cast<double>(count)));
    EXPECT_LE(std::abs(warmSum - coldSum) / static_cast<double>(count), 0.02);
}

TEST(CacheOnTheCard, PausesAndChunksChangeNoBitOfTheKv) {
    testing::RunnerOptions options;
    options.kvType = KvType::F16;
    options.makeDevice = [] { return kernels::makeCudaOps(); };
    TinyModel tiny = shape(6);
    tiny.vocabulary = 416;
    const auto ids = testing::tinyIds(400, tiny.vocabulary, 4),
               other = testing::tinyIds(40, tiny.vocabulary, 5);
    const auto part = [](const std::vector<int32_t>& all, int from, int to) {
        return std::vector<int32_t>(all.begin() + from, all.begin() + to);
    };
    ModelRunner whole(tiny, options), paused(tiny, options);
    for (ModelRunner* one : {&whole, &paused}) one->step({{0, part(other, 0, 20)}});
    const auto expected = whole.step({{1, ids}});
    int at = 20;
    std::vector<float> got;
    for (int first = 0; first < 400; first += 80) {
        paused.begin({{1, part(ids, first, first + 80)}});
        for (std::optional<std::vector<float>> logits; !logits;) {
            logits = paused.advance(1 + first / 80 % 3);
            if (logits) got.insert(got.end(), logits->begin(), logits->end());
            if (at < 40) paused.step({{0, part(other, at, at + 1), true}}), ++at;
        }
    }
    ASSERT_EQ(got.size(), expected.size());
    EXPECT_EQ(std::memcmp(got.data(), expected.data(), got.size() * sizeof(float)), 0);
}

TEST(CacheOnTheCard, WhatIsEvictedComesBackFromHostMemoryAndFromTheDiskBitByBit) {
    std::string folder = (fs::temp_directory_path() / "alcove-gpu-tiers-XXXXXX").string();
    const fs::path root = mkdtemp(folder.data());
    {
        const auto ops = kernels::makeCudaOps();
        std::vector<KvBlockPool> pools;
        pools.emplace_back(*ops, KvGroupLayout{KvGroupKind::Full, {0, 1, 2}, 0, 2, 64, 64, KvType::F16, 16},
                           12);
        KvBlockPool& pool = pools[0];
        const size_t one = pool.layout().bytesPerBlock();
        // Room for six of the ten blocks in host memory; the others go on to the disk.
        TierStack tiers(std::make_unique<HostTier>(6 * one), std::make_unique<DiskTier>(root, 7, 1U << 30),
                        std::make_unique<HostArena>(*ops));
        RadixCache cache(*ops, pools, &tiers);
        std::vector<TokenId> tokens(161);
        for (size_t i = 0; i < tokens.size(); ++i) tokens[i] = static_cast<TokenId>(i);
        const auto layerBytes = pool.layer(0).blockBytes();
        const auto pattern = [&](int block, int layer) {
            std::vector<std::byte> bytes(layerBytes);
            for (size_t i = 0; i < bytes.size(); ++i)
                bytes[i] = static_cast<std::byte>(i * 7 + static_cast<size_t>(block * 31 + layer * 131));
            return bytes;
        };
        {
            RadixCache::Match match = cache.match(1, tokens);
            ASSERT_TRUE(match.tables[0].reserve(160, 0));
            for (int block = 0; block < 10; ++block)
                for (int layer = 0; layer < 3; ++layer)
                    ops->upload(
                        pool.layer(layer).base +
                            static_cast<size_t>(match.tables[0].blocks()[static_cast<size_t>(block)]) *
                                layerBytes,
                        pattern(block, layer).data(), layerBytes);
            cache.extend(match.lock, std::span(tokens).first(160), match.tables, true);
        }
        ASSERT_TRUE(cache.makeRoom(0, 12)) << "everything is evicted";
        EXPECT_EQ(tiers.host()->blocks(), 6);
        EXPECT_EQ(tiers.disk()->blocks(), 4);
        RadixCache::Match back = cache.match(1, tokens);
        EXPECT_EQ(back.tokens, 160);
        EXPECT_NE(back.uploads, 0U) << "it is copied aside";
        cache.awaitUploads();
        EXPECT_TRUE(cache.isThere(back.uploads));
        for (int block = 0; block < 10; ++block)
            for (int layer = 0; layer < 3; ++layer) {
                std::vector<std::byte> bytes(layerBytes);
                ops->download(
                    bytes.data(),
                    pool.layer(layer).base +
                        static_cast<size_t>(back.tables[0].blocks()[static_cast<size_t>(block)]) * layerBytes,
                    layerBytes);
                EXPECT_TRUE(bytes == pattern(block, layer)) << "block " << block << ", layer " << layer;
            }
        cache.checkIntegrity();
    }
    fs::remove_all(root);
}

TEST(CacheOnTheCard, ChatsComeBackFromTheirTiersWithTheSameBytes) {
    std::string folder = (fs::temp_directory_path() / "alcove-gpu-chats-XXXXXX").string();
    const fs::path root = mkdtemp(folder.data());
    const TinyChatModel model(shape());
    EngineOptions tight = onTheCard(model);
    tight.kvBytes = 30 * blockBytes(shape());
    tight.hostCacheBytes = 64U << 20;
    tight.diskCache = root / "cache";
    EngineDriver roomy(onTheCard(model));
    std::vector<GenerateRequest> requests;
    for (int chat = 0; chat < 6; ++chat) requests.push_back(question(chat));
    for (int restart = 0; restart < 2; ++restart) {
        EngineDriver driver(tight);
        for (int turn = 0; turn < 2; ++turn)
            for (GenerateRequest& request : requests) {
                const auto& expected = roomy.run(request);
                ASSERT_EQ(driver.run(request).ids, expected.ids)
                    << "restart " << restart << ", turn " << turn;
                request = EngineDriver::next(request, expected, "and then?");
            }
        driver.engine->checkIntegrity();
        RecordProperty("restored_" + std::to_string(restart),
                       static_cast<int>(driver.engine->stats().restoredBlocks));
    }
    fs::remove_all(root);
}

}  // namespace
}  // namespace engine
