#pragma once

#include "kernels/cuda/attention_split.cuh"
#include "kernels/cuda/attention_unit.cuh"
#include "kernels/cuda/kv_row.cuh"

/// What the kernels that attend in units share (attention_units.cu, attention_clusters.cu): what they are
/// told, which unit a warp has, and that unit's tokens.
namespace kernels::detail {

inline constexpr int kUnitsPerBlock = 4;

/// What every such kernel is told.
struct UnitArguments {
    const float* query;
    int queryStride;
    KvLayer layer;
    StepRows rows;
    BlockTables tables;
    SplitShape shape;
    RopeStore store;  ///< of clusters
};

/// Which row and heads a block has: blockIdx.y counts KV heads and their chunks of query heads, blockIdx.z
/// rows.
struct UnitPlace {
    int row, position, kvHead, firstHead, heads;
    const int32_t* blocks;

    __device__ __forceinline__ explicit UnitPlace(const UnitArguments& args)
        : row(static_cast<int>(blockIdx.z)), position(args.rows.positions[row]) {
        const SplitShape& shape = args.shape;
        const int chunks = ceilDiv(shape.groupHeads, shape.headsPerBlock);
        const int chunk = static_cast<int>(blockIdx.y) % chunks;
        kvHead = static_cast<int>(blockIdx.y) / chunks;
        firstHead = kvHead * shape.groupHeads + chunk * shape.headsPerBlock;
        heads = min(shape.headsPerBlock, shape.groupHeads - chunk * shape.headsPerBlock);
        blocks =
            args.tables.blocks + args.tables.start[sequenceOf(args.rows.rowStart, args.rows.sequences, row)];
    }
};

/// The tokens of one warp's unit, 16 at a time.
template <KvType T, int kDim>
class UnitTokens {
  public:
    using Rows = typename AttentionUnit<T, kDim>::Rows;

    __device__ __forceinline__ UnitTokens(const UnitArguments& args, const UnitPlace& place,
                                          const UnitRange& range, int index)
        : args_(args),
          place_(place),
          firstVisible_(range.firstVisible),
          begin_(index * range.tokens),
          end_(min(begin_ + range.tokens, place.position + 1)) {
        // At most eight blocks of 16 tokens: ask for all their numbers at once.
        const int own = begin_ + static_cast<int>(threadIdx.x % 32) * 16;
        number_ = own + 16 > firstVisible_ && own < end_ ? place.blocks[own / args.layer.blockTokens] : 0;
    }
    __device__ __forceinline__ int first() const { return max(begin_, firstVisible_ / 16 * 16); }
    __device__ __forceinline__ int end() const { return end_; }
    /// Which of the 16 tokens from `first` on are seen.
    __device__ __forceinline__ int seenFrom(int first) const { return max(0, firstVisible_ - first); }
    __device__ __forceinline__ int seenTo(int first) const { return min(16, end_ - first); }
    __device__ __forceinline__ void load(Rows& rows, int first) const {
        const KvLayer& layer = args_.layer;
        const int block = __shfl_sync(0xffffffffU, number_, (first - begin_) / 16);
        const HeadRows at = headRows(layer, block, place_.kvHead);
        const int within = first % layer.blockTokens;
        AttentionUnit<T, kDim>::load(rows, at.keys + within * layer.keyRowBytes(),
                                     at.values + within * layer.valueRowBytes(), seenFrom(first),
                                     seenTo(first));
    }

  private:
    const UnitArguments& args_;
    const UnitPlace& place_;
    int firstVisible_, begin_, end_, number_;
};

template <int kDim>
__device__ __forceinline__ void scaleQueries(float (&values)[kDim / 32][8], float scale) {
#pragma unroll
    for (int i = 0; i < kDim / 32; ++i)
#pragma unroll
        for (int j = 0; j < 8; ++j) values[i][j] = __fmul_rn(values[i][j], scale);
}

/// The queries of the lane's head; null: it has none.
template <int kDim>
__device__ __forceinline__ const float* queryOf(const UnitArguments& args, const UnitPlace& place) {
    const int g = static_cast<int>(threadIdx.x % 32) / 4;
    return g < place.heads
               ? args.query + static_cast<size_t>(place.row) * args.queryStride + (place.firstHead + g) * kDim
               : nullptr;
}

/// A row's units are added in sixteen runs: run r has the units r, r + 16, … of those in sight, and the runs
/// are added in order, so a row's sums depend on its position alone.
inline constexpr int kRuns = 16;

/// Calls launch with the type and the head's size.
template <class Launch>
void dispatchUnits(const KvLayer& layer, Launch&& launchUnits) {
    const auto withType = [&]<KvType T>() {
        if (layer.keyDim == 64) return launchUnits.template operator()<T, 64>();
        return launchUnits.template operator()<T, 128>();
    };
    if (layer.type == KvType::F16)
        withType.template operator()<KvType::F16>();
    else if (layer.type == KvType::Q8_0)
        withType.template operator()<KvType::Q8_0>();
    else
        withType.template operator()<KvType::Q4_0>();
}

inline UnitArguments argumentsOf(const float* query, int queryStride, const KvLayer& layer,
                                 const StepRows& rows, const BlockTables& tables, const AttentionShape& shape,
                                 const RopeStore& store) {
    const int groupHeads = shape.numHeads / layer.numKvHeads;
    const int chunks = ceilDiv(groupHeads, 8), perWarp = ceilDiv(groupHeads, chunks);
    const SplitShape split{shape.numHeads, groupHeads,  perWarp,      unitCapacity(rows.maxContextLength),
                           shape.window,   shape.scale, shape.softcap};
    return {query, queryStride, layer, rows, tables, split, store};
}

inline dim3 gridOf(const UnitArguments& args) {
    const int chunks = ceilDiv(args.shape.groupHeads, args.shape.headsPerBlock);
    return {static_cast<unsigned>(ceilDiv(args.shape.splits, kUnitsPerBlock)),
            static_cast<unsigned>(args.layer.numKvHeads * chunks),
            static_cast<unsigned>(args.rows.rows.decode)};
}

}  // namespace kernels::detail
