#include "engine/tokenizer/pre_tokenizers.h"

#include <algorithm>
#include <array>
#include <iterator>

namespace engine {
namespace {

// The expressions below are those of the released tokenizers (their `pre_tokenizer` in tokenizer.json, or the
// tiktoken file). Steps that are not expressions there are written as one: "Digits" is \p{N}, "Punctuation"
// is
// [\p{P}$+<=>^`|~]+.

constexpr std::string_view kDigit = R"(\p{N})";
constexpr std::string_view kDigits = R"(\p{N}+)";
constexpr std::string_view kUpToThreeDigits = R"(\p{N}{1,3})";
constexpr std::string_view kThreeAsciiDigits = "[0-9][0-9][0-9]";
constexpr std::string_view kNewline = R"([\r\n])";
constexpr std::string_view kPunctuation = R"([\p{P}$+<=>^`|~]+)";

constexpr std::string_view kGpt2 =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

constexpr std::string_view kLlama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

constexpr std::string_view kQwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

constexpr std::string_view kQwen35 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

constexpr std::string_view kMiniCpm5 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}+| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

constexpr std::string_view kUfakzeka =
    R"([^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

constexpr std::string_view kJais2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+)"
    R"(|\s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)|\s{64}(?!\S)|\s{32}(?!\S)|\s{16}(?!\S)|\s{8}(?!\S)|\s{4}(?!\S))"
    R"(|\s{1,2}(?!\S)|\s{1})";

constexpr std::string_view kBailing =
    R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+)";

constexpr std::string_view kSeedCoder =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+)";

constexpr std::string_view kExaoneMoe =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+)";

constexpr std::string_view kTekken =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)"
    R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*)"
    R"(|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

constexpr std::string_view kGpt4o =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

constexpr std::string_view kYoutuScripts =
    R"([가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|[一-龥぀-ゟ゠-ヿ]+)";
constexpr std::string_view kYoutu =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

// DeepSeek-LLM lists its letters one by one (they are not \p{L}: no modifiers, no scripts without case).
constexpr std::string_view kDeepSeekLetters =
    R"(\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-ώᾀ-ᾴᾶ-ᾼι)"
    R"(ῂ-ῄῆ-ῌῐ-ΐῖ-Ίῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤΩℨK-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]+)";
constexpr std::string_view kDeepSeekPunctuation = R"(\s?[!-/:-~！-／：-～‘-‟　-。]+)";
// The look-behind changes no match (the first of a run is tried first) and keeps long runs linear.
constexpr std::string_view kDeepSeekTrailingSpace = R"((?<!\s)\s+$)";
constexpr std::string_view kDeepSeekCjk = R"([一-龥ࠀ-一가-퟿]+)";
constexpr std::string_view kDeepSeek3Cjk = R"([一-龥぀-ゟ゠-ヿ]+)";
constexpr std::string_view kDeepSeek3 =
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kSpark =
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+|[\r\n]|\s+(?!\S)|\s+)";

constexpr std::string_view kBloom = R"( ?[^(\s|.,!?…。，、।۔،)]+)";
constexpr std::string_view kLines = R"([^\n]+|[\n]+)";

enum Flags : unsigned { kPlain = 0, kWholeWords = 1, kBos = 2 };

struct Family {
    std::vector<std::string_view> names;
    std::vector<std::string_view> patterns;
    unsigned flags;
};

