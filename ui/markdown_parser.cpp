#include "ui/markdown_parser.h"

#include <md4c.h>

#include <QStringList>

#include "ui/markdown_entities.h"

namespace ui {

namespace {

constexpr unsigned kFlags =
    MD_FLAG_TABLES | MD_FLAG_STRIKETHROUGH | MD_FLAG_TASKLISTS | MD_FLAG_PERMISSIVEAUTOLINKS | MD_FLAG_NOHTML;

QString attributeText(const MD_ATTRIBUTE& attribute) {
    QString text;
    if (attribute.text == nullptr) return text;
    for (int i = 0; attribute.substr_offsets[i] < attribute.size; ++i) {
        const auto begin = attribute.substr_offsets[i];
        const QString part =
            QString::fromUtf8(attribute.text + begin, qsizetype(attribute.substr_offsets[i + 1] - begin));
        text += attribute.substr_types[i] == MD_TEXT_ENTITY ? decodeEntity(part) : part;
    }
    return text;
}

/// Turns md4c's calls into the flat sequence of blocks.
class Flattener {
  public:
    Flattener(MarkdownBlocks& out, ListNumbering* numbering) : out_(out), numbering_(numbering) {}

    void enterBlock(MD_BLOCKTYPE type, void* detail) {
        switch (type) {
            case MD_BLOCK_QUOTE:
                openContainer();
                containers_.append('q');
                break;
            case MD_BLOCK_UL:
                openContainer();
                lists_.push_back({false, 0, 0});
                break;
            case MD_BLOCK_OL:
                enterOrderedList(*static_cast<MD_BLOCK_OL_DETAIL*>(detail));
                break;
            case MD_BLOCK_LI:
                enterItem(*static_cast<MD_BLOCK_LI_DETAIL*>(detail));
                break;
            case MD_BLOCK_P:
                beginBlock(MarkdownBlock::Kind::Paragraph);
                break;
            case MD_BLOCK_H:
                beginBlock(MarkdownBlock::Kind::Heading);
                out_.back().headingLevel = int(static_cast<MD_BLOCK_H_DETAIL*>(detail)->level);
                break;
            case MD_BLOCK_HR:
                beginBlock(MarkdownBlock::Kind::Rule);
                break;
            case MD_BLOCK_CODE:
                closeBlock();
                inCode_ = true;
                code_.clear();
                language_ = attributeText(static_cast<MD_BLOCK_CODE_DETAIL*>(detail)->lang);
                break;
            case MD_BLOCK_TABLE:
                beginBlock(MarkdownBlock::Kind::Table);
                break;
            case MD_BLOCK_TR:
                out_.back().rows.emplace_back();
                break;
            case MD_BLOCK_TH:
            case MD_BLOCK_TD:
                enterCell(*static_cast<MD_BLOCK_TD_DETAIL*>(detail));
                break;
            default:
                break;
        }
    }

    void leaveBlock(MD_BLOCKTYPE type) {
        switch (type) {
            case MD_BLOCK_QUOTE:
                openContainer();
                containers_.chop(1);
                break;
            case MD_BLOCK_UL:
            case MD_BLOCK_OL:
                leaveList(type == MD_BLOCK_OL);
                break;
            case MD_BLOCK_LI:
                openContainer();
                containers_.chop(1);
                break;
            case MD_BLOCK_CODE:
                emitCode();
                break;
            case MD_BLOCK_TH:
            case MD_BLOCK_TD:
                cell_ = nullptr;
                break;
            case MD_BLOCK_P:
            case MD_BLOCK_H:
            case MD_BLOCK_HR:
            case MD_BLOCK_TABLE:
                closeBlock();
                break;
            default:
                break;
        }
    }

    void enterSpan(MD_SPANTYPE type, void* detail) {
        if (int* depth = depthOf(type)) ++*depth;
        if (type == MD_SPAN_A) links_.push_back(attributeText(static_cast<MD_SPAN_A_DETAIL*>(detail)->href));
        if (type == MD_SPAN_IMG)
            links_.push_back(attributeText(static_cast<MD_SPAN_IMG_DETAIL*>(detail)->src));
    }

