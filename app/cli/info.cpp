#include <fmt/format.h>

#include <map>

#include "app/cli/cli.h"
#include "engine/gguf/gguf_file.h"
#include "engine/runtime/device.h"
#include "engine/runtime/memory_plan.h"

namespace cli {
namespace {

struct InfoOptions {
    std::string model;
    bool json = false;
    int context = 0;
};

nlohmann::ordered_json describe(const InfoOptions& options) {
    const auto file = valueOr(engine::GgufFile::open(modelPath(options.model)));
    const auto config = valueOr(engine::ModelConfig::read(file));
    std::map<std::string, uint64_t> quantisation;
    uint64_t parameters = 0;
    for (const engine::GgufTensor& tensor : file.tensors()) {
        quantisation[std::string(kernels::dtypeInfo(tensor.dtype).name)] += tensor.bytes;
        parameters += tensor.elements();
    }
    const auto layout = engine::KvLayout::of(config, engine::KvType::F16);
    const int context = options.context > 0 ? options.context : config.contextLength;
    // As on the CPU: what a card's layout adds is a few per cent.
    const auto device =
        valueOr(engine::openDevice(engine::DeviceChoice::Cpu, 1, engine::ComputeChoice::Int8));
    const engine::MemoryPlan plan =
        engine::planMemory(file, config, layout, {},
                           {context, (static_cast<size_t>(context) + 16) * layout.bytesPerToken()}, *device);
    return {{"architecture", config.architectureName},
            {"name", config.name},
            {"parameters", parameters},
            {"file_bytes", file.fileBytes()},
            {"quantisation", quantisation},
            {"context_length", config.contextLength},
            {"vocabulary", config.vocabulary},
            {"tokenizer", file.string("tokenizer.ggml.model").value_or("")},
            {"layers", config.layers},
            {"attention", engine::toString(config.attentionKind())},
            {"kv_bytes_per_token", layout.bytesPerToken()},
            {"needed_bytes", plan.total()},
            {"chat_template", file.string("tokenizer.chat_template").has_value()}};
}

}  // namespace

void addInfo(CLI::App& app) {
    auto options = std::make_shared<InfoOptions>();
    CLI::App* verb = app.add_subcommand("info", "What a model file is and needs");
    verb->add_option("model", options->model, "Path of a GGUF file, or the name of an installed model")
        ->required()
        ->type_name("MODEL");
    verb->add_flag("--json", options->json, "One JSON object instead of a table");
    verb->add_option("--context", options->context,
                     "Tokens of context that needed_bytes counts (default: the model's)")
        ->check(CLI::Range(1, 1 << 24));
    verb->callback([options] {
        const nlohmann::ordered_json info = describe(*options);
        if (options->json) {
            fmt::print("{}\n", oneLine(info));
            return;
        }
        for (const auto& [key, value] : info.items())
            fmt::print("{:<20} {}\n", key, value.is_string() ? value.get<std::string>() : oneLine(value));
    });
}

}  // namespace cli
