#include "engine/tokenizer/sentencepiece_tokenizer.h"

#include <sentencepiece_processor.h>

#include <utility>

#include "engine/gguf/gguf_file.h"
#include "engine/tokenizer/sentencepiece_model.h"

namespace engine {
namespace {

constexpr std::string_view kLowerBlock = "▁";

class SentencePieceTokenizer final : public Tokenizer {
  public:
    SentencePieceTokenizer(std::unique_ptr<const Vocabulary> vocabulary, TokenizerTraits traits,
                           std::unique_ptr<sentencepiece::SentencePieceProcessor> processor)
        : Tokenizer(std::move(vocabulary), traits), processor_(std::move(processor)) {}

  protected:
    void encodeText(std::string_view text, std::vector<TokenId>& out) const override {
        for (int id : processor_->EncodeAsIds(text)) {
            if (id < vocabulary().size())
                out.push_back(id);  // the stand-in for a missing unknown token is left out
        }
    }

  private:
    std::unique_ptr<sentencepiece::SentencePieceProcessor> processor_;
};

std::string withSpaces(std::string_view text) {
    std::string result;
    for (size_t at = 0; at < text.size();) {
        if (text.substr(at).starts_with(kLowerBlock)) {
            result += ' ';
            at += kLowerBlock.size();
        } else {
            result += text[at++];
        }
    }
    return result;
}

void spellPieces(Vocabulary& vocabulary) {
    vocabulary.pieces.reserve(vocabulary.texts.size());
    for (TokenId id = 0; id < vocabulary.size(); ++id) {
        const std::string& text = vocabulary.texts[static_cast<size_t>(id)];
        if (vocabulary.isHidden(id)) {
            vocabulary.pieces.emplace_back();
        } else if (const auto byte = byteOfToken(text); byte && vocabulary.type(id) == TokenType::Byte) {
            vocabulary.pieces.emplace_back(1, static_cast<char>(*byte));
        } else {
            vocabulary.pieces.push_back(withSpaces(text));
        }
    }
}

}  // namespace

Result<std::shared_ptr<const Tokenizer>> loadSentencePieceTokenizer(const GgufFile& file,
                                                                    std::unique_ptr<Vocabulary> vocabulary) {
    TokenizerTraits traits;
    traits.addsBos = vocabulary->addBos.value_or(true);
    traits.addsSpacePrefix = vocabulary->addSpacePrefix.value_or(true);
    // With the prefix, text begins anew after each of them; without, the library finds them as well as we
    // could.
    traits.splitsAtUserDefined = traits.addsSpacePrefix;
    traits.controlTakesSpaceAfter = vocabulary->name.find("phi-3") != std::string::npos ||
                                    vocabulary->name.find("phi3") != std::string::npos;
    spellPieces(*vocabulary);

    auto processor = std::make_unique<sentencepiece::SentencePieceProcessor>();
    const auto status =
        processor->LoadFromSerializedProto(sentencePieceModel(*vocabulary, traits.addsSpacePrefix));
    if (!status.ok()) {
        return fail(ErrorCode::InvalidFile, "'{}': sentencepiece refuses the vocabulary: {}",
                    file.path().string(), status.ToString());
    }
    return std::make_shared<const SentencePieceTokenizer>(std::move(vocabulary), traits,
                                                          std::move(processor));
}

}  // namespace engine
