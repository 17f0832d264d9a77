#include "engine/speculate/ngram_drafter.h"

namespace engine {

/// The sequence's, up to its last token.
NgramIndex& NgramDrafter::indexOf(const Sequence& sequence) {
    NgramIndex& index = indices_[sequence.id];
    index.append(std::span(sequence.tokens).subspan(index.tokens().size()));
    return index;
}

bool NgramDrafter::mayFind(const Sequence& sequence) {
    return indexOf(sequence).mayFindNext(sequence.tokens) ||
           (fromOtherChats_ && others_.mayFindNext(sequence.tokens));
}

NgramDrafter::Found NgramDrafter::find(const Sequence& sequence, int most) {
    const NgramIndex& index = indexOf(sequence);
    const std::span<const TokenId> tokens(sequence.tokens);
    const NgramIndex* source = &index;
    NgramIndex::Match match = index.find(tokens);
    if (fromOtherChats_) {
        const NgramIndex::Match other = others_.find(tokens);
        if (other.length > match.length) {
            match = other;
            source = &others_;
        }
    }
    if (match.next < 0) return {};
    const auto known = source->continuation(match.next, most);
    Found found{{known.begin(), known.end()}, match.length};
    // A text that repeats itself goes on from what is being drafted once the known text ends.
    if (source == &index)
        for (size_t i = 0; !found.tokens.empty() && found.tokens.size() < static_cast<size_t>(most); ++i)
            found.tokens.push_back(found.tokens[i]);
    return found;
}

std::vector<std::vector<TokenId>> NgramDrafter::propose(std::span<const DraftRequest> requests) {
    std::vector<std::vector<TokenId>> proposals;
    for (const DraftRequest& request : requests)
        proposals.push_back(find(*request.sequence, request.most).tokens);
    return proposals;
}

void NgramDrafter::forget(const Sequence& sequence) {
    indices_.erase(sequence.id);
    if (!fromOtherChats_) return;
    if (others_.tokens().size() + sequence.tokens.size() > kOtherTokens) others_ = NgramIndex();
    others_.separate();
    others_.append(sequence.tokens);
}

}  // namespace engine
