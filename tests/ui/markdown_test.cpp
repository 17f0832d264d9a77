#include <QRandomGenerator>
#include <QTest>

#include "ui/markdown_document.h"
#include "ui/markdown_parser.h"
#include "ui/syntax.h"

using ui::MarkdownBlock;
using ui::MarkdownBlocks;
using ui::MarkdownDocument;
using ui::MarkdownSpan;
using Kind = ui::MarkdownBlock::Kind;

namespace {

MarkdownBlocks whole(const QString& text) {
    MarkdownDocument document;
    document.append(text);
    document.finish();
    document.update();
    return document.blocks();
}

MarkdownBlocks inPieces(const QString& text, QRandomGenerator& random, int longest) {
    MarkdownDocument document;
    for (qsizetype at = 0; at < text.size();) {
        const qsizetype n = std::min<qsizetype>(random.bounded(1, longest + 1), text.size() - at);
        document.append(QStringView(text).sliced(at, n));
        if (random.bounded(2) == 0) document.update();
        at += n;
    }
    document.finish();
    document.update();
    return document.blocks();
}

QString describe(const MarkdownBlocks& blocks) {
    QString text;
    for (const MarkdownBlock& block : blocks) {
        text += QStringLiteral("%1 %2 [%3] '%4' %5%6 | %7\n")
                    .arg(int(block.kind))
                    .arg(block.headingLevel)
                    .arg(QString::fromLatin1(block.containers), block.marker)
                    .arg(block.firstLine)
                    .arg(block.lastLine)
                    .arg(plainText(block));
    }
    return text;
}

const QStringList& pieces() {
    static const QStringList list = {"Some text that goes on",
                                     "**bold** and *slanted*",
                                     "`code`",
                                     "[a link](https://example.org/x)",
                                     "\n",
                                     "\n",
                                     "\n\n",
                                     "\n\n",
                                     " ",
                                     "# Title\n",
                                     "## Another\n\n",
                                     "- item one\n",
                                     "- item two\n",
                                     "  - nested\n",
                                     "    continued\n",
                                     "1. first\n",
                                     "2. second\n",
                                     "10. tenth\n",
                                     "* star\n",
                                     "```python\n",
                                     "```\n",
                                     "```\n",
                                     "~~~\n",
                                     "def f(x):\n    return x\n",
                                     "> quoted\n",
                                     "> > twice\n",
                                     "| a | b |\n|---|:-:|\n| 1 | 2 |\n",
                                     "| 3 | 4 |\n",
                                     "---\n",
                                     "***\n",
                                     "- [ ] open\n",
                                     "- [x] done\n",
                                     "<b>html</b>",
                                     "&amp; &#65;",
                                     "~~gone~~",
                                     "\\*literal\\*",
                                     "äöü 漢字 😀",
                                     "[id]: https://example.org\n",
                                     "[id]",
                                     "    indented\n",
                                     "\t",
                                     "=====\n",
                                     "https://example.org",
                                     "![picture](a.png)",
                                     "  \n",
                                     "\r\n",
                                     "*",
                                     "**",
                                     "`",
                                     "_",
                                     "[",
                                     "](",
                                     "\\",
                                     QString(QChar::Null)};
    return list;
}

QString randomMarkdown(QRandomGenerator& random, int length) {
    QString text;
    for (int i = 0; i < length; ++i) text += pieces().at(random.bounded(int(pieces().size())));
    return text;
}

}  // namespace

class MarkdownTest : public QObject {
    Q_OBJECT

