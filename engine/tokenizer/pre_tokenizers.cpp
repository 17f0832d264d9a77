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

// White space goes in powers of two. The look-behind changes no match (where a run was cut, no newline is
// left in it) and keeps long runs linear.
constexpr std::string_view kJais2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|(?<!(?![\r\n])\s)\s*[\r\n]+)"
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
    R"([\x{AC00}-\x{D7A3}\x{3131}-\x{318E}]+|[\x{FF01}\x{2026}\x{201C}\x{201D}\x{2018}\x{2019})"
    R"(\x{2014}\x{FF1A}\x{FF1B}\x{FF0C}\x{3001}-\x{303F}\x{FE30}-\x{FE4F}]+|[\x{3105}-\x{312F}]+|[)"
    R"(\x{4E00}-\x{9FA5}\x{3040}-\x{309F}\x{30A0}-\x{30FF}]+)";
constexpr std::string_view kYoutu =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

// DeepSeek-LLM lists its letters one by one (they are not \p{L}: no modifiers, no scripts without case).
constexpr std::string_view kDeepSeekLetters =
    R"(\s?[A-Za-z\x{00B5}\x{00C0}-\x{00D6}\x{00D8}-\x{00F6}\x{00F8}-\x{01BA}\x{01BC}-\x{01BF})"
    R"(\x{01C4}-\x{0293}\x{0295}-\x{02AF}\x{0370}-\x{0373}\x{0376}\x{0377}\x{037B}-\x{037D}\x{037F})"
    R"(\x{0386}\x{0388}-\x{038A}\x{038C}\x{038E}-\x{03A1}\x{03A3}-\x{03F5}\x{03F7}-\x{0481})"
    R"(\x{048A}-\x{052F}\x{0531}-\x{0556}\x{10A0}-\x{10C5}\x{13A0}-\x{13F5}\x{13F8}-\x{13FD})"
    R"(\x{1C90}-\x{1CBA}\x{1CBD}-\x{1CBF}\x{1D00}-\x{1D2B}\x{1D6B}-\x{1D77}\x{1D79}-\x{1D9A})"
    R"(\x{1E00}-\x{1F15}\x{1F18}-\x{1F1D}\x{1F20}-\x{1F45}\x{1F48}-\x{1F4D}\x{1F50}-\x{1F57})"
    R"(\x{1F59}\x{1F5B}\x{1F5D}\x{1F5F}-\x{1F7D}\x{1F80}-\x{1FB4}\x{1FB6}-\x{1FBC}\x{1FBE})"
    R"(\x{1FC2}-\x{1FC4}\x{1FC6}-\x{1FCC}\x{1FD0}-\x{1FD3}\x{1FD6}-\x{1FDB}\x{1FE0}-\x{1FEC})"
    R"(\x{1FF2}-\x{1FF4}\x{1FF6}-\x{1FFC}\x{2102}\x{2107}\x{210A}-\x{2113}\x{2115}\x{2119}-\x{211D})"
    R"(\x{2124}\x{2126}\x{2128}\x{212A}-\x{212D}\x{212F}-\x{2134}\x{2139}\x{213C}-\x{213F})"
    R"(\x{2145}-\x{2149}\x{214E}\x{2183}\x{2184}\x{2C00}-\x{2C7B}\x{2C7E}-\x{2CE4}\x{2CEB}-\x{2CEE})"
    R"(\x{2CF2}\x{2CF3}\x{A640}-\x{A66D}\x{A680}-\x{A69B}\x{A722}-\x{A76F}\x{A771}-\x{A787})"
    R"(\x{A78B}-\x{A78E}\x{AB70}-\x{ABBF}\x{FB00}-\x{FB06}\x{FB13}-\x{FB17}\x{FF21}-\x{FF3A})"
    R"(\x{FF41}-\x{FF5A}\x{10400}-\x{1044F}\x{104B0}-\x{104D3}\x{104D8}-\x{104FB})"
    R"(\x{10C80}-\x{10CB2}\x{10CC0}-\x{10CF2}\x{118A0}-\x{118DF}\x{1E900}-\x{1E943}]+)";
constexpr std::string_view kDeepSeekPunctuation =
    R"(\s?[!-/:-~\x{FF01}-\x{FF0F}\x{FF1A}-\x{FF5E}\x{2018}-\x{201F}\x{3000}-\x{3002}]+)";
