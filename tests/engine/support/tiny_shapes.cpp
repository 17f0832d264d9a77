#include "tests/engine/support/tiny_shapes.h"

namespace engine::testing {
namespace {

TinyModel with(void (*change)(TinyModel&)) {
    TinyModel shape;
    change(shape);
    return shape;
}

}  // namespace

std::vector<NamedShape> tinyShapes() {
    std::vector<NamedShape> shapes{
        {"LlamaGqaTied", TinyModel{}},
        {"LlamaMha", with([](TinyModel& s) { s.kvHeads = 4; })},
        {"LlamaMqa", with([](TinyModel& s) { s.kvHeads = 1; })},
        {"LlamaUntied", with([](TinyModel& s) { s.tied = false; })},
        {"LlamaLinear", with([](TinyModel& s) {
             s.scaling = "linear";
             s.scalingFactor = 4.0F;
         })},
        {"LlamaYarn", with([](TinyModel& s) {
             s.scaling = "yarn";
             s.scalingFactor = 8.0F;
             s.originalContext = 64;
         })},
        {"LlamaLlama3", with([](TinyModel& s) {
             s.frequencyFactors = true;
             s.ropeBase = 500000.0F;
         })},
        {"Qwen2Gqa", with([](TinyModel& s) { s.architecture = "qwen2"; })},
        {"Qwen2MhaUntied", with([](TinyModel& s) {
             s.architecture = "qwen2";
             s.kvHeads = 4;
             s.tied = false;
         })},
        {"Qwen3Gqa", with([](TinyModel& s) { s.architecture = "qwen3"; })},
        {"Qwen3WideHeads", with([](TinyModel& s) {
             s.architecture = "qwen3";
             s.headDim = 128;
             s.tied = false;
         })},
        {"Qwen3Yarn", with([](TinyModel& s) {
             s.architecture = "qwen3";
             s.scaling = "yarn";
             s.scalingFactor = 4.0F;
             s.originalContext = 128;
         })},
        {"Gemma3Windows", with([](TinyModel& s) {
             s.architecture = "gemma3";
             s.layers = 7;
             s.window = 20;
             s.ropeBase = 1000000.0F;
         })},
        {"Gemma3MqaLinear", with([](TinyModel& s) {
             s.architecture = "gemma3";
             s.layers = 6;
             s.kvHeads = 1;
             s.window = 33;
             s.scaling = "linear";
             s.scalingFactor = 8.0F;
         })},
    };
    for (int type = 1; type < kernels::kDTypeCount; ++type) {
        TinyModel shape;
        shape.dtype = static_cast<kernels::DType>(type);
        shape.seed = 100 + static_cast<uint64_t>(type);
        shapes.push_back({"Type" + std::string(kernels::dtypeInfo(shape.dtype).name), shape});
    }
    return shapes;
}

std::vector<int32_t> tinyGoldenIds(const TinyModel& shape) {
    return tinyIds(130, shape.vocabulary, shape.seed + 7);
}

}  // namespace engine::testing