  private Q_SLOTS:
    void flattensEveryConstruct() {
        const MarkdownBlocks blocks = whole(
            "# Title\n\nA *slanted* **bold** `code` ~~old~~ [link](https://example.org).\n\n- one\n  - "
            "two\n- three\n\n"
            "3. drei\n4. vier\n\n> quoted\n\n```cpp\nint x;\n\nint y;\n```\n\n| a | b |\n|:--|--:|\n| 1 | 2 "
            "|\n\n---\n");
        QCOMPARE(blocks.size(), size_t(13));
        QCOMPARE(blocks[0].kind, Kind::Heading);
        QCOMPARE(blocks[0].headingLevel, 1);
        QCOMPARE(blocks[1].spans.size(), size_t(11));
        QCOMPARE(blocks[1].spans[1].style, uchar(MarkdownSpan::Italic));
        QCOMPARE(blocks[1].spans[3].style, uchar(MarkdownSpan::Bold));
        QCOMPARE(blocks[1].spans[5].style, uchar(MarkdownSpan::Code));
        QCOMPARE(blocks[1].spans[7].style, uchar(MarkdownSpan::Strike));
        QCOMPARE(blocks[2].marker, QStringLiteral("•"));
        QCOMPARE(blocks[3].containers, QByteArray("ll"));
        QCOMPARE(blocks[5].marker, QStringLiteral("3."));
        QCOMPARE(blocks[6].marker, QStringLiteral("4."));
        QCOMPARE(blocks[7].containers, QByteArray("q"));
        QCOMPARE(plainText(blocks[8]), QStringLiteral("int x;"));
        QVERIFY(blocks[8].firstLine && !blocks[8].lastLine);
        QCOMPARE(plainText(blocks[9]), QString());
        QVERIFY(!blocks[10].firstLine && blocks[10].lastLine);
        QCOMPARE(blocks[10].language, QStringLiteral("cpp"));
        QCOMPARE(blocks[11].rows.size(), size_t(2));
        QCOMPARE(blocks[11].aligns[1], MarkdownBlock::Align::Right);
        QCOMPARE(blocks[12].kind, Kind::Rule);
    }

    void keepsLinkAddresses() {
        const MarkdownBlocks blocks =
            whole("see [docs](https://example.org/a?b=1&amp;c) or https://example.org");
        QCOMPARE(blocks[0].spans[1].link, QStringLiteral("https://example.org/a?b=1&c"));
        QCOMPARE(blocks[0].spans[3].link, QStringLiteral("https://example.org"));
    }

    void showsRawHtmlAsText() {
        const MarkdownBlocks blocks =
            whole("<script>alert(1)</script> and <b>bold</b>\n\n<div>\nblock\n</div>\n");
        QString text;
        for (const MarkdownBlock& block : blocks) text += plainText(block);
        QVERIFY(text.contains("<script>alert(1)</script>"));
        QVERIFY(text.contains("<b>bold</b>"));
        QVERIFY(text.contains("<div>"));
    }

    void anUnclosedFenceIsCodeWhileItGrows() {
        MarkdownDocument document;
        document.append(u"Look:\n```python\nx = 1\ny = ");
        document.update();
        QCOMPARE(document.blocks().size(), size_t(3));
        QCOMPARE(document.blocks()[2].kind, Kind::CodeLine);
        QVERIFY(document.blocks()[2].lastLine);
        document.append(u"2\n``");
        document.update();
        QCOMPARE(document.blocks().size(), size_t(3));  // the half-typed closing fence is not shown
        document.append(u"`\nafter");
        document.update();
        QCOMPARE(document.blocks().size(), size_t(4));
        QCOMPARE(document.blocks()[3].kind, Kind::Paragraph);
    }

    void aHalfTypedClosingFenceIsTextOnceNothingFollows() {
        const MarkdownBlocks blocks = whole("```\ncode\n``");
        QCOMPARE(plainText(blocks.back()), QStringLiteral("``"));
    }

    void anOpenBoldIsBoldWhileItIsTyped() {
        MarkdownDocument document;
        document.append(u"This is **very impor");
        document.update();
        QCOMPARE(document.blocks()[0].spans.size(), size_t(2));
        QCOMPARE(document.blocks()[0].spans[1].style, uchar(MarkdownSpan::Bold));
    }

    void numberingGoesOnWhenItemsAreFrozenOneByOne() {
        QRandomGenerator random(1);
        QString text;
        for (int i = 0; i < 12; ++i) text += QStringLiteral("1. item\n\n   more of it\n");
        const MarkdownBlocks blocks = inPieces(text, random, 4);
        QCOMPARE(blocks.size(), size_t(24));
        QCOMPARE(blocks[22].marker, QStringLiteral("12."));
    }