    void leaveSpan(MD_SPANTYPE type) {
        if (int* depth = depthOf(type)) --*depth;
        if (type == MD_SPAN_A || type == MD_SPAN_IMG) links_.pop_back();
    }

    void text(MD_TEXTTYPE type, const char* bytes, MD_SIZE size) {
        if (inCode_) {
            code_ += type == MD_TEXT_NULLCHAR ? QString(QChar::ReplacementCharacter)
                                              : QString::fromUtf8(bytes, qsizetype(size));
            return;
        }
        switch (type) {
            case MD_TEXT_NULLCHAR:
                append(QString(QChar::ReplacementCharacter));
                break;
            case MD_TEXT_BR:
            case MD_TEXT_SOFTBR:
                append(QString(QChar::LineSeparator));
                break;
            case MD_TEXT_ENTITY:
                append(decodeEntity(QString::fromUtf8(bytes, qsizetype(size))));
                break;
            default:
                append(QString::fromUtf8(bytes, qsizetype(size)));
                break;
        }
    }

    /// After the last call: what a following piece has to know.
    void finish() {
        if (numbering_ == nullptr) return;
        const bool endsWithList = blocksAtEnd_ == out_.size() && blocksAtEnd_ > 0;
        *numbering_ = endsWithList ? ended_ : ListNumbering();
    }

  private:
    struct List {
        bool ordered;
        int next;
        char delimiter;
    };

    /// How many spans of a kind are open; null: it has no style.
    int* depthOf(MD_SPANTYPE type) {
        switch (type) {
            case MD_SPAN_EM:
                return &italics_;
            case MD_SPAN_STRONG:
                return &bolds_;
            case MD_SPAN_DEL:
                return &strikes_;
            case MD_SPAN_CODE:
                return &codes_;
            default:
                return nullptr;
        }
    }

    void enterOrderedList(const MD_BLOCK_OL_DETAIL& detail) {
        openContainer();
        int start = int(detail.start);
        const bool firstOfPiece = lists_.empty() && containers_.isEmpty() && out_.empty();
        if (numbering_ != nullptr && numbering_->active && firstOfPiece &&
            numbering_->delimiter == char(detail.mark_delimiter)) {
            start = numbering_->next;
        }
        lists_.push_back({true, start, char(detail.mark_delimiter)});
    }

    void leaveList(bool ordered) {
        if (lists_.size() == 1 && containers_.isEmpty()) {
            ended_ = {ordered, lists_.back().delimiter, lists_.back().next};
            blocksAtEnd_ = out_.size();
        }
        lists_.pop_back();
    }

    void enterItem(const MD_BLOCK_LI_DETAIL& detail) {
        openContainer();
        List& list = lists_.back();
        containers_.append('l');
        marker_ = list.ordered ? QStringLiteral("%1.").arg(list.next++) : QStringLiteral("•");
        if (detail.is_task) {
            marker_ = detail.task_mark == ' ' ? QStringLiteral("☐") : QStringLiteral("☑");
        }
    }

    void enterCell(const MD_BLOCK_TD_DETAIL& detail) {
        MarkdownBlock& table = out_.back();
        if (table.rows.size() == 1) {
            table.aligns.push_back(detail.align == MD_ALIGN_CENTER  ? MarkdownBlock::Align::Center
                                   : detail.align == MD_ALIGN_RIGHT ? MarkdownBlock::Align::Right
                                                                    : MarkdownBlock::Align::Left);
        }
        table.rows.back().emplace_back();
        cell_ = &table.rows.back().back();
    }

    /// A container starts or ends: an item that has shown nothing yet shows its marker on a line of its own.
    void openContainer() {
        closeBlock();
        if (!marker_.isEmpty()) {
            beginBlock(MarkdownBlock::Kind::Paragraph);
            closeBlock();
        }
    }

    void beginBlock(MarkdownBlock::Kind kind) {
        closeBlock();
        MarkdownBlock block;
        block.kind = kind;
        block.containers = containers_;
        block.marker = std::exchange(marker_, QString());
        out_.push_back(std::move(block));
        open_ = true;
    }

