#pragma once

#include <filesystem>
#include <string>

#include "tests/engine/support/tiny_model.h"

namespace engine::testing {

/// A random model small enough for a step a millisecond, with a byte-level BPE vocabulary of 416 ids (all
/// bytes, the pairs and words of a few English sentences, <|endoftext|>, <|im_start|> and <|im_end|>) and
/// the ChatML template. What it says is noise, but it is the same noise on every machine.
TinyModel tinyChatShape();

/// Such a file on disk, in a folder of its own that goes when the object does.
class TinyChatModel {
  public:
    explicit TinyChatModel(TinyModel shape = tinyChatShape());
    TinyChatModel(const TinyChatModel&) = delete;
    TinyChatModel& operator=(const TinyChatModel&) = delete;
    ~TinyChatModel();

    const std::filesystem::path& path() const { return path_; }
    /// For whatever else a test writes.
    std::filesystem::path folder() const { return path_.parent_path(); }

  private:
    std::filesystem::path path_;
};

}  // namespace engine::testing