// The look-behind changes no match (the first of a run is tried first) and keeps long runs linear.
constexpr std::string_view kDeepSeekTrailingSpace = R"((?<!\s)\s+$)";
constexpr std::string_view kDeepSeekCjk = R"([\x{4E00}-\x{9FA5}\x{0800}-\x{4E00}\x{AC00}-\x{D7FF}]+)";
constexpr std::string_view kDeepSeek3Cjk = R"([\x{4E00}-\x{9FA5}\x{3040}-\x{309F}\x{30A0}-\x{30FF}]+)";
constexpr std::string_view kDeepSeek3 =
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kSpark =
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+|[\r\n]|\s+(?!\S)|\s+)";

constexpr std::string_view kBloom =
    R"( ?[^(\s|.,!?\x{2026}\x{3002}\x{FF0C}\x{3001}\x{0964}\x{06D4}\x{060C})]+)";
constexpr std::string_view kLines = R"([^\n]+|[\n]+)";

// Digits in threes, counted from the end of their run, as a number is read out. The tokenizers' own
// expressions look ahead to the run's end before every group; these do so once a run (the look-behind and \G,
// "where the last match ended", tell where they are) and so stay linear on a mebibyte of digits.
constexpr std::string_view kThreesOfNumbers =
    R"(\G(?<=\p{N})\p{N}{3}|(?<!\p{N})\p{N}{1,3}(?=(?:\p{N}{3})*+(?!\p{N})))";
// Only where no word character (as Oniguruma has them) follows the run: the original asks for a word border
// there.
constexpr std::string_view kThreesOfDigits =
    R"(\G(?<=\d)\d{3}|(?<!\d)\d{1,3}(?=(?:\d{3})*+(?![\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\x{B2}\x{B3}\x{B9}\x{BC}-\x{BE}])))";
// Empty matches: borders before every group but a leading shorter one.
constexpr std::string_view kBordersOfThrees =
    R"(\G(?<=\d)\d\d\K(?=\d{3})|(?<!\d)(?:\d{1,2}\K)?(?=(?:\d{3})++(?!\d)))";

// `&&[^\p{Han}]` of the original is written as a look-ahead. "sc:" because PCRE2 otherwise counts script
// extensions.
constexpr std::string_view kKimiK2 =
    R"(\p{sc:Han}+)"
    R"(|[^\r\n\p{L}\p{N}]?(?:(?!\p{sc:Han})[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}])*(?:(?!\p{sc:Han})[\p{Ll}\p{Lm}\p{Lo}\p{M}])+(?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|[^\r\n\p{L}\p{N}]?(?:(?!\p{sc:Han})[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}])+(?:(?!\p{sc:Han})[\p{Ll}\p{Lm}\p{Lo}\p{M}])*(?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

// Chameleon's own tokens are written out in its expressions.
constexpr std::string_view kChameleonSentinel = "<sentinel:[0-9]+>";
constexpr std::string_view kChameleonImage = "IMGIMG[A-I]{1,4}Z";
constexpr std::string_view kChameleonSpaces = R"([\t\n]|    |  )";
constexpr std::string_view kOnePunctuation = R"([\p{P}!-/:-@\[-`{-~])";

constexpr std::string_view kAsianScripts =
    R"([\x{4E00}-\x{9FFF}\x{3400}-\x{4DBF}\x{8C48}-\x{FAFF}\x{3040}-\x{309F}\x{30A0}-\x{30FF}\x{FF65}-\x{FF9F})"
    R"(\x{2F00}-\x{2FDF}\x{0E40}-\x{0E7F}\x{0E80}-\x{0EFF}\x{1780}-\x{17FF}\x{1000}-\x{109F}\x{AA60}-\x{AA7F})"
    R"(\x{A9E0}-\x{A9FF}\x{AC00}-\x{D7AF}\x{1100}-\x{11FF}]+)";

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
        {{"granite-embed-multi-97m"}, {kGpt4o}, kWholeWords},
        {{"tiny_aya", "cohere2moe"}, {kThreesOfDigits, kGpt4o}, kPlain},
        {{"kimi-k2"}, {kKimiK2}, kPlain},
        {{"superbpe"}, {kDigits, kBordersOfThrees}, kPlain},
        {{"afmoe"}, {kThreesOfNumbers, kAsianScripts, kDeepSeek3}, kPlain},
        {{"chameleon"},
         {kChameleonSentinel, kChameleonImage, kChameleonSpaces, kDigit, kOnePunctuation, kGpt2},
         kBos},
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