    void closeBlock() {
        open_ = false;
        cell_ = nullptr;
    }

    void emitCode() {
        inCode_ = false;
        if (code_.endsWith(QLatin1Char('\n'))) code_.chop(1);
        const QStringList lines = code_.split(QLatin1Char('\n'));
        for (qsizetype i = 0; i < lines.size(); ++i) {
            beginBlock(MarkdownBlock::Kind::CodeLine);
            MarkdownBlock& line = out_.back();
            line.language = language_;
            line.firstLine = i == 0;
            line.lastLine = i + 1 == lines.size();
            if (!lines[i].isEmpty()) line.spans.push_back({lines[i], QString(), MarkdownSpan::Plain});
        }
        closeBlock();
    }

    void append(const QString& piece) {
        if (piece.isEmpty()) return;
        if (!open_) beginBlock(MarkdownBlock::Kind::Paragraph);  // text of a tight list item
        unsigned char style = MarkdownSpan::Plain;
        if (italics_ > 0) style |= MarkdownSpan::Italic;
        if (bolds_ > 0) style |= MarkdownSpan::Bold;
        if (strikes_ > 0) style |= MarkdownSpan::Strike;
        if (codes_ > 0) style |= MarkdownSpan::Code;
        const QString link = links_.isEmpty() ? QString() : links_.last();
        MarkdownSpans& spans = cell_ != nullptr ? cell_->spans : out_.back().spans;
        if (!spans.empty() && spans.back().style == style && spans.back().link == link) {
            spans.back().text += piece;
        } else {
            spans.push_back({piece, link, style});
        }
    }

    MarkdownBlocks& out_;
    ListNumbering* numbering_;
    ListNumbering ended_;
    size_t blocksAtEnd_ = 0;
    QByteArray containers_;
    std::vector<List> lists_;
    QString marker_;
    bool open_ = false;
    MarkdownBlock::Cell* cell_ = nullptr;
    int italics_ = 0, bolds_ = 0, strikes_ = 0, codes_ = 0;  // open spans
    QStringList links_;
    bool inCode_ = false;
    QString code_, language_;
};

}  // namespace

MarkdownBlocks parseMarkdown(const QByteArray& markdown, ListNumbering* numbering) {
    MarkdownBlocks blocks;
    Flattener flattener(blocks, numbering);
    MD_PARSER parser = {};
    parser.flags = kFlags;
    parser.enter_block = [](MD_BLOCKTYPE type, void* detail, void* self) {
        static_cast<Flattener*>(self)->enterBlock(type, detail);
        return 0;
    };
    parser.leave_block = [](MD_BLOCKTYPE type, void*, void* self) {
        static_cast<Flattener*>(self)->leaveBlock(type);
        return 0;
    };
    parser.enter_span = [](MD_SPANTYPE type, void* detail, void* self) {
        static_cast<Flattener*>(self)->enterSpan(type, detail);
        return 0;
    };
    parser.leave_span = [](MD_SPANTYPE type, void*, void* self) {
        static_cast<Flattener*>(self)->leaveSpan(type);
        return 0;
    };
    parser.text = [](MD_TEXTTYPE type, const MD_CHAR* text, MD_SIZE size, void* self) {
        static_cast<Flattener*>(self)->text(type, text, size);
        return 0;
    };
    md_parse(markdown.constData(), MD_SIZE(markdown.size()), &parser, &flattener);
    flattener.finish();
    return blocks;
}

QString plainText(const MarkdownSpans& spans) {
    QString text;
    for (const MarkdownSpan& span : spans) text += span.text;
    return text.replace(QChar::LineSeparator, QLatin1Char('\n'));
}

QString plainText(const MarkdownBlock& block) {
    if (block.kind != MarkdownBlock::Kind::Table) return plainText(block.spans);
    QStringList rows;
    for (const MarkdownBlock::Row& row : block.rows) {
        QStringList cells;
        for (const MarkdownBlock::Cell& cell : row) cells += plainText(cell.spans);
        rows += cells.join(QLatin1Char('\t'));
    }
    return rows.join(QLatin1Char('\n'));
}

}  // namespace ui
