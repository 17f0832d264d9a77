#pragma once

#include <cuda_runtime.h>

#include "kernels/ops.h"

/// Attention through block tables. Decode and verify rows split their context into pieces of kSplitTokens, so
/// that one sequence fills the card, and merge the pieces in a fixed order (as Flash-Decoding does);
/// prefill rows go in tiles of queries over tiles of tokens with a running softmax (FlashAttention-2, Dao
/// 2023).
namespace kernels::detail {

struct ActivationView;

inline constexpr int kSplitTokens = 128;

/// Floats of workspace that attendDecode needs.
size_t decodeAttentionFloats(int rows, int numHeads, int valueDim, int maxContextLength);

/// Rows [0, rows.rows.decode). `workspace` holds decodeAttentionFloats.
void attendDecode(const ActivationView& out, const float* query, int queryStride, const KvLayer& layer,
                  const StepRows& rows, const BlockTables& tables, const AttentionShape& shape,
                  float* workspace, cudaStream_t stream);

/// Whether a layer's decode rows go through attendUnits: as attendDecode.
bool attendsInUnits(const KvLayer& layer);
void attendUnits(const ActivationView& out, const float* query, int queryStride, const KvLayer& layer,
                 const StepRows& rows, const BlockTables& tables, const AttentionShape& shape,
                 float* workspace, cudaStream_t stream);

/// Whether this card and a step have attendClusters: ropeStore and attendDecode in one, bit for bit.
bool attendsInClusters(const RopeStore& store, const KvLayer& layer, const StepRows& rows);
void attendClusters(const ActivationView& out, const RopeStore& store, const KvLayer& layer,
                    const StepRows& rows, const BlockTables& tables, const AttentionShape& shape,
                    cudaStream_t stream);

/// Floats of workspace that attendPrefill needs beside its result of the rows; few different numbers.
size_t prefillPartialFloats(int numHeads, int valueDim, int maxContextLength, int window);
/// All that it needs.
size_t prefillAttentionFloats(const StepRows& rows, int numHeads, int valueDim, int window);

/// The rows after the decode rows, into the same rows of `out`. `workspace` holds prefillAttentionFloats.
void attendPrefill(const ActivationView& out, const float* query, int queryStride, const KvLayer& layer,
                   const StepRows& rows, const BlockTables& tables, const AttentionShape& shape,
                   float* workspace, cudaStream_t stream);

}  // namespace kernels::detail
