#include "app/store/schema.h"

#include <QDir>
#include <QFile>
#include <QTemporaryDir>
#include <QTest>

#include "app/store/conversation_store.h"

using namespace app;

namespace {

/// Builds a database from a dump: one statement a line, lines of comment left out.
void restore(const QString& dump, const QString& file) {
    QFile sql(dump);
    QVERIFY(sql.open(QIODevice::ReadOnly));
    Database database;
    QVERIFY(database.open(file, Database::Access::ReadWrite));
    for (const QByteArray& line : sql.readAll().split('\n'))
        if (!line.isEmpty() && !line.startsWith("--"))
            QVERIFY2(database.run(QString::fromUtf8(line)), qPrintable(database.error().text() + line));
}

QString schemaOf(Database& database) {
    QStringList parts;
    QSqlQuery rows = database.query(
        "SELECT type || ' ' || name || ': ' || coalesce(sql, '') FROM sqlite_master"
        " WHERE name NOT LIKE 'search%' ORDER BY name");
    while (rows.next()) parts.append(rows.value(0).toString());
    return parts.join('\n');
}

}  // namespace

class SchemaTest : public QObject {
    Q_OBJECT
    std::unique_ptr<QTemporaryDir> folder_;
    QString file() const { return folder_->filePath("conversations.db"); }

  private Q_SLOTS:
    void init() { folder_ = std::make_unique<QTemporaryDir>(); }

    void everyVersionHasADumpToMigrateFrom() {
        const QDir dumps(ALCOVE_TEST_DATA "/data/store");
        for (qsizetype version = 1; version <= migrationSteps().size(); ++version)
            QVERIFY(dumps.exists(QString("schema-%1.sql").arg(version)));
    }

    void everyOldDatabaseOpensWithAllItHeld_data() {
        QTest::addColumn<QString>("dump");
        const QDir dumps(ALCOVE_TEST_DATA "/data/store");
        for (const QString& name : dumps.entryList({"schema-*.sql"}))
            QTest::newRow(qPrintable(name)) << dumps.filePath(name);
    }
    void everyOldDatabaseOpensWithAllItHeld() {
        QFETCH(QString, dump);
        restore(dump, file());
        ConversationStore store(file());
        QVERIFY2(store.isOpen() && store.notice().isEmpty(), qPrintable(store.notice()));
        QCOMPARE(store.conversations().size(), 1);
        const Conversation chat = store.conversations().first();
        QCOMPARE(chat.title, QString("Old chat"));
        QCOMPARE(chat.systemPrompt, QString("Be brief."));
        QCOMPARE(chat.folder, QString("Work"));
        QVERIFY(chat.pinned && !chat.archived);
        QCOMPARE(chat.sampling->temperature, 0.25);
        QCOMPARE(chat.sampling->seed, std::optional<quint64>(7));
        const MessageTree tree = store.tree(chat.id);
        QCOMPARE(tree.path(), (QList<MessageId>{1, 3}));
        QCOMPARE(tree.siblings(3), (QList<MessageId>{2, 3}));
        QCOMPARE(tree.at(2).generated, (GeneratedIds{5, {1, 2}}));
        QCOMPARE(tree.at(2).stats.newTokens, 2);
        QCOMPARE(tree.at(3).state, MessageState::Interrupted);  // it was Streaming when its program ended
        QCOMPARE(store.search("heron").size(), 1);
        QCOMPARE(store.search("legged").size(), 1);
    }

    void aMigratedDatabaseHasTheSchemaOfANewOne() {
        Database fresh, old;
        QVERIFY(fresh.open(folder_->filePath("new.db"), Database::Access::ReadWrite));
        QCOMPARE(migrate(fresh), QString());
        restore(ALCOVE_TEST_DATA "/data/store/schema-1.sql", file());
        QVERIFY(old.open(file(), Database::Access::ReadWrite));
        QCOMPARE(migrate(old), QString());
        QCOMPARE(schemaOf(old).simplified(), schemaOf(fresh).simplified());
    }

    void stepsRunInOrderAndOnlyOnce() {
        QList<MigrationStep> steps = migrationSteps();
        steps.append({"ALTER TABLE conversations ADD COLUMN colour TEXT NOT NULL DEFAULT 'blue'"});
        steps.append({"UPDATE conversations SET colour = colour || '!'"});
        restore(ALCOVE_TEST_DATA "/data/store/schema-1.sql", file());
        Database database;
        QVERIFY(database.open(file(), Database::Access::ReadWrite));
        QCOMPARE(migrate(database, steps), QString());
        QCOMPARE(migrate(database, steps), QString());
        QCOMPARE(database.value("SELECT colour FROM conversations").toString(), QString("blue!"));
        QCOMPARE(database.value("PRAGMA user_version").toLongLong(), steps.size());
    }

    void aFailingStepLeavesThePreviousVersionWhole() {
        QList<MigrationStep> steps = migrationSteps();
        steps.append({"ALTER TABLE conversations ADD COLUMN colour TEXT", "DELETE FROM messages", "NOT SQL"});
        restore(ALCOVE_TEST_DATA "/data/store/schema-1.sql", file());
        Database database;
        QVERIFY(database.open(file(), Database::Access::ReadWrite));
        const QString problem = migrate(database, steps);
        const int known = static_cast<int>(migrationSteps().size());
        QVERIFY2(problem.contains(QString("from schema %1 to %2").arg(known).arg(known + 1)),
                 qPrintable(problem));
        QCOMPARE(database.value("PRAGMA user_version").toInt(), known);
        QCOMPARE(database.value("SELECT count(*) FROM messages").toInt(), 3);
        QCOMPARE(migrate(database), QString());
    }

    void aDatabaseOfANewerAlcoveIsLeftAlone() {
        {
            Database database;
            QVERIFY(database.open(file(), Database::Access::ReadWrite));
            QVERIFY(database.run("CREATE TABLE future (x)"));
            QVERIFY(database.run("PRAGMA user_version = 99"));
        }
        {
            const ConversationStore store(file());
            QVERIFY(!store.isOpen());
            QVERIFY2(store.notice().contains("newer Alcove"), qPrintable(store.notice()));
        }
        Database database;
        QVERIFY(database.open(file(), Database::Access::ReadWrite));
        QCOMPARE(database.value("PRAGMA user_version").toInt(), 99);
        QCOMPARE(database.value("SELECT count(*) FROM sqlite_master").toInt(), 1);
    }

    void anIndexThatFellBehindIsBuiltAgain() {
        restore(ALCOVE_TEST_DATA "/data/store/schema-1.sql", file());
        { const ConversationStore store(file()); }
        {
            // As a SQLite without FTS5 would: the triggers go, and a message comes.
            Database database;
            QVERIFY(database.open(file(), Database::Access::ReadWrite));
            for (const char* name : {"search_insert", "search_finish", "search_delete"})
                QVERIFY(database.run(QString("DROP TRIGGER %1").arg(name)));
            QVERIFY(
                database.run("INSERT INTO messages(id, conversation, role, state, created, text)"
                             " VALUES (50, 10, 1, 0, 0, 'an egret')"));
        }
        const ConversationStore store(file());
        QVERIFY(store.hasFullTextIndex());
        QCOMPARE(store.search("egret").size(), 1);
        QCOMPARE(store.search("heron").size(), 1);
    }
};

QTEST_GUILESS_MAIN(SchemaTest)
#include "schema_test.moc"
