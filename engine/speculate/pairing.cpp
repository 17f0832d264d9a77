#include "engine/speculate/pairing.h"

#include <algorithm>

namespace engine {

Result<void> checkPairing(const Tokenizer& target, const Tokenizer& draft) {
    // Equal hashes cover every token and the ids they stand at, without the padding.
    if (target.vocabularyHash() == draft.vocabularyHash()) return {};
    constexpr const char* kAdvice = "choose a draft of the same model family, or leave --draft out";
    if (target.model() != draft.model() || target.pre() != draft.pre())
        return fail(ErrorCode::Unsupported,
                    "the draft model does not fit: its tokenizer is '{}' ('{}') and the target's '{}' "
                    "('{}'); {}",
                    draft.model(), draft.pre(), target.model(), target.pre(), kAdvice);
    const TokenId both = std::min(target.vocabularySize(), draft.vocabularySize());
    for (TokenId id = 0; id < both; ++id)
        if (target.tokenText(id) != draft.tokenText(id))
            return fail(ErrorCode::Unsupported,
                        "the draft model does not fit: its token {} is '{}' and the target's '{}'; {}", id,
                        draft.tokenText(id), target.tokenText(id), kAdvice);
    return fail(ErrorCode::Unsupported,
                "the draft model does not fit: it has {} tokens and the target {}, and the further ones are "
                "not padding; {}",
                draft.vocabularySize(), target.vocabularySize(), kAdvice);
}

}  // namespace engine
