#pragma once

#include <functional>
#include <memory>
#include <span>

#include "engine/error.h"
#include "engine/kv/kv_block_pool.h"
#include "engine/model/batch.h"
#include "engine/model/model_config.h"

namespace engine {

class GgufFile;

struct TransformerLimits {
    int maxRows = 512;      ///< rows of a step
    int maxLogitRows = 64;  ///< rows of a step whose logits are wanted
    int maxSequences = 64;
    int maxContext = 4096;  ///< tokens of one sequence
};

/// Called now and then while weights are repacked; returns false to give up.
using LoadProgress = std::function<bool(size_t bytesDone, size_t bytesTotal)>;

/// The forward pass of a decoder-only transformer, written once over kernels::Ops. Owns its weights and
/// scratch on the device; the KV cache belongs to the caller. Engine thread only.
class Transformer {
  public:
    /// `file` must outlive the transformer. Missing or misshapen tensors are named; no room is OutOfMemory.
    static Result<std::unique_ptr<Transformer>> load(const GgufFile& file, const ModelConfig& config,
                                                     kernels::Ops& ops, const TransformerLimits& limits,
                                                     const LoadProgress& progress = {});
    virtual ~Transformer() = default;

    /// Computes the step: stores the KV of every row in the blocks its slots name (`pools` has one pool for
    /// each group of the layout) and returns device logits [batch.logitRows.size(), vocabulary], valid until
    /// the next call.
    virtual float* forward(const Batch& batch, std::span<KvBlockPool> pools) = 0;

    /// Begins a batch that goes through the layers a few at a time, in place of one begun before; forward may
    /// be called in between, as the batch's hidden state has memory of its own. The blocks that its slots and
    /// tables name must stay its own until it is through.
    virtual void begin(const Batch& batch) = 0;
    /// Up to `layers` more layers of what was begun. Null until the last is through, then its logits as
    /// forward gives them. The results are those of forward, bit by bit.
    virtual float* advance(int layers, std::span<KvBlockPool> pools) = 0;

    /// Device bytes of the scratch that load allocates and of the device's own workspace for such steps.
    static size_t workspaceBytes(const ModelConfig& config, const TransformerLimits& limits,
                                 const kernels::Ops& ops);

    virtual const ModelConfig& config() const = 0;
    virtual size_t weightBytes() const = 0;  ///< device bytes that a step of one row reads of weights
};

}  // namespace engine
