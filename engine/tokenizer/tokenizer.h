#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/error.h"

namespace engine {

class GgufFile;
class SpecialMatcher;
struct ByteRange;
struct Vocabulary;

using TokenId = int32_t;

/// A stretch of a prompt. Where `special` is set (a template's own text, a raw prompt) control tokens written
/// out in it become those tokens; elsewhere (message content) they are text like any other.
struct TextPiece {
    std::string_view text;
    bool special = false;
};

/// How one kind of tokenizer differs from another around the text itself.
struct TokenizerTraits {
    bool addsBos = false;
    bool addsSpacePrefix = false;         ///< each stretch of text is encoded as if a space came first
    bool splitsAtUserDefined = false;     ///< user-defined tokens are found before the text is encoded
    bool controlTakesSpaceAfter = false;  ///< white space after a special token belongs to it (Phi-3)
};

/// Text to token ids and back, for one vocabulary. Immutable after load: safe from any thread.
///
/// Encoding never fails: every UTF-8 text round-trips byte for byte through `decode(encode(text, false,
/// false))`, and bytes that are not UTF-8 are encoded as they are where the vocabulary can (byte-level BPE)
/// and as U+FFFD where it cannot (SentencePiece). Near linear in the text's length, whatever the text.
/// Two things a vocabulary itself may lack, and then ids follow the tokenizer that made it: a token for some
/// control byte (SmolLM2 has none for 0x02; it is left out), and any way to write U+2581, which SentencePiece
/// spells a space with (it comes back as a space).
class Tokenizer {
  public:
    /// Reads `tokenizer.ggml.*`. Copies what it needs: the file may be closed afterwards. Fails: NotFound (no
    /// vocabulary), InvalidFile, Unsupported (a tokenizer model or a `pre` that is not known, by its name).
    static Result<std::shared_ptr<const Tokenizer>> load(const GgufFile& file);

    Tokenizer(const Tokenizer&) = delete;
    Tokenizer& operator=(const Tokenizer&) = delete;
    virtual ~Tokenizer();

    /// `addBos`: put BOS first when the vocabulary asks for it (`addsBos()`). EOS is never added here.
    /// User-defined tokens are recognised even if `recogniseSpecial` is off, as the tokenizers that made the
    /// vocabularies do.
    std::vector<TokenId> encode(std::string_view text, bool recogniseSpecial, bool addBos) const;
    /// The pieces' texts are joined and encoded as one text, split only by special tokens: borders between
    /// pieces do not show in the ids. A control token is recognised only where all its bytes lie in special
    /// pieces; user-defined tokens (which stand for ordinary text) are recognised everywhere.
    std::vector<TokenId> encode(std::span<const TextPiece> pieces, bool addBos) const;

    /// The text of the ids; control tokens are left out unless `renderSpecial`. Ids outside the vocabulary
    /// are left out. May hold incomplete UTF-8 when the ids end inside a character. A SentencePiece
    /// vocabulary that adds a space before the text loses that one space again.
    std::string decode(std::span<const TokenId> ids, bool renderSpecial = false) const;

    /// The raw bytes of one token as it stands inside a text; maybe part of a character. Empty for control
    /// tokens and for ids outside the vocabulary. Lives as long as the tokenizer.
    std::string_view pieceBytes(TokenId id) const;

    /// The token as the vocabulary spells it (byte-level BPE in its printable alphabet). Empty if there is
    /// none.
    std::string_view tokenText(TokenId id) const;
    /// The token with exactly this spelling in the vocabulary.
    std::optional<TokenId> idOf(std::string_view tokenText) const;

    bool isControl(TokenId id) const;  ///< never shown: BOS, turn markers, padding
    /// A special token that was found before the text was encoded: a new stretch of text begins after it, and
    /// no space was added in front of it.
    bool splitsText(TokenId id) const;
    bool isEndOfGeneration(TokenId id) const;  ///< a reply ends here
    /// Ascending; may be empty.
    const std::vector<TokenId>& endOfGenerationTokens() const;
    std::optional<TokenId> bos() const;
    std::optional<TokenId> eos() const;
    bool addsBos() const;
    bool addsEos() const;
    /// decode() drops one space where a stretch of text begins (SentencePiece with `add_space_prefix`).
    bool stripsLeadingSpace() const;

    int32_t vocabularySize() const;
    /// Equal only for vocabularies that give the same meaning to every id. Padding at the end does not count:
    /// 151,936 and 152,064 Qwen entries hash alike, so that a draft model can serve its bigger sibling.
    uint64_t vocabularyHash() const;
    std::string_view model() const;  ///< `tokenizer.ggml.model`: "gpt2" or "llama"
    std::string_view pre() const;    ///< `tokenizer.ggml.pre`, empty if absent

  protected:
    Tokenizer(std::unique_ptr<const Vocabulary> vocabulary, TokenizerTraits traits);

    /// Appends the ids of a stretch of text between special tokens. `text` is not empty. Any thread.
    virtual void encodeText(std::string_view text, std::vector<TokenId>& out) const = 0;

    const Vocabulary& vocabulary() const { return *vocabulary_; }

  private:
    std::vector<TokenId> encodeRanges(std::string_view text, std::span<const ByteRange> special, bool raw,
                                      bool addBos) const;
    bool takesSpaceAfter(TokenId id) const;

    std::unique_ptr<const Vocabulary> vocabulary_;
    TokenizerTraits traits_;
    std::unique_ptr<SpecialMatcher> matcher_;
    uint64_t hash_;
};

}  // namespace engine
