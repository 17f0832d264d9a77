#pragma once

#include <cstddef>
#include <filesystem>
#include <vector>

#include "engine/error.h"
#include "engine/gguf/gguf_parser.h"

namespace engine {

/// The files that make up a model whose first file is `first`: one for most, `NAME-00001-of-000NN.gguf` and
/// its siblings when the metadata says `split.count`. Existence is not checked. Fails (InvalidFile) when the
/// file's name and its split.* keys disagree, or when another shard than the first was asked for.
Result<std::vector<std::filesystem::path>> shardPaths(const std::filesystem::path& first,
                                                      const GgufDirectory& directory);

/// Whether `directory` is what the shard at `index` of `paths` must be: its split.no and split.count fit.
Result<void> checkShard(const GgufDirectory& directory, const std::vector<std::filesystem::path>& paths,
                        size_t index);

}  // namespace engine
