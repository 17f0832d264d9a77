#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <exception>

#include "app/cli/cli.h"

namespace {

/// Messages stay on one line, whatever a file's name or a template's words hold.
std::string oneLine(std::string text) {
    std::ranges::replace(text, '\n', ' ');
    return text;
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app("Alcove's engine on the command line", "alcove-cli");
    app.set_version_flag("--version", ALCOVE_VERSION);
    app.require_subcommand(1);
    cli::addInfo(app);
    cli::addTokenize(app);
    cli::addDetokenize(app);
    cli::addTemplate(app);
    cli::addGenerate(app);
    cli::addChat(app);
    cli::addScore(app);
    cli::addBench(app);
    cli::addServeTrace(app);
    try {
        app.parse(argc, argv);
    } catch (const CLI::Success& success) {
        return app.exit(success);
    } catch (const CLI::ParseError& error) {
        fmt::print(stderr, "alcove-cli: {}; see --help\n", oneLine(error.what()));
        return 2;
    } catch (const cli::Failure& failure) {
        std::fflush(stdout);
        fmt::print(stderr, "alcove-cli: {}\n", oneLine(failure.message));
        return failure.status;
    } catch (const std::exception& error) {
        fmt::print(stderr, "alcove-cli: {}; this is a bug, please report it\n", oneLine(error.what()));
        return 1;
    }
    return 0;
}
