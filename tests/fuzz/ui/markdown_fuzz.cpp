/// Any bytes, cut anywhere, give the blocks that the whole gives, and what update() reports as unchanged is
/// unchanged. The first byte of the input chooses how long the pieces are.

#include <QString>
#include <cstdint>
#include <cstdlib>

#include "ui/markdown_document.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size == 0) return 0;
    const qsizetype step = 1 + data[0] % 16;
    const QString text = QString::fromUtf8(reinterpret_cast<const char*>(data + 1), qsizetype(size - 1));

    ui::MarkdownDocument whole;
    whole.append(text);
    whole.finish();
    whole.update();

    ui::MarkdownDocument pieces;
    ui::MarkdownBlocks shown;
    for (qsizetype at = 0; at <= text.size(); at += step) {
        pieces.append(QStringView(text).sliced(at, std::min(step, text.size() - at)));
        if (at + step > text.size()) pieces.finish();
        const size_t first = pieces.update();
        if (first > shown.size()) std::abort();
        shown.resize(first);
        shown.insert(shown.end(), pieces.blocks().begin() + ptrdiff_t(first), pieces.blocks().end());
        if (shown != pieces.blocks()) std::abort();
    }
    if (pieces.blocks() != whole.blocks()) std::abort();
    return 0;
}
