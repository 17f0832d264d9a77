#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "engine/gguf/gguf_file.h"
#include "engine/kv/kv_block_pool.h"
#include "engine/model/transformer.h"
#include "kernels/cpu/cpu_ops.h"
#include "tests/engine/support/tiny_model.h"

namespace engine::testing {

struct RunnerOptions {
    kernels::Compute compute = kernels::Compute::Float;
    int threads = 1;
    KvType kvType = KvType::F32;
    bool scatterBlocks = false;  ///< hand out blocks in an order that jumps about
    /// Empty: a CPU as the options above say.
    std::function<std::unique_ptr<kernels::Ops>()> makeDevice;
};

/// A tiny model on a device with its own KV pools: a transformer driven by hand, without scheduler or engine.
class ModelRunner {
  public:
    /// Some rows of one sequence in a step.
    struct Piece {
        int sequence;
        std::vector<int32_t> ids;
        bool decode = false;  ///< counts as decode rows; such pieces come first in a step
    };

    ModelRunner(const TinyModel& shape, const RunnerOptions& options);

    /// Runs the pieces as one batch, each continuing its sequence, and returns the logits
    /// [all rows of the step, vocabulary].
    std::vector<float> step(const std::vector<Piece>& pieces);

    /// The same a few layers at a time, with steps in between: the logits once the last layer is through.
    void begin(const std::vector<Piece>& pieces);
    std::optional<std::vector<float>> advance(int layers);

    /// Every byte of the KV pools.
    std::vector<std::byte> kv();

    /// A whole text on one new sequence, `chunk` ids a step (0: all at once). Logits [ids, vocabulary].
    std::vector<float> run(const std::vector<int32_t>& ids, int chunk = 0);

    /// The stored K and V of a sequence, token by token in a fixed order, whatever its blocks.
    std::vector<std::byte> kvOf(int sequence);

    int vocabulary() const { return config_.vocabulary; }
    const ModelConfig& config() const { return config_; }

  private:
    struct SequenceState {
        int length = 0;
        std::vector<std::vector<int32_t>> blocks;  ///< [groups][blocks]
    };
    static constexpr int kBlocks = 512;
    Batch batchOf(const std::vector<Piece>& pieces);
    std::vector<float> toHost(const float* logits, size_t rows);
    size_t begunRows_ = 0;

    std::unique_ptr<kernels::Ops> ops_;
    std::unique_ptr<GgufFile> file_;
    ModelConfig config_;
    std::unique_ptr<Transformer> transformer_;
    std::vector<KvBlockPool> pools_;
    std::vector<SequenceState> sequences_;
};

/// Negative log-likelihood, in double precision, of ids[i + 1] under row i.
std::vector<double> negativeLogLikelihoods(const std::vector<float>& logits, const std::vector<int32_t>& ids,
                                           int vocabulary);
int likeliest(const float* logits, int vocabulary);

}  // namespace engine::testing
