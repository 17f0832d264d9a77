#include "engine/tokenizer/vocabulary.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <limits>

#include "engine/gguf/gguf_file.h"

namespace engine {
namespace {

constexpr std::string_view kTokensKey = "tokenizer.ggml.tokens";
constexpr std::string_view kTypesKey = "tokenizer.ggml.token_type";
constexpr std::string_view kScoresKey = "tokenizer.ggml.scores";

// How released models spell the token that ends a reply. Files name one in their eos key, often not the one
// that the chat format uses.
constexpr std::array kEndOfGenerationTexts = {
    std::string_view("<|eot_id|>"),
    std::string_view("<|eom_id|>"),
    std::string_view("<|im_end|>"),
    std::string_view("<|end|>"),
    std::string_view("<|return|>"),
    std::string_view("<|call|>"),
    std::string_view("<|calls|>"),
    std::string_view("<|flush|>"),
    std::string_view("<end_of_turn>"),
    std::string_view("<|end_of_turn|>"),
    std::string_view("<|END_OF_TURN_TOKEN|>"),
    std::string_view("<|endoftext|>"),
    std::string_view("<|end_of_text|>"),
    std::string_view("<|eot|>"),
    std::string_view("<|eom|>"),
    std::string_view("</s>"),
    std::string_view("<EOT>"),
    std::string_view("_<EOT>"),
    std::string_view("[EOT]"),
    std::string_view("[EOS]"),
    std::string_view("<eos>"),
    std::string_view("<turn|>"),
    std::string_view("<end_of_utterance>"),
    std::string_view("<｜end▁of▁sentence｜>"),
    std::string_view("[e~["),
    // Code models write these where a file ends; what follows is another document.
    std::string_view("<|fim_pad|>"),
    std::string_view("<|repo_name|>"),
    std::string_view("<|file_sep|>"),
};

// Markers that converters are known to list as user-defined. Not here: <s> and </s>, which are HTML to Gemma.
constexpr std::array kMarkerTexts = {
    std::string_view("<start_of_turn>"),
    std::string_view("<end_of_turn>"),
    std::string_view("<|turn>"),
    std::string_view("<turn|>"),
    std::string_view("<end_of_utterance>"),
    std::string_view("[INST]"),
    std::string_view("[/INST]"),
    std::string_view("<bos>"),
    std::string_view("<eos>"),
};

bool encloses(std::string_view text, std::string_view open, std::string_view close) {
    return text.size() > open.size() + close.size() && text.starts_with(open) && text.ends_with(close);
}

/// Vocabularies are rounded up with entries spelled "[PAD151936]".
bool isPadding(std::string_view text) {
    if (!encloses(text, "[PAD", "]")) return false;
    return std::all_of(text.begin() + 4, text.end() - 1, [](char c) { return c >= '0' && c <= '9'; });
}

TokenType typeOf(int64_t number) {
    return number >= 0 && number <= 6 ? static_cast<TokenType>(number) : TokenType::Undefined;
}

Result<void> readTokens(const GgufFile& file, Vocabulary& vocabulary) {
    const auto tokens = file.strings(kTokensKey);
    if (!tokens || tokens->empty()) {
        return fail(ErrorCode::NotFound,
                    "'{}' holds no vocabulary: '{}' is missing, empty or not a list of strings",
                    file.path().string(), kTokensKey);
    }
    if (tokens->size() > static_cast<size_t>(std::numeric_limits<TokenId>::max())) {
        return fail(ErrorCode::InvalidFile, "'{}': '{}' has {} entries", file.path().string(), kTokensKey,
                    tokens->size());
    }
    vocabulary.texts.reserve(tokens->size());
    for (size_t i = 0; i < tokens->size(); ++i) {
        // An empty spelling could be found everywhere; this one nowhere.
        vocabulary.texts.push_back((*tokens)[i].empty() ? fmt::format("[EMPTY_{}]", i)
                                                        : std::string((*tokens)[i]));
    }
    vocabulary.idOfText.reserve(tokens->size());
    for (size_t i = 0; i < vocabulary.texts.size(); ++i) {
        vocabulary.idOfText.emplace(vocabulary.texts[i], static_cast<TokenId>(i));
    }
    return {};
}

Result<void> readTypesAndScores(const GgufFile& file, Vocabulary& vocabulary) {
    const size_t count = vocabulary.texts.size();
    vocabulary.types.assign(count, TokenType::Normal);
    if (file.has(kTypesKey)) {
        const auto types = file.integers(kTypesKey);
        if (!types || types->size() < count) {
            return fail(ErrorCode::InvalidFile, "'{}': '{}' is not a list of {} integers, one for each token",
                        file.path().string(), kTypesKey, count);
        }
        for (size_t i = 0; i < count; ++i) vocabulary.types[i] = typeOf((*types)[i]);
    }
    if (file.has(kScoresKey)) {
        const auto scores = file.reals(kScoresKey);
        if (!scores || scores->size() < count) {
            return fail(ErrorCode::InvalidFile, "'{}': '{}' is not a list of {} numbers, one for each token",
                        file.path().string(), kScoresKey, count);
        }
        vocabulary.scores.reserve(count);
        for (size_t i = 0; i < count; ++i) vocabulary.scores.push_back(static_cast<float>((*scores)[i]));
    }
    return {};
}

/// A special id of the file; a missing key gives `fallback`, an id outside the vocabulary nothing.
std::optional<TokenId> specialId(const GgufFile& file, std::string_view key, const Vocabulary& vocabulary,
                                 std::optional<TokenId> fallback = std::nullopt) {
    const auto id = file.unsignedInteger(key);
    if (!id) return fallback && vocabulary.contains(*fallback) ? fallback : std::nullopt;
    if (*id >= vocabulary.texts.size()) return std::nullopt;
    return static_cast<TokenId>(*id);
}

void readSpecialIds(const GgufFile& file, Vocabulary& vocabulary) {
    const bool sentencePiece = vocabulary.model == "llama";
    const auto orNothing = [&](TokenId id) {
        return sentencePiece ? std::optional<TokenId>(id) : std::nullopt;
    };
    vocabulary.bos = specialId(file, "tokenizer.ggml.bos_token_id", vocabulary, orNothing(1));
    vocabulary.eos = specialId(file, "tokenizer.ggml.eos_token_id", vocabulary, orNothing(2));
    vocabulary.unknown = specialId(file, "tokenizer.ggml.unknown_token_id", vocabulary, orNothing(0));
    vocabulary.addBos = file.boolean("tokenizer.ggml.add_bos_token");
    vocabulary.addEos = file.boolean("tokenizer.ggml.add_eos_token");
    vocabulary.addSpacePrefix = file.boolean("tokenizer.ggml.add_space_prefix");
}

void findEndOfGeneration(const GgufFile& file, Vocabulary& vocabulary) {
    std::vector<TokenId>& ends = vocabulary.endOfGeneration;
    for (std::string_view text : kEndOfGenerationTexts) {
        const auto found = vocabulary.idOfText.find(text);
        if (found == vocabulary.idOfText.end()) continue;
        // Files that list such a marker as ordinary are wrong, unless it could be text (</s> is HTML to
        // Gemma).
        const bool control = vocabulary.type(found->second) == TokenType::Control;
        if (control || looksLikeMarker(text)) ends.push_back(found->second);
    }
    const auto has = [&](std::string_view text) { return vocabulary.idOfText.contains(text); };
    // Where a reply is made of several messages, <|end|> closes one message and the reply goes on.
    const bool severalMessages =
        (has("<|return|>") && has("<|call|>")) || (has("<|calls|>") && has("<|flush|>"));
    if (severalMessages && has("<|end|>")) std::erase(ends, vocabulary.idOfText.at("<|end|>"));
    for (TokenId id : ends) vocabulary.types[static_cast<size_t>(id)] = TokenType::Control;
    for (std::string_view key :
         {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"}) {
        if (const auto id = specialId(file, key, vocabulary)) ends.push_back(*id);
    }
    if (vocabulary.eos) ends.push_back(*vocabulary.eos);
    std::sort(ends.begin(), ends.end());
    ends.erase(std::unique(ends.begin(), ends.end()), ends.end());
}

}  // namespace

Result<std::unique_ptr<Vocabulary>> loadVocabulary(const GgufFile& file) {
    auto vocabulary = std::make_unique<Vocabulary>();
    const auto model = file.string("tokenizer.ggml.model");
    if (!model) {
        return fail(ErrorCode::NotFound, "'{}' holds no vocabulary: 'tokenizer.ggml.model' is missing",
                    file.path().string());
    }
    vocabulary->model = *model;
    vocabulary->pre = file.string("tokenizer.ggml.pre").value_or("");
    vocabulary->name = file.string("general.name").value_or("");
    for (char& c : vocabulary->name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (auto done = readTokens(file, *vocabulary); !done) return tl::unexpected(done.error());
    if (auto done = readTypesAndScores(file, *vocabulary); !done) return tl::unexpected(done.error());
    readSpecialIds(file, *vocabulary);
    findEndOfGeneration(file, *vocabulary);
    return vocabulary;
}

bool looksLikeMarker(std::string_view tokenText) {
    if (encloses(tokenText, "<|", "|>") || encloses(tokenText, "<｜", "｜>")) return true;
    return std::find(kMarkerTexts.begin(), kMarkerTexts.end(), tokenText) != kMarkerTexts.end();
}

uint64_t hashVocabulary(const Vocabulary& vocabulary) {
    constexpr uint64_t kFnvOffset = 14695981039346656037u;
    constexpr uint64_t kFnvPrime = 1099511628211u;
    size_t count = vocabulary.texts.size();
    while (count > 0 && isPadding(vocabulary.texts[count - 1])) --count;
    uint64_t hash = kFnvOffset;
    const auto mix = [&](std::string_view text) {
        for (char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * kFnvPrime;
        hash = (hash ^ 0xFFu) * kFnvPrime;  // never inside UTF-8: keeps borders apart
    };
    mix(vocabulary.model);
    mix(vocabulary.pre);
    for (size_t i = 0; i < count; ++i) mix(vocabulary.texts[i]);
    return hash;
}

}  // namespace engine
