#define PCRE2_CODE_UNIT_WIDTH 8
#include "engine/tokenizer/split_pattern.h"

#include <pcre2.h>

#include <algorithm>
#include <array>
#include <cstdint>

namespace engine {
namespace {

// Enough for any pattern here to work through a run of 100 million characters; far too little for a runaway.
constexpr uint32_t kMatchLimit = 200'000'000;
constexpr uint32_t kHeapLimitKibibytes = 256 << 10;
constexpr size_t kJitStackBytes = size_t{16} << 20;
constexpr size_t kJitStackStartBytes = size_t{64} << 10;

// White_Space in Unicode's PropList.
constexpr std::string_view kWhiteSpace =
    R"(\x09-\x0D\x20\x85\xA0\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000})";

/// Spells out `\s` and `\S`, inside classes and outside.
std::string withWhiteSpaceSpelled(std::string_view pattern) {
    std::string result;
    bool inClass = false;
    for (size_t i = 0; i < pattern.size(); ++i) {
        const char c = pattern[i];
        if (c == '\\' && i + 1 < pattern.size()) {
            const char escaped = pattern[++i];
            if (escaped == 's') {
                result += inClass ? std::string(kWhiteSpace) : fmt::format("[{}]", kWhiteSpace);
            } else if (escaped == 'S' && !inClass) {
                result += fmt::format("[^{}]", kWhiteSpace);
            } else {
                result += c;
                result += escaped;
            }
            continue;
        }
        if (c == '[') inClass = true;
        if (c == ']') inClass = false;
        result += c;
    }
    return result;
}

/// What a thread needs to match with; made once a thread.
class MatchScratch {
  public:
    MatchScratch()
        : data_(pcre2_match_data_create(1, nullptr)),
          context_(pcre2_match_context_create(nullptr)),
          stack_(pcre2_jit_stack_create(kJitStackStartBytes, kJitStackBytes, nullptr)) {
        if (context_ == nullptr) return;
        pcre2_set_match_limit(context_, kMatchLimit);
        pcre2_set_heap_limit(context_, kHeapLimitKibibytes);
        pcre2_jit_stack_assign(context_, nullptr, stack_);
    }
    MatchScratch(const MatchScratch&) = delete;
    MatchScratch& operator=(const MatchScratch&) = delete;
    ~MatchScratch() {
        pcre2_match_data_free(data_);
        pcre2_match_context_free(context_);
        pcre2_jit_stack_free(stack_);
    }

    /// The return code of pcre2_match; on success `begin` and `end` are set.
    int match(const pcre2_code* code, std::string_view text, size_t start, size_t& begin, size_t& end) {
        if (data_ == nullptr || context_ == nullptr) return PCRE2_ERROR_NOMEMORY;
        const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
        int result = pcre2_match(code, subject, text.size(), start, PCRE2_NO_UTF_CHECK, data_, context_);
        if (result == PCRE2_ERROR_JIT_STACKLIMIT) {
            result = pcre2_match(code, subject, text.size(), start, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, data_,
                                 context_);
        }
        const size_t* offsets = pcre2_get_ovector_pointer(data_);
        begin = offsets[0];
        end = offsets[1];
        return result;
    }

  private:
    pcre2_match_data* data_;
    pcre2_match_context* context_;
    pcre2_jit_stack* stack_;
};

/// `bytes` or a little less, so that no character of `text` is cut.
size_t characterBorder(std::string_view text, size_t bytes) {
    if (bytes >= text.size()) return text.size();
    while (bytes > 0 && (static_cast<uint8_t>(text[bytes]) & 0xC0) == 0x80) --bytes;
    return bytes;
}

/// Where the character after the one at `at` begins.
size_t nextCharacter(std::string_view text, size_t at) {
    do {
        ++at;
    } while (at < text.size() && (static_cast<uint8_t>(text[at]) & 0xC0) == 0x80);
    return at;
}

}  // namespace

struct SplitPattern::Code {
    explicit Code(pcre2_code* compiled) : code(compiled) {}
    Code(const Code&) = delete;
    Code& operator=(const Code&) = delete;
    ~Code() { pcre2_code_free(code); }

    pcre2_code* code;
};

Result<SplitPattern> SplitPattern::compile(std::string_view pattern) {
    const std::string spelled = withWhiteSpaceSpelled(pattern);
    int error = 0;
    size_t offset = 0;
    pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(spelled.data()), spelled.size(),
                                     PCRE2_UTF | PCRE2_UCP | PCRE2_DOLLAR_ENDONLY, &error, &offset, nullptr);
    if (code == nullptr) {
        std::array<PCRE2_UCHAR, 256> reason{};
        pcre2_get_error_message(error, reason.data(), reason.size());
        return fail(ErrorCode::Internal, "the split pattern '{}' does not compile at byte {}: {}", spelled,
                    offset, reinterpret_cast<const char*>(reason.data()));
    }
    pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);  // where it fails, the interpreter does the work
    return SplitPattern(std::make_shared<const Code>(code));
}

void SplitPattern::split(std::string_view text, std::vector<std::string_view>& words) const {
    thread_local MatchScratch scratch;
    size_t wordBegin = 0;  // everything before it is in `words`
    const auto addUpTo = [&](size_t end) {
        if (end > wordBegin) words.push_back(text.substr(wordBegin, end - wordBegin));
        wordBegin = std::max(wordBegin, end);
    };
    size_t searchFrom = 0;
    while (searchFrom < text.size()) {
        size_t begin = 0;
        size_t end = 0;
        const int result = scratch.match(code_->code, text, searchFrom, begin, end);
        if (result == PCRE2_ERROR_NOMATCH) break;
        if (result < 0) {
            addUpTo(wordBegin + characterBorder(text.substr(wordBegin), kFallbackBytes));
            searchFrom = wordBegin;
            continue;
        }
        addUpTo(begin);
        addUpTo(end);
        searchFrom = end > begin ? end : nextCharacter(text, end);
    }
    addUpTo(text.size());
}

}  // namespace engine