    void piecesGiveTheSameAsTheWhole() {
        QRandomGenerator random(20260);
        for (int round = 0; round < 1500; ++round) {
            const QString text = randomMarkdown(random, random.bounded(1, 40));
            const MarkdownBlocks expected = whole(text);
            const MarkdownBlocks got = inPieces(text, random, 9);
            if (got != expected) {
                qWarning().noquote() << "source:" << text << "\nwhole:\n" + describe(expected)
                                     << "\npieces:\n" + describe(got);
                QFAIL("cutting the text changed the result");
            }
        }
    }

    void updateNamesTheFirstBlockThatChanged() {
        QRandomGenerator random(7);
        for (int round = 0; round < 300; ++round) {
            const QString text = randomMarkdown(random, 25);
            MarkdownDocument document;
            MarkdownBlocks shown;
            for (qsizetype at = 0; at < text.size(); at += 5) {
                document.append(QStringView(text).sliced(at, std::min<qsizetype>(5, text.size() - at)));
                const size_t frozenBefore = document.frozenBlocks();
                const size_t first = document.update();
                QVERIFY(first >= frozenBefore);
                QVERIFY(first <= shown.size());
                shown.resize(first);
                shown.insert(shown.end(), document.blocks().begin() + ptrdiff_t(first),
                             document.blocks().end());
                QVERIFY(shown == document.blocks());
            }
        }
    }

    /// Freezing must not change what a text means: the parser that sees everything at once agrees.
    void freezingAgreesWithOneParseOfRealisticAnswers() {
        const QStringList parts = {"A paragraph with **bold** words.\nIts second line.\n\n",
                                   "# Heading\n",
                                   "## Heading\n\n",
                                   "- one\n- two\n- three\n\n",
                                   "1. first\n2. second\n   with more\n\n   and a paragraph\n3. third\n\n",
                                   "* a\n  * b\n    * c\n* d\n\n",
                                   "```python\ndef f():\n\n    return 1\n```\n\n",
                                   "~~~\n- not a list\n# not a title\n~~~\n",
                                   "> quote\n> goes on\n\n",
                                   "| a | b |\n|---|---|\n| 1 | 2 |\n\n",
                                   "---\n\n",
                                   "Text before a list:\n- one\n- two\n\n",
                                   "Text then code:\n```js\nlet a = `x`;\n```\n",
                                   "- item\n\n  ```sh\n  ls\n\n  pwd\n  ```\n\n- next\n\n",
                                   "1. step\n   ```cpp\n   int x;\n   ```\n2. step\n\n",
                                   "> ```\n> quoted code\n> ```\n\n",
                                   "- [ ] open\n- [x] done\n\n",
                                   "Title\n=====\n\n",
                                   "- one\n# Heading ends the list\n",
                                   "  ```\n  indented fence\n\n  more\n  ```\n\n",
                                   "    indented code\n\n    more of it\n\n"};
        QRandomGenerator random(99);
        for (int round = 0; round < 3000; ++round) {
            QString text;
            const int count = random.bounded(1, 9);
            for (int i = 0; i < count; ++i) text += parts.at(random.bounded(int(parts.size())));
            const MarkdownBlocks expected = ui::parseMarkdown(text.toUtf8());
            const MarkdownBlocks got = whole(text);
            if (got != expected) {
                qWarning().noquote() << "source:" << text << "\none parse:\n" + describe(expected)
                                     << "\nfrozen:\n" + describe(got);
                QFAIL("freezing changed the meaning");
            }
        }
    }

    void anyBytesAreAccepted() {
        QRandomGenerator random(3);
        for (int round = 0; round < 400; ++round) {
            QString text;
            for (int i = 0; i < 200; ++i) {
                text += random.bounded(3) == 0 ? QChar(char16_t(random.bounded(0x10000)))
                                               : QChar("\n\r\t`~*_[]()#>-|\\<&!0. "[random.bounded(23)]);
            }
            QVERIFY(inPieces(text, random, 11) == whole(text));
        }
    }

