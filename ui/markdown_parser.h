#pragma once

#include <QByteArray>

#include "ui/markdown_block.h"

namespace ui {

/// Where the numbering of a top-level ordered list stands, for a list that is parsed item by item.
struct ListNumbering {
    bool active = false;
    char delimiter = '.';
    int next = 1;
    bool operator==(const ListNumbering&) const = default;
};

/// Parses CommonMark with tables, strike-through, task lists and bare addresses (md4c). Raw HTML is text, an
/// image becomes a link to it, a line break in the source is a line break, a reference to a link definition
/// resolves when the definition is in `markdown`.
/// @param markdown   UTF-8; any bytes are accepted
/// @param numbering  in: continues the list that ended the piece before; out: the list that ends this piece
MarkdownBlocks parseMarkdown(const QByteArray& markdown, ListNumbering* numbering = nullptr);

}  // namespace ui
