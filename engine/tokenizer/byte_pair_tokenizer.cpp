#include "engine/tokenizer/byte_pair_tokenizer.h"

#include <algorithm>
#include <array>
#include <utility>

#include "engine/gguf/gguf_file.h"
#include "engine/tokenizer/byte_alphabet.h"
#include "engine/tokenizer/pair_merger.h"
#include "engine/tokenizer/pre_tokenizers.h"
#include "engine/tokenizer/utf8.h"

namespace engine {
namespace {

constexpr std::string_view kMergesKey = "tokenizer.ggml.merges";
constexpr TokenId kNoToken = -1;

class BytePairTokenizer final : public Tokenizer {
  public:
    struct Parts {
        PreTokenizer words;
        PairMerger merger;
        std::array<TokenId, 256> byteTokens{};  ///< kNoToken where a byte has none
        std::unordered_map<std::string_view, TokenId>
            tokenOfWord;  ///< only where whole words skip the merges
    };

    BytePairTokenizer(std::unique_ptr<const Vocabulary> vocabulary, TokenizerTraits traits, Parts parts)
        : Tokenizer(std::move(vocabulary), traits), parts_(std::move(parts)) {}

  protected:
    void encodeText(std::string_view text, std::vector<TokenId>& out) const override;

  private:
    void encodeWord(std::string_view word, std::vector<TokenId>& out) const;
    bool hasToken(char byte) const { return parts_.byteTokens[static_cast<uint8_t>(byte)] != kNoToken; }

    Parts parts_;
};

void BytePairTokenizer::encodeText(std::string_view text, std::vector<TokenId>& out) const {
    while (!text.empty()) {
        const size_t valid = validUtf8Prefix(text);
        if (valid > 0) {
            for (std::string_view word : parts_.words.split(text.substr(0, valid))) encodeWord(word, out);
            text.remove_prefix(valid);
            continue;
        }
        const std::string_view stray = text.substr(0, utf8Step(text).bytes);
        const bool spelled = std::all_of(stray.begin(), stray.end(), [this](char c) { return hasToken(c); });
        encodeWord(spelled ? stray : kReplacementCharacter, out);
        text.remove_prefix(stray.size());
    }
}

void BytePairTokenizer::encodeWord(std::string_view word, std::vector<TokenId>& out) const {
    const auto whole = parts_.tokenOfWord.find(word);
    if (whole != parts_.tokenOfWord.end()) {
        out.push_back(whole->second);
        return;
    }
    thread_local std::vector<TokenId> symbols;
    symbols.clear();
    for (char c : word) symbols.push_back(parts_.byteTokens[static_cast<uint8_t>(c)]);
    parts_.merger.merge(symbols, out);
}

/// Whether a token is a piece of text in the byte alphabet, as merges produce them.
bool isSpelled(const Vocabulary& vocabulary, TokenId id) {
    return !vocabulary.isHidden(id) && vocabulary.type(id) != TokenType::UserDefined;
}

void spellPieces(Vocabulary& vocabulary) {
    vocabulary.pieces.reserve(vocabulary.texts.size());
    for (TokenId id = 0; id < vocabulary.size(); ++id) {
        const std::string& text = vocabulary.texts[static_cast<size_t>(id)];
        if (vocabulary.isHidden(id)) {
            vocabulary.pieces.emplace_back();
        } else {
            vocabulary.pieces.push_back(isSpelled(vocabulary, id) ? bytesOfSpelling(text).value_or(text)
                                                                  : text);
        }
    }
}

void findByteTokens(const Vocabulary& vocabulary, std::array<TokenId, 256>& byteTokens) {
    byteTokens.fill(kNoToken);
    for (TokenId id = 0; id < vocabulary.size(); ++id) {
        const std::string& piece = vocabulary.pieces[static_cast<size_t>(id)];
        if (piece.size() != 1 || !isSpelled(vocabulary, id)) continue;
        TokenId& token = byteTokens[static_cast<uint8_t>(piece[0])];
        if (token == kNoToken) token = id;
    }
}

/// Merges are "left right" in the byte alphabet, which has no space of its own. One that names a token which
/// is not in the vocabulary could never apply and is passed over.
Result<void> readMerges(const GgufFile& file, const Vocabulary& vocabulary, PairMerger& merger) {
    const auto merges = file.strings(kMergesKey);
    if (!merges) {
        return fail(ErrorCode::NotFound, "'{}' has a byte-level vocabulary without '{}', a list of strings",
                    file.path().string(), kMergesKey);
    }
    const auto idOf = [&](std::string_view text) {
        const auto found = vocabulary.idOfText.find(text);
        return found == vocabulary.idOfText.end() ? kNoToken : found->second;
    };
    merger.reserve(merges->size());
    std::string joined;
    for (size_t rank = 0; rank < merges->size(); ++rank) {
        const std::string_view merge = (*merges)[rank];
        const size_t space = merge.find(' ', 1);
        if (space == std::string_view::npos) {
            return fail(ErrorCode::InvalidFile,
                        "'{}': entry {} of '{}' is not two tokens with a space between", file.path().string(),
                        rank, kMergesKey);
        }
        joined.assign(merge.substr(0, space)).append(merge.substr(space + 1));
        const TokenId left = idOf(merge.substr(0, space));
        const TokenId right = idOf(merge.substr(space + 1));
        const TokenId whole = idOf(joined);
        if (left == kNoToken || right == kNoToken || whole == kNoToken) continue;
        merger.add(left, right, whole, static_cast<uint32_t>(rank));
    }
    return {};
}

}  // namespace

Result<std::shared_ptr<const Tokenizer>> loadBytePairTokenizer(const GgufFile& file,
                                                               std::unique_ptr<Vocabulary> vocabulary) {
    const auto facts = preTokenizerFacts(vocabulary->pre);
    if (!facts) return fail(facts.error().code, "'{}': {}", file.path().string(), facts.error().message);
    auto words = PreTokenizer::compile(facts->patterns);
    if (!words) return tl::unexpected(words.error());

    BytePairTokenizer::Parts parts;
    parts.words = std::move(*words);
    spellPieces(*vocabulary);
    findByteTokens(*vocabulary, parts.byteTokens);
    if (auto done = readMerges(file, *vocabulary, parts.merger); !done) return tl::unexpected(done.error());
    if (facts->wholeWordsFirst) {
        for (TokenId id = 0; id < vocabulary->size(); ++id) {
            if (!isSpelled(*vocabulary, id)) continue;
            parts.tokenOfWord.try_emplace(vocabulary->pieces[static_cast<size_t>(id)], id);
        }
    }
    TokenizerTraits traits;
    traits.addsBos = vocabulary->addBos.value_or(facts->addsBos);
    traits.splitsAtUserDefined = true;
    return std::make_shared<const BytePairTokenizer>(std::move(vocabulary), traits, std::move(parts));
}

}  // namespace engine
