#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <iostream>

#include "app/cli/prompt_options.h"

namespace cli {
namespace {

volatile std::sig_atomic_t interrupted = 0;

struct ChatOptions {
    CommonOptions common;
    PromptOptions prompt;
};

/// The conversation so far, and the ids of what the model said, so that its answers are not encoded anew.
class Chat {
  public:
    Chat(engine::Engine& engine, const PromptOptions& options) : engine_(engine), options_(options) {
        reset();
    }

    void reset() {
        request_ = {};
        request_.messages = nlohmann::ordered_json::array();
        request_.sampling = options_.sampling();
        request_.maxNewTokens = options_.newTokens;
        if (options_.system) add("system", *options_.system, {});
    }

    void showStats() const {
        const engine::EngineStats now = engine_.stats();
        fmt::print("KV blocks      {} used ({} of them cached), {} free\n", now.kvBlocksUsed,
                   now.kvBlocksCached, now.kvBlocksTotal - now.kvBlocksUsed);
        fmt::print("other tiers    {} blocks in host memory, {} on disk\n", now.hostBlocks, now.diskBlocks);
        fmt::print("prefix cache   {:.1f} % hits, {} of {} prompt tokens not computed\n",
                   100.0 * now.hitRate(), now.cachedTokens, now.promptTokens);
        fmt::print("waiting        {:.1f} ms in the queue, {:.0f} ms to the first token\n", now.queueMillis,
                   now.ttftMillis);
        fmt::print("between tokens {:.1f} ms (median), {:.1f} ms (99 %)\n", now.itlP50Millis,
                   now.itlP99Millis);
    }

    void say(const std::string& line) {
        add("user", line, {});
        interrupted = 0;
        const auto answer = runRequest(
            engine_, request_, [](const std::string& text) { fmt::print("{}", text), std::fflush(stdout); },
            [] { return interrupted != 0; });
        if (!answer) {
            // What could not be answered is taken back, so that the chat can go on.
            request_.messages.erase(request_.messages.size() - 1);
            request_.generatedIds.pop_back();
            fmt::print("[{}]\n", answer.error().message);
            return;
        }
        add("assistant", answer->text, answer->ids);
        if (answer->reason == engine::FinishReason::Length)
            fmt::print(" [the answer ends here: {} of {} tokens of context are used]",
                       answer->stats.contextTokens, answer->stats.contextLimit);
        if (answer->reason == engine::FinishReason::Cancelled) fmt::print(" [stopped]");
        fmt::print("\n");
        if (isatty(STDERR_FILENO) != 0)
            fmt::print(stderr,
                       "\x1b[2m{:.1f} tok/s, first after {:.0f} ms, {} of {} tokens of context\x1b[0m\n",
                       answer->stats.decodeTokensPerSecond, answer->stats.ttftMillis,
                       answer->stats.contextTokens, answer->stats.contextLimit);
    }

  private:
    void add(const char* role, const std::string& content, std::vector<engine::TokenId> ids) {
        request_.messages.push_back({{"role", role}, {"content", content}});
        request_.generatedIds.push_back(std::move(ids));
    }

    engine::Engine& engine_;
    const PromptOptions& options_;
    engine::GenerateRequest request_;
};

void runChat(const ChatOptions& options) {
    const auto engine = options.common.load();
    if (!engine->model().hasChatTemplate)
        throw Failure{1,
                      fmt::format("the model '{}' has no chat template and cannot chat; use generate --raw",
                                  options.common.model)};
    std::signal(SIGINT, [](int) { interrupted = 1; });
    const bool terminal = isatty(STDIN_FILENO) != 0;
    if (terminal)
        fmt::print(
            "{} on {}\nEnter sends, Ctrl+C stops an answer, /reset starts over, /stats shows the engine, "
            "/exit or Ctrl+D ends.\n",
            engine->model().name, engine->stats().device);
    Chat chat(*engine, options.prompt);
    const auto prompt = [terminal] {
        if (terminal) fmt::print("\n> ");
        std::fflush(stdout);
    };
    std::string line;
    for (prompt(); std::getline(std::cin, line); prompt()) {
        if (line == "/exit" || line == "/quit") return;
        if (line == "/reset") {
            chat.reset();
        } else if (line == "/stats") {
            chat.showStats();
        } else if (line.starts_with('/')) {
            fmt::print("/reset starts over, /stats shows the engine, /exit ends; anything else is sent\n");
        } else if (line.find_first_not_of(" \t\r") != std::string::npos) {
            chat.say(line);
        }
    }
    if (terminal) fmt::print("\n");
}

}  // namespace

void addChat(CLI::App& app) {
    auto options = std::make_shared<ChatOptions>();
    CLI::App* verb = app.add_subcommand("chat", "A conversation in the terminal");
    options->common.addDevice(*verb);
    verb->add_option("--system", options->prompt.system, "A system message");
    options->prompt.addSampling(*verb);
    verb->callback([options] { runChat(*options); });
}

}  // namespace cli
