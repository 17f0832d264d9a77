#include "tests/engine/support/tiny_chat_model.h"

#include <unistd.h>

#include <array>
#include <fstream>
#include <map>
#include <stdexcept>
#include <utility>
#include <vector>

namespace engine::testing {
namespace {

constexpr int kVocabulary = 416;
constexpr const char* kTemplate =
    "{%- for message in messages -%}\n"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}\n"
    "{%- endfor -%}\n"
    "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}{%- endif -%}";

/// Merges are learned from this, so that prose becomes a token a word or so.
constexpr const char* kCorpus =
    " the answer to that is not so simple and we will see it in a moment. there are three things that you "
    "should know about this. first, what is the name of the thing? then, how does it work for all of them? "
    "last, which one would you like to have when the day is over? a short question and a long answer make "
    "a good chat. please write a small program that reads a file and counts the words in it, one line at "
    "a time. thank you, that was very helpful. can you also explain why the sky is blue and water is wet? "
    "imagine yesterday morning: children played outside, mother brought fresh bread, nobody worried about "
    "tomorrow. numbers between twenty and hundred, colours like yellow, green or purple, animals such as "
    "elephants, rabbits, dolphins. every kitchen needs knives, spoons, plates, salt, pepper, butter, sugar.";

/// The printable spelling of a byte in byte-level BPE (GPT-2), as UTF-8.
std::string spelling(int byte) {
    static const std::array<std::string, 256> table = [] {
        std::array<std::string, 256> spellings;
        int next = 256;
        for (int b = 0; b < 256; ++b) {
            const bool printable = (b >= '!' && b <= '~') || (b >= 0xA1 && b != 0xAD);
            const int code = printable ? b : next++;
            std::string& text = spellings[static_cast<size_t>(b)];
            if (code < 0x80) {
                text = std::string(1, static_cast<char>(code));
            } else {
                text = {static_cast<char>(0xC0 | (code >> 6)), static_cast<char>(0x80 | (code & 0x3F))};
            }
        }
        return spellings;
    }();
    return table[static_cast<size_t>(byte)];
}

/// Words of the corpus, each with its leading space, as lists of spellings.
std::vector<std::vector<std::string>> corpusWords() {
    std::vector<std::vector<std::string>> words;
    for (const char* at = kCorpus; *at != '\0'; ++at) {
        const bool isLetter = *at >= 'a' && *at <= 'z';
        const bool joins = isLetter && at != kCorpus && (at[-1] == ' ' || (at[-1] >= 'a' && at[-1] <= 'z'));
        if (!joins) words.emplace_back();
        words.back().push_back(spelling(static_cast<unsigned char>(*at)));
    }
    return words;
}

struct Vocabulary {
    std::vector<std::string> tokens, merges;
};

/// Byte pair encoding as its paper learns it (Sennrich et al. 2016): the most frequent pair becomes a token;
/// of equally frequent pairs the one that sorts first.
Vocabulary learn(size_t size) {
    Vocabulary vocabulary;
    for (int byte = 0; byte < 256; ++byte) vocabulary.tokens.push_back(spelling(byte));
    std::vector<std::vector<std::string>> words = corpusWords();
    while (vocabulary.tokens.size() < size) {
        std::map<std::pair<std::string, std::string>, int> counts;
        for (const auto& word : words)
            for (size_t i = 0; i + 1 < word.size(); ++i) ++counts[{word[i], word[i + 1]}];
        auto best = counts.end();
        for (auto pair = counts.begin(); pair != counts.end(); ++pair)
            if (best == counts.end() || pair->second > best->second) best = pair;
        if (best == counts.end()) throw std::logic_error("the corpus is too short for so many merges");
        const auto [left, right] = best->first;
        vocabulary.tokens.push_back(left + right);
        vocabulary.merges.push_back(std::string(left).append(" ").append(right));
        for (auto& word : words)
            for (size_t i = 0; i + 1 < word.size(); ++i)
                if (word[i] == left && word[i + 1] == right) {
                    word[i] += right;
                    word.erase(word.begin() + static_cast<std::ptrdiff_t>(i) + 1);
                }
    }
    return vocabulary;
}

GgufBuilder tokenizerKeys() {
    constexpr int32_t kNormal = 1, kControl = 3;
    const std::vector<std::string> control{"<|endoftext|>", "<|im_start|>", "<|im_end|>"};
    Vocabulary vocabulary = learn(static_cast<size_t>(kVocabulary) - control.size());
    std::vector<int32_t> types(vocabulary.tokens.size(), kNormal);
    const auto first = static_cast<uint32_t>(vocabulary.tokens.size());
    for (const std::string& token : control) {
        vocabulary.tokens.push_back(token);
        types.push_back(kControl);
    }
    GgufBuilder file;
    file.set("general.name", "Tiny Chat")
        .set("tokenizer.ggml.model", "gpt2")
        .set("tokenizer.ggml.pre", "gpt-2")
        .set("tokenizer.ggml.tokens", vocabulary.tokens)
        .set("tokenizer.ggml.token_type", types)
        .set("tokenizer.ggml.merges", vocabulary.merges)
        .set("tokenizer.ggml.bos_token_id", first)
        .set("tokenizer.ggml.eos_token_id", first + 2)
        .set("tokenizer.ggml.add_bos_token", false)
        .set("tokenizer.chat_template", kTemplate);
    return file;
}

}  // namespace

TinyModel tinyChatShape() {
    TinyModel shape;
    shape.dtype = kernels::DType::Q8_0;
    shape.embedding = 64;
    shape.feedForward = 96;
    shape.heads = 2;
    shape.kvHeads = 1;
    shape.headDim = 32;
    shape.vocabulary = kVocabulary;
    return shape;
}

TinyChatModel::TinyChatModel(TinyModel shape) {
    shape.vocabulary = kVocabulary;
    std::string folder = (std::filesystem::temp_directory_path() / "alcove-tiny-XXXXXX").string();
    if (mkdtemp(folder.data()) == nullptr) throw std::runtime_error("cannot make the folder " + folder);
    path_ = std::filesystem::path(folder) / "tiny.gguf";
    const std::vector<std::byte> bytes = tinyModelFile(shape, tokenizerKeys());
    std::ofstream file(path_, std::ios::binary);
    file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    if (!file.flush()) throw std::runtime_error("cannot write " + path_.string());
}

TinyChatModel::~TinyChatModel() {
    std::error_code ignored;
    std::filesystem::remove_all(folder(), ignored);
}

}  // namespace engine::testing