    void aTokenCostsTheSameAtTheEndOfALongAnswer() {
        const QString part =
            "A paragraph that says something about the matter at hand.\n\n- a point\n- another point\n\n"
            "```cpp\nint a = 1;\nint b = 2;\n```\n\n";
        const auto bytesForLast = [&part](int parts) {
            MarkdownDocument document;
            for (int i = 0; i < parts; ++i) document.append(part);
            document.update();
            const size_t before = document.bytesParsed();
            for (int i = 0; i < 100; ++i) {
                document.append(u"word ");
                document.update();
            }
            return document.bytesParsed() - before;
        };
        QCOMPARE(bytesForLast(1000), bytesForLast(2));
    }

    void aLineOfALongCodeBlockCostsTheSameAsOfAShortOne() {
        const auto bytesForLast = [](int lines) {
            MarkdownDocument document;
            document.append(u"```cpp\n");
            for (int i = 0; i < lines; ++i) document.append(u"int value = compute(1);\n");
            document.update();
            const size_t before = document.bytesParsed();
            for (int i = 0; i < 100; ++i) {
                document.append(u"x ");
                document.update();
            }
            return document.bytesParsed() - before;
        };
        QCOMPARE(bytesForLast(5000), bytesForLast(3));
    }

    void coloursKeywordsStringsAndComments() {
        const ui::Language* python = ui::findLanguage(u"Python");
        QVERIFY(python != nullptr);
        ui::SyntaxState state = 0;
        const auto runs = highlightLine(*python, u"def f(x): return 'a#b' # note", state);
        QCOMPARE(state, 0);
        QCOMPARE(runs.size(), size_t(5));
        QCOMPARE(runs[0].kind, ui::SyntaxClass::Keyword);
        QCOMPARE(runs[1].kind, ui::SyntaxClass::Function);
        QCOMPARE(runs[3].kind, ui::SyntaxClass::String);
        QCOMPARE(runs[3].length, 5);
        QCOMPARE(runs[4].kind, ui::SyntaxClass::Comment);
    }

    void aCommentOverSeveralLinesIsCarriedOn() {
        const ui::Language* cpp = ui::findLanguage(u"c++");
        ui::SyntaxState state = 0;
        highlightLine(*cpp, u"int a; /* begins", state);
        QVERIFY(state != 0);
        auto runs = highlightLine(*cpp, u"return inside", state);
        QCOMPARE(runs.size(), size_t(1));
        QCOMPARE(runs[0].kind, ui::SyntaxClass::Comment);
        runs = highlightLine(*cpp, u"ends */ return", state);
        QCOMPARE(state, 0);
        QCOMPARE(runs.back().kind, ui::SyntaxClass::Keyword);
    }

    void anUnknownLanguageIsPlain() { QVERIFY(ui::findLanguage(u"brainfuzz") == nullptr); }

    void runsStayInsideTheLineAndInOrder() {
        QRandomGenerator random(5);
        for (const char* name :
             {"python", "cpp", "js", "sql", "html", "bash", "lua", "diff", "rust", "yaml"}) {
            const ui::Language* language = ui::findLanguage(QString::fromLatin1(name));
            QVERIFY(language != nullptr);
            ui::SyntaxState state = 0;
            for (int i = 0; i < 300; ++i) {
                QString line;
                for (int k = random.bounded(40); k > 0; --k) {
                    line += QChar("ab1 \"'`#/*-+<>!\\([{=.;"[random.bounded(22)]);
                }
                int end = 0;
                for (const ui::SyntaxRun& run : highlightLine(*language, line, state)) {
                    QVERIFY(run.start >= end && run.length > 0);
                    end = run.start + run.length;
                }
                QVERIFY(end <= line.size());
            }
        }
    }
};

QTEST_GUILESS_MAIN(MarkdownTest)
#include "markdown_test.moc"
