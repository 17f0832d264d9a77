#pragma once

#include <map>
#include <optional>

#include "engine/speculate/drafter.h"
#include "engine/speculate/ngram_index.h"

namespace engine {

/// Drafts what followed when the conversation's last tokens stood there before: no model needed, and right
/// where a reply quotes, edits or lists what it was given. By setting, text of other chats is looked up too
/// when the conversation itself knows nothing; a draft only ever changes when text comes, never which.
class NgramDrafter final : public Drafter {
  public:
    explicit NgramDrafter(bool fromOtherChats) : fromOtherChats_(fromOtherChats) {}

    std::vector<std::vector<TokenId>> propose(std::span<const DraftRequest> requests) override;
    void forget(const Sequence& sequence) override;
    /// Drops the text of other chats, all of it: one of them is deleted, and whose a text is is not kept.
    void eraseOthers() { others_ = NgramIndex(); }

    /// A proposal and how many tokens before it agreed with the conversation's end, 0 where there is none:
    /// the longer, the likelier it goes on agreeing.
    struct Found {
        std::vector<TokenId> tokens;
        int matched = 0;
    };
    Found find(const Sequence& sequence, int most);
    /// Whether find may find something once one more token, whatever it is, is there.
    bool mayFind(const Sequence& sequence);

  private:
    NgramIndex& indexOf(const Sequence& sequence);
    static constexpr size_t kOtherTokens = 1U << 20;  ///< other chats' text kept, about 160 bytes a token

    bool fromOtherChats_;
    std::map<uint64_t, NgramIndex> indices_;  ///< of each sequence
    NgramIndex others_;
};

}  // namespace engine
