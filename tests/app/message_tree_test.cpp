#include "app/store/message_tree.h"

#include <QTest>
#include <map>
#include <random>
#include <vector>

#include "tests/app/support/values.h"

using namespace app;

namespace {

Message node(MessageId id, MessageId parent) {
    Message message;
    message.id = id;
    message.parent = parent;
    message.text = QString::number(id);
    return message;
}

/// The same by looking at every message each time.
struct NaiveTree {
    std::map<MessageId, MessageId> parentOf;
    MessageId leaf = 0;

    QList<MessageId> path(MessageId to) const {
        QList<MessageId> ids;
        for (MessageId id = to; id != 0; id = parentOf.at(id)) ids.prepend(id);
        return ids;
    }
    QList<MessageId> children(MessageId parent) const {
        QList<MessageId> ids;
        for (const auto& [id, above] : parentOf)
            if (above == parent) ids.append(id);
        return ids;
    }
    MessageId newestLeaf(MessageId id) const {
        const QList<MessageId> below = children(id);
        return below.isEmpty() ? id : newestLeaf(below.last());
    }
};

}  // namespace

class MessageTreeTest : public QObject {
    Q_OBJECT
  private Q_SLOTS:
    void behavesLikeANaiveTreeWhateverIsDoneToIt_data() {
        QTest::addColumn<unsigned>("seed");
        for (unsigned seed = 1; seed <= 200; ++seed) QTest::newRow(qPrintable(QString::number(seed))) << seed;
    }
    void behavesLikeANaiveTreeWhateverIsDoneToIt() {
        QFETCH(unsigned, seed);
        std::mt19937 random(seed);
        const auto below = [&](size_t count) {
            return std::uniform_int_distribution<size_t>(0, count - 1)(random);
        };
        MessageTree tree;
        NaiveTree naive;
        std::vector<MessageId> ids;
        MessageId next = 1;
        for (int step = 0; step < 60; ++step) {
            if (ids.empty() || below(3) != 0) {
                const MessageId parent = ids.empty() || below(6) == 0 ? 0 : ids[below(ids.size())];
                const bool activate = below(2) == 0;
                next += static_cast<MessageId>(1 + below(3));
                tree.add(node(next, parent), activate);
                naive.parentOf[next] = parent;
                if (activate) naive.leaf = next;
                ids.push_back(next);
            } else {
                naive.leaf = below(8) == 0 ? 0 : ids[below(ids.size())];
                tree.setActiveLeaf(naive.leaf);
            }
            QCOMPARE(tree.path(), naive.path(naive.leaf));
            QCOMPARE(tree.activeLeaf(), naive.leaf);
            QCOMPARE(tree.size(), static_cast<int>(ids.size()));
            const MessageId any = ids[below(ids.size())];
            QCOMPARE(tree.children(any), naive.children(any));
            QCOMPARE(tree.siblings(any), naive.children(naive.parentOf[any]));
            QCOMPARE(tree.newestLeaf(any), naive.newestLeaf(any));
        }
        // Writing it down and reading it again in any order gives the same tree.
        QList<Message> all = tree.all();
        QCOMPARE(all.size(), static_cast<qsizetype>(ids.size()));
        QSet<MessageId> seen{0};
        for (const Message& message : all) {
            QVERIFY(seen.contains(message.parent));
            seen.insert(message.id);
        }
        std::shuffle(all.begin(), all.end(), random);
        const MessageTree again(all, naive.leaf);
        for (const MessageId id : ids) QCOMPARE(again.children(id), tree.children(id));
        QCOMPARE(again.children(0), tree.children(0));
        QCOMPARE(again.path(), naive.leaf != 0 ? tree.path() : naive.path(ids.back()));
    }

    void anUnknownLeafMeansTheNewestMessage() {
        const MessageTree tree({node(1, 0), node(2, 1), node(3, 1)}, 99);
        QCOMPARE(tree.path(), (QList<MessageId>{1, 3}));
    }

    void aMissingParentHidesNothing() {
        const MessageTree tree({node(1, 0), node(3, 2), node(4, 3)}, 4);
        QCOMPARE(tree.path(), (QList<MessageId>{3, 4}));
        QCOMPARE(tree.children(0), (QList<MessageId>{1, 3}));
    }

    void aRingOfParentsIsCutAndHidesNothing() {
        for (const QList<Message>& ring : {QList{node(1, 3), node(2, 1), node(3, 2)}, QList{node(1, 1)},
                                           QList{node(2, 5), node(5, 2), node(7, 5)}}) {
            const MessageTree tree(ring, ring.last().id);
            QCOMPARE(tree.all().size(), ring.size());
            QCOMPARE(tree.path().last(), ring.last().id);
        }
    }
};

QTEST_GUILESS_MAIN(MessageTreeTest)
#include "message_tree_test.moc"
