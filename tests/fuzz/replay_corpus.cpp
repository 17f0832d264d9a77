// The main of a fuzz target where libFuzzer is not: runs every file of the folders it is given through the
// target, and every prefix of the short ones, since parsers break most often where their input ends early.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

int main(int argc, char** argv) {
    constexpr size_t kPrefixesUpTo = 256;  // bytes
    std::vector<std::filesystem::path> files;
    for (int i = 1; i < argc; ++i)
        for (const auto& entry : std::filesystem::directory_iterator(argv[i]))
            if (entry.is_regular_file()) files.push_back(entry.path());
    if (files.empty()) {
        std::fprintf(stderr, "replay: no input in the folders given; a fuzz target needs a seed corpus\n");
        return 1;
    }
    std::sort(files.begin(), files.end());
    for (const auto& file : files) {
        std::ifstream stream(file, std::ios::binary);
        const std::vector<uint8_t> bytes{std::istreambuf_iterator<char>(stream), {}};
        std::printf("%s, %zu bytes\n", file.filename().c_str(), bytes.size());
        std::fflush(stdout);  // if the target dies, its input's name is the last line
        for (size_t size = 0; size <= std::min(bytes.size(), kPrefixesUpTo); ++size) {
            // A copy of its own, so that a read one past the end is past an allocation.
            const std::vector<uint8_t> prefix(bytes.begin(),
                                              bytes.begin() + static_cast<std::ptrdiff_t>(size));
            LLVMFuzzerTestOneInput(prefix.data(), prefix.size());
        }
        LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
    }
    std::printf("%zu inputs replayed\n", files.size());
    return 0;
}
