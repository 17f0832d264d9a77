#include "ui/markdown_document.h"

#include <algorithm>
#include <cstring>
#include <optional>

namespace ui {

namespace {

QByteArrayView withoutLineEnd(QByteArrayView line) {
    if (line.endsWith('\n')) line.chop(1);
    if (line.endsWith('\r')) line.chop(1);
    return line;
}

bool isBlank(QByteArrayView line) {
    return std::all_of(line.begin(), line.end(), [](char c) { return c == ' ' || c == '\t'; });
}

int indentOf(QByteArrayView line) {
    int column = 0;
    for (const char c : line) {
        if (c == ' ') {
            ++column;
        } else if (c == '\t') {
            column += 4 - column % 4;
        } else {
            break;
        }
    }
    return column;
}

QByteArrayView trimmedLeft(QByteArrayView line) {
    while (line.startsWith(' ') || line.startsWith('\t')) line = line.sliced(1);
    return line;
}

int runLength(QByteArrayView line, char c) {
    int n = 0;
    while (n < line.size() && line[n] == c) ++n;
    return n;
}

bool isThematicBreak(QByteArrayView text) {
    if (text.isEmpty() || (text[0] != '-' && text[0] != '*' && text[0] != '_')) return false;
    int marks = 0;
    for (const char c : text) {
        if (c == text[0]) {
            ++marks;
        } else if (c != ' ' && c != '\t') {
            return false;
        }
    }
    return marks >= 3;
}

bool isHeading(QByteArrayView text) {
    const int level = runLength(text, '#');
    return level >= 1 && level <= 6 && level < text.size() && (text[level] == ' ' || text[level] == '\t');
}

struct ListMarker {
    int width;        // characters of the marker itself
    bool interrupts;  // may end a paragraph without a blank line between
};

/// A marker followed by text. Empty items are not markers here: under a paragraph they could be an underline.
std::optional<ListMarker> listMarker(QByteArrayView text) {
    if (isThematicBreak(text) || text.isEmpty()) return std::nullopt;
    int width = 0;
    bool one = false;
    if (text[0] == '-' || text[0] == '*' || text[0] == '+') {
        width = 1;
        one = true;
    } else {
        int digits = 0;
        while (digits < text.size() && digits < 9 && text[digits] >= '0' && text[digits] <= '9') ++digits;
        if (digits == 0 || digits >= text.size() || (text[digits] != '.' && text[digits] != ')')) {
            return std::nullopt;
        }
        one = text.first(digits).toByteArray().toInt() == 1;
        width = digits + 1;
    }
    const QByteArrayView rest = text.sliced(width);
    if (!(rest.startsWith(' ') || rest.startsWith('\t')) || isBlank(rest)) return std::nullopt;
    return ListMarker{width, one};
}

/// Length of a fence that may open here, 0: none. The info string of a backtick fence holds no backtick.
int fenceLength(QByteArrayView text) {
    if (text.isEmpty() || (text[0] != '`' && text[0] != '~')) return 0;
    const int length = runLength(text, text[0]);
    if (length < 3) return 0;
    if (text[0] == '`' && text.sliced(length).contains('`')) return 0;
    return length;
}

/// A link definition shows nothing, which is how the parser says that it is one.
bool isDefinition(QByteArrayView text) {
    return text.startsWith('[') && text.indexOf("]:") > 1 && parseMarkdown(text.toByteArray()).empty();
}

bool closesFence(QByteArrayView line, char character, int length) {
    const QByteArrayView text = trimmedLeft(line);
    const int run = runLength(text, character);
    return indentOf(line) <= 3 && run >= length && isBlank(text.sliced(run));
}

int occurrences(QByteArrayView text, QByteArrayView needle) {
    int count = 0;
    for (qsizetype at = 0; (at = text.indexOf(needle, at)) >= 0; at += needle.size()) ++count;
    return count;
}

}  // namespace

void MarkdownDocument::append(QStringView text) {
    const QByteArray bytes = encoder_.encode(text);
    tail_ += bytes;
}

void MarkdownDocument::clear() {
    *this = MarkdownDocument();
}

size_t MarkdownDocument::update() {
    const size_t frozenBefore = frozen_;
    MarkdownBlocks before(std::make_move_iterator(blocks_.begin() + ptrdiff_t(frozen_)),
                          std::make_move_iterator(blocks_.end()));
    blocks_.resize(frozen_);
    for (qsizetype newline; (newline = tail_.indexOf('\n', scanned_)) >= 0;) scanLine(scanned_, newline + 1);
    appendTail();

    size_t same = 0;
    while (same < before.size() && frozenBefore + same < blocks_.size() &&
           before[same] == blocks_[frozenBefore + same]) {
        ++same;
    }
    return frozenBefore + same;
}

/// Looks at one whole line, tail_[begin, end), and freezes what it shows to be complete.
void MarkdownDocument::scanLine(qsizetype begin, qsizetype end) {
    scanned_ = end;
    const QByteArray copy = tail_.sliced(begin, end - begin);  // freezing moves the bytes of tail_
    const QByteArrayView line = withoutLineEnd(copy);
    if (mode_ == Mode::Fence) {
        scanFenceLine(line, end);
        return;
    }
    if (isBlank(line)) {
        afterBlank_ = true;
        return;
    }
    const int indent = indentOf(line);
    const QByteArrayView text = trimmedLeft(line);
    const bool outside = mode_ == Mode::Paragraph ? indent <= 3 : indent < std::min(listContent_, 4);
    const bool wasBlank = std::exchange(afterBlank_, false);
    if (!outside) return;

    if (fenceLength(text) > 0) {
        freezeUpTo(begin);
        openFence(text, indent, copy.size());
        return;
    }
    const std::optional<ListMarker> marker = listMarker(text);
    if (marker && (wasBlank || mode_ == Mode::List || marker->interrupts)) {
        if (indent == 0) freezeUpTo(begin);
        mode_ = Mode::List;
        const int gap = indentOf(text.sliced(marker->width));
        listContent_ = indent + marker->width + (gap <= 4 ? gap : 1);
        return;
    }
    const bool starts = wasBlank || isHeading(text);
    if (indent == 0 && starts) freezeUpTo(begin);
    if (starts || text.startsWith('>') || isThematicBreak(text)) mode_ = Mode::Paragraph;
    if (wasBlank && isDefinition(text)) definitions_ += copy;
}

/// tail_[0, end) is complete: parses it once and for all.
void MarkdownDocument::freezeUpTo(qsizetype end) {
    if (end == 0) return;
    parseInto(tail_.first(end), &numbering_);
    frozen_ = blocks_.size();
    tail_.remove(0, end);
    scanned_ -= end;
}

/// The opening line is at the start of tail_ and goes with this.
void MarkdownDocument::openFence(QByteArrayView text, int indent, qsizetype lineBytes) {
    mode_ = Mode::Fence;
    fence_ = Fence();
    fence_.character = text[0];
    fence_.length = runLength(text, text[0]);
    fence_.indent = indent;
    // The parser knows how an info string is read: escapes, entities, its first word.
    const MarkdownBlocks parsed = parseMarkdown(text.toByteArray());
    if (!parsed.empty()) fence_.language = parsed.front().language;
    numbering_ = ListNumbering();
    tail_.remove(0, lineBytes);
    scanned_ = 0;
}

void MarkdownDocument::scanFenceLine(QByteArrayView line, qsizetype end) {
    const bool closes = closesFence(line, fence_.character, fence_.length);
    if (fence_.held || closes) pushCodeLine(fence_.held.value_or(QByteArray()), closes);
    frozen_ = blocks_.size();
    if (closes) {
        mode_ = Mode::Paragraph;
        afterBlank_ = true;
    } else {
        fence_.held = line.toByteArray();
    }
    tail_.remove(0, end);
    scanned_ = 0;
}

void MarkdownDocument::pushCodeLine(QByteArrayView line, bool last) {
    for (int i = 0; i < fence_.indent && line.startsWith(' '); ++i) line = line.sliced(1);
    MarkdownBlock block;
    block.kind = MarkdownBlock::Kind::CodeLine;
    block.language = fence_.language;
    block.firstLine = !fence_.anyLine;
    block.lastLine = last;
    QString text = QString::fromUtf8(line).replace(QChar::Null, QChar::ReplacementCharacter);
    if (!text.isEmpty()) block.spans.push_back({std::move(text), QString(), MarkdownSpan::Plain});
    blocks_.push_back(std::move(block));
    fence_.anyLine = true;
}

/// Adds the blocks of what is not frozen yet.
void MarkdownDocument::appendTail() {
    if (mode_ != Mode::Fence) {
        ListNumbering numbering = numbering_;
        parseInto(mendedTail(), &numbering);
        return;
    }
    bytesParsed_ += size_t(tail_.size());
    const bool anyFrozen = fence_.anyLine;
    const QByteArrayView line = withoutLineEnd(tail_);
    const QByteArrayView text = trimmedLeft(line);
    const bool fenceBegins = !finished_ && runLength(text, fence_.character) == text.size();
    const bool visible =
        !line.isEmpty() && !closesFence(line, fence_.character, fence_.length) && !fenceBegins;
    if (fence_.held || !visible) {
        if (fence_.held || !anyFrozen) pushCodeLine(fence_.held.value_or(QByteArray()), !visible);
    }
    if (visible) pushCodeLine(line, true);
    fence_.anyLine = anyFrozen;
}

/// While text still comes, what was only begun is shown as it will most likely turn out: a closing mark that
/// is missing is thought of, and a last line that is nothing but the beginning of a marker waits for its
/// text.
QByteArray MarkdownDocument::mendedTail() const {
    if (finished_ || tail_.isEmpty()) return tail_;
    QByteArray tail = tail_;
    const qsizetype lineStart = tail.lastIndexOf('\n') + 1;
    const QByteArrayView last = trimmedLeft(QByteArrayView(tail).sliced(lineStart));
    const bool onlyMarks = std::all_of(last.begin(), last.end(), [](char c) {
        return std::strchr("-=+*_#>`~ \t", c) != nullptr || (c >= '0' && c <= '9') || c == '.' || c == ')';
    });
    const bool number = !last.isEmpty() && last[0] >= '0' && last[0] <= '9';
    if (onlyMarks && (!number || last.endsWith('.'))) {
        tail.truncate(lineStart);
        return tail;
    }
    if (last.startsWith("```") || last.startsWith("~~~")) return tail;
    while (tail.endsWith('*') || tail.endsWith('`') || tail.endsWith(' ')) {
        const char end = tail.back();
        const qsizetype run = tail.size() - 1;
        const bool opens = run > lineStart && tail[run - 1] == ' ';
        if (end != ' ' && !opens && !tail.endsWith(" **")) break;
        tail.chop(1);
    }
    const QByteArrayView line = QByteArrayView(tail).sliced(lineStart);
    if (line.count('`') % 2 == 1) {
        tail += '`';
    } else if (occurrences(line, "**") % 2 == 1) {
        tail += tail.endsWith('*') ? "*" : "**";
    }
    return tail;
}

void MarkdownDocument::parseInto(const QByteArray& markdown, ListNumbering* numbering) {
    bytesParsed_ += size_t(markdown.size());
    const QByteArray source = definitions_.isEmpty() ? markdown : definitions_ + '\n' + markdown;
    MarkdownBlocks parsed = parseMarkdown(source, numbering);
    blocks_.insert(blocks_.end(), std::make_move_iterator(parsed.begin()),
                   std::make_move_iterator(parsed.end()));
}

}  // namespace ui
