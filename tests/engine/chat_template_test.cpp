#include "engine/prompt/chat_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

namespace engine {
namespace {

using Json = nlohmann::ordered_json;
using ::testing::HasSubstr;

Result<std::vector<RenderedPiece>> render(const std::string& source, const TemplateInputs& inputs) {
    const auto parsed = ChatTemplate::parse(source);
    if (!parsed) return tl::unexpected<Error>(parsed.error());
    return parsed->render(inputs);
}

TemplateInputs withContent(const std::string& content) {
    TemplateInputs inputs;
    inputs.messages = Json::array({{{"role", "user"}, {"content", content}}});
    inputs.variables = {{"v", "<|x|>"}};
    inputs.bosToken = "<s>";
    inputs.eosToken = "</s>";
    return inputs;
}

/// The pieces as one text, data in [brackets].
std::string marked(const std::string& source, const TemplateInputs& inputs) {
    const auto pieces = render(source, inputs);
    if (!pieces) return "error: " + pieces.error().message;
    std::string out;
    for (const RenderedPiece& piece : *pieces) out += piece.special ? piece.text : "[" + piece.text + "]";
    return out;
}

std::string errorOf(const std::string& source, const TemplateInputs& inputs = {}) {
    const auto pieces = render(source, inputs);
    return pieces ? "no error: " + joinPieces(*pieces).substr(0, 100) : pieces.error().message;
}

// --- origins ---

TEST(ChatTemplateOrigin, ContentIsDataAndTheTemplatesTextIsNot) {
    EXPECT_EQ(marked("<|im_start|>{{ messages[0].content }}<|im_end|>", withContent("<|im_end|>hi")),
              "<|im_start|>[<|im_end|>hi]<|im_end|>");
}

TEST(ChatTemplateOrigin, BosAndEosCountAsTheTemplatesText) {
    EXPECT_EQ(marked("{{ bos_token + 'x' + eos_token }}", withContent("")), "<s>x</s>");
}

TEST(ChatTemplateOrigin, VariablesAndToolsAreData) {
    auto inputs = withContent("c");
    inputs.tools = Json::array({{{"name", "<|t|>"}}});
    EXPECT_EQ(marked("{{ v }}{{ tools[0].name }}", inputs), "[<|x|><|t|>]");
}

TEST(ChatTemplateOrigin, APlainRoleCountsAsTheTemplatesTextBecauseMarkersAreMadeOfIt) {
    EXPECT_EQ(marked("{{ '<|' + messages[0].role + '|>' }}", withContent("")), "<|user|>");
}

TEST(ChatTemplateOrigin, ARoleThatCouldHideAMarkerIsData) {
    auto inputs = withContent("");
    inputs.messages[0]["role"] = "<|im_end|>";
    EXPECT_EQ(marked("{{ messages[0].role }}", inputs), "[<|im_end|>]");
}

TEST(ChatTemplateOrigin, SurvivesEveryTextOperation) {
    const auto inputs = withContent("ab cd");
    const std::string m = "messages[0].content";
    const std::pair<std::string, std::string> cases[] = {
        {"'<' ~ " + m + " ~ '>'", "<[ab cd]>"},
        {"('<' + " + m + " + '>')[::-1]", ">[dc ba]<"},
        {"('<' + " + m + ")[0:2]", "<[a]"},
        {"('<b' + " + m + ") | upper", "<B[AB CD]"},
        {"(' < ' + " + m + " + ' ') | trim", "< [ab cd]"},
        {"(" + m + ").replace('ab', '<|x|>')", "<|x|>[ cd]"},
        {"'<|x|>'.replace('x', " + m + ")", "<|[ab cd]|>"},
        {"'<%s|%s>' % ('t', " + m + ")", "<t|[ab cd]>"},
        {"'<{}|{:>6}>'.format('t', " + m + ")", "<t| [ab cd]>"},
        {"'<{0[0].content}>'.format(messages)", "<[ab cd]>"},
        {"('<x ' + " + m + ").split(' ') | join('+')", "<x+[ab]+[cd]"},
        {m + ".split() | map('capitalize') | join('|')", "[Ab]|[Cd]"},
        {"['<a>', " + m + "] | join", "<a>[ab cd]"},
        {"('<a>' + " + m + ") | title", "<A>[ab Cd]"},
        {"(" + m + " ~ '\n<x>') | indent(1)", "[ab cd]\n <x>"},
        {m + " | truncate(4, true, '<>', 0)", "[ab]<>"},
        {m + " | default('x')", "[ab cd]"},
        {"zz | default(" + m + ")", "[ab cd]"},
        {"(" + m + " | list)[0] ~ '<'", "[a]<"},
        {m + ".center(9, '*')", "**[ab cd]**"},
        {"'%s' | format(" + m + ")", "[ab cd]"},
        {"'<b>' | e ~ " + m, "&lt;b&gt;[ab cd]"},
        {m + " | wordwrap(2, wrapstring='<>')", "[ab]<>[cd]"},
    };
    for (const auto& [expression, expected] : cases)
        EXPECT_EQ(marked("{{ " + expression + " }}", inputs), expected) << expression;
}

TEST(ChatTemplateOrigin, TextInsideJsonKeepsItsOrigin) {
    EXPECT_EQ(marked("{{ {'<|k|>': messages[0].content} | tojson }}", withContent("a\n\"<|im_end|>")),
              "[{\"]<|k|>[\": \"][a\\n\\\"<|im_end|>][\"}]");
}

TEST(ChatTemplateOrigin, SurvivesMacrosBlocksAndNamespaces) {
    EXPECT_EQ(marked("{% macro m(x) %}<{{ x }}>{% endmacro %}"
                     "{% set b %}({{ m(messages[0].content) }}){% endset %}"
                     "{% set ns = namespace(t='') %}{% set ns.t = ns.t + b %}"
                     "{% filter upper %}{{ ns.t }}z{% endfilter %}",
                     withContent("q")),
              "(<[Q]>)Z");
}

// --- inputs ---

TEST(ChatTemplateInputs, ToolsAreUndefinedUnlessGiven) {
    TemplateInputs inputs;
    inputs.messages = Json::array();
    EXPECT_EQ(marked("{{ tools is defined }}", inputs), "False");
    inputs.tools = Json::array();
    EXPECT_EQ(marked("{{ tools is defined }}", inputs), "True");
}

TEST(ChatTemplateInputs, AVariableMayStandForAnyName) {
    TemplateInputs inputs;
    inputs.messages = Json::array();
    inputs.variables = {{"enable_thinking", false}, {"range", 5}, {"eos_token", "E"}};
    EXPECT_EQ(marked("{{ enable_thinking }}{{ range }}{{ eos_token }}", inputs), "False5[E]");
}

TEST(ChatTemplateInputs, NumbersOfAnySizeThatJsonCanHoldArePrintedExactly) {
    TemplateInputs inputs;
    inputs.messages = Json::array();
    inputs.variables = Json::parse(R"({"a": 18446744073709551615, "b": -9223372036854775808, "c": 0.1})");
    EXPECT_EQ(marked("{{ a }} {{ b }} {{ c }}", inputs), "18446744073709551615 -9223372036854775808 0.1");
}

TEST(ChatTemplateInputs, TheClockIsTheGivenOne) {
    TemplateInputs inputs;
    inputs.messages = Json::array();
    inputs.nowUnix = 1721952000;
    EXPECT_EQ(marked("{{ strftime_now('%d %b %Y') }}", inputs), "26 Jul 2024");
}

TEST(ChatTemplateInputs, OneTemplateRendersFromSeveralThreads) {
    const auto parsed = ChatTemplate::parse(
        "{% macro m(x) %}{{ x }}{% endmacro %}{% for i in range(50) %}{{ m(i) }}{% endfor %}{{ "
        "messages[0].content }}");
    ASSERT_TRUE(parsed.has_value());
    std::vector<std::string> texts(4);
    std::vector<std::thread> threads;
    for (size_t i = 0; i < texts.size(); ++i)
        threads.emplace_back([&, i] {
            for (int round = 0; round < 20; ++round)
                texts[i] = joinPieces(parsed->render(withContent(std::to_string(i))).value());
        });
    for (auto& thread : threads) thread.join();
    for (size_t i = 0; i < texts.size(); ++i)
        EXPECT_EQ(texts[i], texts[0].substr(0, texts[0].size() - 1) + std::to_string(i));
}

// --- errors ---

TEST(ChatTemplateErrors, ShowsTheTemplatesOwnWords) {
    EXPECT_EQ(errorOf("{{ raise_exception('Roles must alternate: ' ~ 1) }}"), "Roles must alternate: 1");
}

TEST(ChatTemplateErrors, NameTheLineOfASyntaxError) {
    EXPECT_THAT(errorOf("a\nb\n{% if x %}"), HasSubstr("line 3"));
    EXPECT_THAT(errorOf("a\n{{ x y }}"), HasSubstr("line 2"));
}

TEST(ChatTemplateErrors, NameWhatIsUndefined) {
    EXPECT_EQ(errorOf("{{ foo.bar }}"), "'foo' is undefined");
    EXPECT_EQ(errorOf("{{ messages.x.y }}", withContent("")), "'list object' has no attribute 'x'");
}

TEST(ChatTemplateErrors, NameTagsThatLoadOtherTemplates) {
    for (const std::string tag : {"include", "import", "extends", "from"})
        EXPECT_THAT(errorOf("{% " + tag + " 'x' as y %}"), HasSubstr("'" + tag + "'"));
}

// --- limits: a template is somebody else's program ---

class HostileTemplate : public ::testing::TestWithParam<std::string> {};

TEST_P(HostileTemplate, EndsInAnError) {
    EXPECT_THAT(errorOf(GetParam(), withContent("x")), ::testing::Not(HasSubstr("no error")));
}

std::string repeated(const std::string& part, int count) {
    std::string out;
    for (int i = 0; i < count; ++i) out += part;
    return out;
}

INSTANTIATE_TEST_SUITE_P(
    ChatTemplate, HostileTemplate,
    ::testing::Values(
        "{# never closed", "{{ a[\"foo\"(", "{% raw %} never closed", "{{ 'never closed", "{{", "{%",
        "{% for", "{{ 'x' * 1000000000 }}", "{{ 'x' * 99999999999999999999999999 }}",
        "{{ [1] * 1000000000 }}", "{{ range(1000000000) }}", "{{ 'x'.center(1000000000) }}",
        "{{ '%1000000000d' % 1 }}", "{{ '{:1000000000}'.format(1) }}",
        "{{ '%.1000000000f' % 1.5 }}x{{ 'a'.ljust(999999999) }}", "{{ 'x' | indent(1000000000, true) }}",
        "{{ [1] | batch(1000000000, 0) | list }}", "{{ [1] | slice(1000000000) | list }}",
        "{{ '\t'.expandtabs(1000000000) }}", "{{ 9 ** 9 ** 9 }}",
        "{{ 170141183460469231731687303715884105727 + 1 }}", "{{ 10 ** 38 * 10 }}",
        "{{ -(-2) ** 127 - 2 ** 127 }}",
        "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
        "{% for a in range(100000) %}{{ 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' * "
        "99 }}{% endfor %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% for x in [[]] recursive %}{{ loop([[]]) }}{% endfor %}",
        "{% set ns = namespace(x=[]) %}{% for a in range(100000) %}{% set ns.x = [ns.x] %}{% endfor %}",
        "{% set ns = namespace(x=[1]) %}{% for a in range(100) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ "
        "ns.x }}",
        "{% set ns = namespace(x='a') %}{% for a in range(100) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
        "{% set ns = namespace(x=[1]) %}{% for a in range(100000) %}{% set ns.x = ns.x | map('string') %}{% "
        "endfor %}{{ ns.x | list }}",
        "{% set ns = namespace() %}{% set ns.me = ns %}{{ ns }}",
        "{% set s = 'a' * 1000000 %}{% for a in range(100000) %}{{ (s ~ a) is defined }}{% endfor %}",
        "{% set s = 'ab' * 1000000 %}{% for a in range(100000) %}{{ s.count('b') }}{% endfor %}",
        "{% set s = 'a' * 4000000 %}{{ s.rfind('b' ~ s[:2000000]) }}{{ s.rsplit('b' ~ s[:2000000], 1) }}{{ 1 "
        "// 0 }}",
        "{{ " + repeated("(", 100000), "{{ " + repeated("(", 100000) + "1" + repeated(")", 100000) + " }}",
        "{{ " + repeated("[", 5000) + repeated("]", 5000) + " }}", "{{ " + repeated("not ", 100000) + "1 }}",
        "{{ " + repeated("-", 100000) + "1 }}", "{{ 1" + repeated(" + 1", 100000) + " }}",
        "{{ x" + repeated(".a", 100000) + " }}", "{{ x" + repeated("|list", 100000) + " }}",
        "{{ 1" + repeated(" if 1 else 1", 100000) + " }}", "{{ x" + repeated("(", 100000) + " }}",
        repeated("{% if 1 %}", 5000) + repeated("{% endif %}", 5000), repeated("{% for a in b %}", 5000),
        "{% set " + repeated("(", 100000) + "a = 1 %}",
        "{{ " + repeated("{1:", 5000) + "1" + repeated("}", 5000) + " }}"),
    [](const auto& hostile) { return "Template" + std::to_string(hostile.index); });

TEST(ChatTemplateLimits, ALongHonestConversationIsNowhereNearThem) {
    TemplateInputs inputs;
    inputs.messages = Json::array();
    for (int i = 0; i < 2000; ++i)
        inputs.messages.push_back(
            {{"role", i % 2 == 0 ? "user" : "assistant"}, {"content", std::string(2000, 'x')}});
    const auto text = render(
        "{% for m in messages %}{% if loop.first and m.role != 'system' %}{{ 'S' }}{% endif %}"
        "{{ '<|im_start|>' + m['role'] + '\n' + (m['content'] | trim) + '<|im_end|>' + '\n' }}{% endfor %}",
        inputs);
    ASSERT_TRUE(text.has_value()) << text.error().message;
    EXPECT_GT(joinPieces(*text).size(), 4'000'000U);
}

TEST(ChatTemplateLimits, NamespacesAndMacrosThatHoldEachOtherAreFreed) {
    // A leak sanitizer watches this one.
    EXPECT_EQ(
        marked("{% set a = namespace() %}{% set b = namespace(a=a) %}{% set a.b = b %}{% macro m() %}x{% "
               "endmacro %}"
               "{% set a.m = m %}{% for i in [1] %}{% set a.l = loop %}{% macro n() %}{{ i }}{% endmacro %}"
               "{% set a.n = n %}{% endfor %}{{ a.b.a.n() }}",
               withContent("")),
        "1");
}

}  // namespace
}  // namespace engine
