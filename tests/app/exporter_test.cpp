#include "app/export/exporter.h"

#include <QTest>
#include <random>

#include "tests/app/support/values.h"

using namespace app;
using app::testing::conversation;
using app::testing::message;

namespace {

/// A conversation with every field set and a tree of random shape.
void randomTree(std::mt19937& random, Conversation& chat, QList<Message>& messages) {
    const auto below = [&](int count) { return std::uniform_int_distribution<int>(0, count - 1)(random); };
    const QStringList texts = {"plain", "", "# heading\n```\ncode\n```", QString("quote \" \\ 😀 ") + QChar(1),
                               "нить"};
    chat = conversation(texts[below(5)]);
    chat.created = app::testing::time(1600000000000 + below(1000000));
    chat.modelPath = "/m/" + texts[below(5)];
    chat.systemPrompt = texts[below(5)];
    chat.pinned = below(2) == 0;
    chat.archived = below(2) == 0;
    chat.folder = texts[below(5)];
    if (below(2) == 0)
        chat.sampling = SamplingSettings{0.1 * below(10), below(50), 0.5, 0.25, 1.125, 0.5, -1, {}, 9, {"x"}};
    if (below(2) == 0) chat.whenFull = below(2) == 0 ? WhenFull::Stop : WhenFull::LeaveOutOldest;
    if (chat.sampling && below(2) == 0) chat.sampling->seed = std::numeric_limits<quint64>::max();
    const int count = below(20);
    for (int i = 0; i < count; ++i) {
        const MessageId parent = i == 0 || below(8) == 0 ? 0 : messages[below(i)].id;
        Message one = message(chat.id, parent, static_cast<Role>(below(3)), texts[below(5)]);
        const MessageState states[] = {MessageState::Complete, MessageState::Stopped, MessageState::Failed,
                                       MessageState::Interrupted};
        one.state = states[below(4)];
        one.created = app::testing::time(1600000000000 + below(1000000));
        if (below(2) == 0) one.error = "went wrong";
        if (below(2) == 0) one.generated = {0xFFFFFFFFFFFFFFF1ULL, {below(100000), -1, 0}};
        if (below(2) == 0) one.stats.ttftMillis = 12.0625;
        if (below(2) == 0) one.stats.reason = EndReason::Length;
        if (below(4) == 0) one.stats.firstKept = one.parent;
        one.stats.leftOut = one.stats.firstKept != 0 ? 3 : 0;
        messages.append(one);
    }
    chat.activeLeaf = messages.isEmpty() ? 0 : messages[below(count)].id;
}

}  // namespace

class ExporterTest : public QObject {
    Q_OBJECT
  private Q_SLOTS:
    void exportThenImportIsIdentity_data() {
        QTest::addColumn<unsigned>("seed");
        for (unsigned seed = 1; seed <= 100; ++seed) QTest::newRow(qPrintable(QString::number(seed))) << seed;
    }
    void exportThenImportIsIdentity() {
        QFETCH(unsigned, seed);
        std::mt19937 random(seed);
        Conversation chat;
        QList<Message> messages;
        randomTree(random, chat, messages);
        const MessageTree tree(messages, chat.activeLeaf);
        const QByteArray json = toJson(chat, tree);
        const ImportedConversation back = fromJson(json);
        QCOMPARE(back.error, QString());
        QCOMPARE(toJson(back.conversation, MessageTree(back.messages, back.conversation.activeLeaf)), json);
        // And not because both leave out the same: with the ids put back every field is the same.
        QHash<MessageId, MessageId> original{{0, 0}};
        QCOMPARE(back.messages.size(), messages.size());
        for (qsizetype i = 0; i < messages.size(); ++i) original.insert(back.messages[i].id, messages[i].id);
        Conversation same = back.conversation;
        QVERIFY(same.id != chat.id);
        same.id = chat.id;
        same.activeLeaf = original.value(same.activeLeaf);
        QVERIFY(same == chat);
        for (qsizetype i = 0; i < messages.size(); ++i) {
            Message one = back.messages[i];
            QCOMPARE(one.conversation, back.conversation.id);
            one.id = original.value(one.id);
            one.parent = original.value(one.parent);
            one.stats.firstKept = original.value(one.stats.firstKept);
            one.conversation = chat.id;
            QVERIFY(one == messages[i]);
        }
    }

    void brokenFilesSayWhatIsWrong_data() {
        QTest::addColumn<QByteArray>("json");
        QTest::addColumn<QString>("part");
        QTest::newRow("empty") << QByteArray() << "not JSON";
        QTest::newRow("cut") << QByteArray("{\"format\":") << "not JSON";
        QTest::newRow("array") << QByteArray("[1]") << "not a conversation";
        QTest::newRow("other") << QByteArray("{\"format\":\"chatgpt\"}") << "chatgpt";
        QTest::newRow("newer") << QByteArray("{\"format\":\"alcove-conversation\",\"version\":2}")
                               << "version 2";
        QTest::newRow("forward") << QByteArray(
                                        "{\"format\":\"alcove-conversation\",\"version\":1,\"messages\":"
                                        "[{\"id\":1,\"parent\":2},{\"id\":2,\"parent\":0}]}")
                                 << "parent 2";
        QTest::newRow("twice") << QByteArray(
                                      "{\"format\":\"alcove-conversation\",\"version\":1,\"messages\":"
                                      "[{\"id\":1},{\"id\":1}]}")
                               << "message 1";
    }
    void brokenFilesSayWhatIsWrong() {
        QFETCH(QByteArray, json);
        QFETCH(QString, part);
        const ImportedConversation result = fromJson(json);
        QVERIFY2(result.error.contains(part), qPrintable(result.error));
        QVERIFY(result.messages.isEmpty());
    }

    void anExportOfARunningReplyIsNotRunningWhenImported() {
        const Conversation chat = conversation("chat");
        const Message reply = message(chat.id, 0, Role::Assistant, "so far", MessageState::Streaming);
        const ImportedConversation back = fromJson(toJson(chat, MessageTree({reply}, reply.id)));
        QCOMPARE(back.messages.first().state, MessageState::Interrupted);
    }

    void markdownHoldsTheShownPathWithItsSpeakers() {
        Conversation chat = conversation("Herons");
        chat.systemPrompt = "Be brief.";
        const Message question = message(chat.id, 0, Role::User, "What is *this*?");
        const Message hidden = message(chat.id, question.id, Role::Assistant, "hidden");
        Message answer = message(chat.id, question.id, Role::Assistant, "A bird.");
        answer.stats.model = "SmolLM2";
        answer.error = "The context\nis full.";
        const MessageTree tree({question, hidden, answer}, answer.id);
        QCOMPARE(toMarkdown(chat, tree),
                 QString("# Herons\n\n## System\n\nBe brief.\n\n## You\n\nWhat is *this*?\n\n"
                         "## SmolLM2\n\nA bird.\n\n> The context is full.\n"));
    }
};

QTEST_GUILESS_MAIN(ExporterTest)
#include "exporter_test.moc"
