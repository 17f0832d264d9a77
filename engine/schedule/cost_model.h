#pragma once

#include <array>
#include <chrono>

namespace engine {

/// What a chunk of prompt rows asks of a layer.
struct ChunkShape {
    double rows = 0.0;
    double depth = 0.0;  ///< tokens before its rows, summed over its sequences
    double reach = 0.0;  ///< tokens that its rows attend to, summed over the rows

    /// The rows of one more sequence, `count` of them after `first` tokens.
    void add(int first, int count);
};

/// Microseconds that one layer takes for a chunk: fixed + row * rows + token * depth + rowToken * reach.
/// Weights are unpacked once a chunk (fixed); at great depth keys and values are read once for a few rows
/// (token), and each row's products count (rowToken). Of up to fewRows rows, for which a device need not
/// unpack its weights, the first two terms are few + fewRow * rows.
struct LayerCosts {
    double fixed = 0.0, row = 0.0, token = 0.0, rowToken = 0.0;
    int fewRows = 0;
    double few = 0.0, fewRow = 0.0;

    bool isKnown() const { return fixed + row > 0.0; }
    double micros(const ChunkShape& shape) const;
    /// Rows after `first` tokens that `shape` can take on within `micros`; 0 to `most`.
    int rowsWithin(double micros, const ChunkShape& shape, int first, int most) const;
};

/// What steps cost, learned from the steps that ran: the time of a step of n decode rows, and of a layer of
/// prompt rows. Running averages, so that they follow a context that grows. Engine thread only.
class CostModel {
  public:
    /// What was measured before any step ran.
    void setLayer(const LayerCosts& measured) { layer_ = measured; }
    void observeDecode(int rows, std::chrono::nanoseconds took);
    void observeLayers(const ChunkShape& shape, int layers, std::chrono::nanoseconds took);

    const LayerCosts& layer() const { return layer_; }
    /// Of a step with decode rows only; the nearest known number of rows, 0 while none is.
    double decodeStepMicros(int rows) const;

  private:
    static constexpr int kMostRows = 64;
    std::array<double, kMostRows + 1> decodeStep_{};  ///< by rows
    LayerCosts layer_;
};

}  // namespace engine
