#pragma once

#include <QByteArray>
#include <QString>
#include <vector>

namespace ui {

/// A run of text in one style. A line break inside a paragraph is QChar::LineSeparator.
struct MarkdownSpan {
    enum Style : unsigned char { Plain = 0, Bold = 1, Italic = 2, Strike = 4, Code = 8 };

    QString text;
    QString link;  ///< address, empty: none
    unsigned char style = Plain;

    bool operator==(const MarkdownSpan&) const = default;
};

using MarkdownSpans = std::vector<MarkdownSpan>;

/// The smallest piece of Markdown that is laid out on its own: lists and quotes are flattened into paragraphs
/// that remember what they stand in, fenced code into its lines. A flat sequence is what lets an answer that
/// still grows be compared, block by block, with what was shown a moment ago.
struct MarkdownBlock {
    enum class Kind : unsigned char { Paragraph, Heading, CodeLine, Rule, Table };
    enum class Align : unsigned char { Left, Center, Right };
    struct Cell {
        MarkdownSpans spans;
        bool operator==(const Cell&) const = default;
    };
    using Row = std::vector<Cell>;

    Kind kind = Kind::Paragraph;
    int headingLevel = 0;   ///< 1 to 6
    QByteArray containers;  ///< from the outside in: 'q' a quote, 'l' a list item
    QString marker;         ///< of the list item that starts here: "•", "3.", "☐", "☑"; empty: none
    MarkdownSpans spans;    ///< of a paragraph, heading or line of code

    QString language;        ///< of a line of code: first word of the info string
    bool firstLine = false;  ///< of its code block
    bool lastLine = false;

    std::vector<Row> rows;      ///< of a table, the first is its header
    std::vector<Align> aligns;  ///< one for each column

    bool operator==(const MarkdownBlock&) const = default;
};

using MarkdownBlocks = std::vector<MarkdownBlock>;

/// The text of a block without any markup, as accessibility and tests want it.
QString plainText(const MarkdownSpans& spans);
QString plainText(const MarkdownBlock& block);

}  // namespace ui
