#include <gtest/gtest.h>

#include <fstream>

#include "engine/prompt/chat_template.h"

/// Small templates against what jinja2 made of them (tests/tools/template_golden.py).
namespace engine {
namespace {

using Json = nlohmann::ordered_json;

Json golden() {
    std::ifstream file(ALCOVE_TEST_DATA "/data/templates/expressions.json");
    return Json::parse(file);
}

TEST(ChatTemplateGolden, EveryExpressionAndStatementComesOutAsInJinja2) {
    const Json all = golden();
    ASSERT_GT(all["cases"].size(), 1000U);
    TemplateInputs inputs;
    inputs.messages = Json::array();
    inputs.variables = all["context"];
    inputs.nowUnix = all["now"].get<int64_t>();
    for (const Json& entry : all["cases"]) {
        const auto source = entry["template"].get<std::string>();
        SCOPED_TRACE(source);
        const auto parsed = ChatTemplate::parse(source);
        auto rendered = parsed ? parsed->render(inputs)
                               : Result<std::vector<RenderedPiece>>(tl::unexpected<Error>(parsed.error()));
        if (entry.contains("text")) {
            ASSERT_TRUE(rendered.has_value()) << rendered.error().message;
            EXPECT_EQ(joinPieces(*rendered), entry["text"].get<std::string>());
        } else {
            EXPECT_FALSE(rendered.has_value())
                << "came out as " << joinPieces(*rendered) << ", but jinja2 says " << entry["error"];
        }
    }
}

TEST(ChatTemplateGolden, PiecesOfEveryTextAreMaximalAndNotEmpty) {
    const Json all = golden();
    TemplateInputs inputs;
    inputs.messages = Json::array();
    inputs.variables = all["context"];
    for (const Json& entry : all["cases"]) {
        const auto parsed = ChatTemplate::parse(entry["template"].get<std::string>());
        if (!parsed) continue;
        const auto rendered = parsed->render(inputs);
        if (!rendered) continue;
        SCOPED_TRACE(entry["template"].get<std::string>());
        for (size_t i = 0; i < rendered->size(); ++i) {
            EXPECT_FALSE((*rendered)[i].text.empty());
            EXPECT_FALSE(i > 0 && (*rendered)[i].special == (*rendered)[i - 1].special &&
                         (*rendered)[i].message == (*rendered)[i - 1].message);
        }
    }
}

}  // namespace
}  // namespace engine
