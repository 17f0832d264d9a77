#pragma once

#include <QByteArray>
#include <QString>
#include <QStringEncoder>
#include <QStringView>
#include <optional>

#include "ui/markdown_block.h"
#include "ui/markdown_parser.h"

namespace ui {

/// Markdown that grows at its end. What can no longer change is parsed once and frozen; only the open tail
/// (the paragraph or list item being written, the line of code being typed) is parsed again, so the cost of a
/// token does not grow with the answer. The blocks are a function of the text alone: however it was cut into
/// pieces, they come out the same.
///
/// Differs from a parser that sees the whole text in one point: a link definition serves the text after it
/// and the open tail, not frozen blocks before it.
class MarkdownDocument {
  public:
    /// Adds text at the end; costs what the text costs to copy.
    void append(QStringView text);
    /// No more text comes: a half-typed closing fence is text after all.
    void finish() { finished_ = true; }
    void clear();

    /// Parses what was appended.
    /// @returns the index of the first block that differs from those of the last update.
    size_t update();

    const MarkdownBlocks& blocks() const { return blocks_; }
    /// Blocks before this index never change again.
    size_t frozenBlocks() const { return frozen_; }
    /// Bytes parsed so far, counting again what was parsed again: a measure for tests.
    size_t bytesParsed() const { return bytesParsed_; }

  private:
    enum class Mode { Paragraph, List, Fence };
    struct Fence {
        char character = '`';
        int length = 0;
        int indent = 0;
        QString language;
        bool anyLine = false;            // frozen
        std::optional<QByteArray> held;  // the last whole line, until it is known whether more follow
    };

    void scanLine(qsizetype begin, qsizetype end);
    void scanFenceLine(QByteArrayView line, qsizetype end);
    void freezeUpTo(qsizetype end);
    void openFence(QByteArrayView text, int indent, qsizetype lineBytes);
    void pushCodeLine(QByteArrayView line, bool last);
    void appendTail();
    QByteArray mendedTail() const;
    void parseInto(const QByteArray& markdown, ListNumbering* numbering);

    QStringEncoder encoder_{QStringEncoder::Utf8};
    QByteArray tail_;        // not frozen yet, UTF-8
    qsizetype scanned_ = 0;  // bytes of whole lines in tail_ that were looked at
    Mode mode_ = Mode::Paragraph;
    bool afterBlank_ = true;  // the line before was blank, or there was none
    int listContent_ = 0;     // column where the content of the outermost list item starts
    Fence fence_;
    ListNumbering numbering_;  // at the end of the frozen blocks
    QByteArray definitions_;   // link definitions seen so far
    MarkdownBlocks blocks_;    // frozen ones, then those of the tail
    size_t frozen_ = 0;
    size_t bytesParsed_ = 0;
    bool finished_ = false;
};

}  // namespace ui