const std::vector<Family>& families() {
    static const std::vector<Family> kFamilies = {
        {{"gpt-2", "phi-2", "mpt", "olmo", "jais", "trillion", "exaone4", "gigachat", "a.x-4.0", "mellum",
          "modern-bert", "granite-docling", "jina-es", "jina-de", "jina-v2-es", "jina-v2-de", "jina-v1-en",
          "jina-v2-code", "roberta-bpe"},
         {kGpt2},
         kPlain},
        {{"smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b", "mellum2"},
         {kDigit, kGpt2},
         kPlain},
        {{"llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2",
          "jina-v5-nano"},
         {kLlama3},
         kWholeWords | kBos},
        {{"dbrx", "smaug-bpe", "chatglm-bpe"}, {kLlama3}, kPlain},
        {{"glm4", "glm5"}, {kLlama3}, kWholeWords},
        {{"qwen2", "deepseek-r1-qwen", "kormo", "f2llmv2", "megrez", "stablelm2", "hunyuan", "solar-open",
          "grok-2"},
         {kQwen2},
         kPlain},
        {{"qwen35", "qwen3.5"}, {kQwen35}, kPlain},
        {{"minicpm5"}, {kUpToThreeDigits, kMiniCpm5}, kWholeWords},
        {{"ufakzeka"}, {kUfakzeka}, kPlain},
        {{"laguna"}, {kLines, kQwen2}, kPlain},
        {{"jais-2"}, {kJais2}, kPlain},
        {{"bailingmoe", "bailingmoe2", "llada-moe"}, {kBailing}, kPlain},
        {{"seed-coder"}, {kSeedCoder}, kPlain},
        {{"exaone-moe"}, {kExaoneMoe}, kPlain},
        {{"tekken"}, {kTekken}, kWholeWords | kBos},
        {{"gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"}, {kGpt4o}, kPlain},
        {{"youtu"}, {kYoutuScripts, kYoutu}, kWholeWords},
        {{"deepseek-llm"},
         {kNewline, kDeepSeekLetters, kDeepSeekPunctuation, kDeepSeekTrailingSpace, kDeepSeekCjk, kDigit},
         kPlain},
        {{"deepseek-coder"}, {kNewline, R"(\s?\p{L}+)", R"(\s?\p{P}+)", kDeepSeekCjk, kDigit}, kPlain},
        {{"deepseek-v3", "hunyuan-dense", "joyai-llm", "hy_v4"},
         {kUpToThreeDigits, kDeepSeek3Cjk, kDeepSeek3},
         kPlain},
        {{"spark2_5"}, {kUpToThreeDigits, kDeepSeek3Cjk, kSpark, kDigit}, kPlain},
        {{"falcon"}, {kPunctuation, kGpt2, kThreeAsciiDigits}, kPlain},
        {{"poro-chat", "bloom", "gpt3-finnish"}, {kBloom}, kPlain},
        {{"viking"}, {kBloom, kDigit}, kPlain},
        {{"", "default"}, {R"([\p{P}$+<=>^~|]+)", kGpt2, kDigits, kThreeAsciiDigits}, kPlain},
    };
    return kFamilies;
}

}  // namespace

Result<PreTokenizerFacts> preTokenizerFacts(std::string_view pre) {
    for (const Family& family : families()) {
        if (std::find(family.names.begin(), family.names.end(), pre) == family.names.end()) continue;
        return PreTokenizerFacts{family.patterns, (family.flags & kWholeWords) != 0,
                                 (family.flags & kBos) != 0};
    }
    return fail(
        ErrorCode::Unsupported,
        "the tokenizer splits words by rules called '{}' (tokenizer.ggml.pre), which are not known here; a "
        "guess would give the model ids it never learned",
        pre);
}

std::vector<std::string_view> knownPreTokenizers() {
    std::vector<std::string_view> names;
    for (const Family& family : families())
        names.insert(names.end(), family.names.begin(), family.names.end());
    return names;
}

Result<PreTokenizer> PreTokenizer::compile(std::span<const std::string_view> patterns) {
    PreTokenizer result;
    for (std::string_view pattern : patterns) {
        auto compiled = SplitPattern::compile(pattern);
        if (!compiled) return tl::unexpected(compiled.error());
        result.patterns_.push_back(std::move(*compiled));
    }
    return result;
}

std::vector<std::string_view> PreTokenizer::split(std::string_view text) const {
    std::vector<std::string_view> words = {text};
    std::vector<std::string_view> finer;
    for (const SplitPattern& pattern : patterns_) {
        finer.clear();
        for (std::string_view word : words) pattern.split(word, finer);
        words.swap(finer);
    }
    return words;
}

}  // namespace engine
