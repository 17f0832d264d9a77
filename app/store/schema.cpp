#include "app/store/schema.h"

namespace app {
namespace {

// Times are milliseconds since 1970, UTC. `role`, `state` are the enums' numbers. `parent` has no cascade:
// SQLite would recurse once for each message of a chain, and stops at a thousand. `active_leaf` refers to
// nothing, because it is written before and after the messages come and go.
const QList<MigrationStep> kSteps = {
    {
        QStringLiteral("CREATE TABLE conversations ("
                       " id INTEGER PRIMARY KEY,"
                       " title TEXT NOT NULL DEFAULT '',"
                       " created INTEGER NOT NULL,"
                       " updated INTEGER NOT NULL,"
                       " model_path TEXT NOT NULL DEFAULT '',"
                       " system_prompt TEXT NOT NULL DEFAULT '',"
                       " active_leaf INTEGER NOT NULL DEFAULT 0,"
                       " pinned INTEGER NOT NULL DEFAULT 0,"
                       " archived INTEGER NOT NULL DEFAULT 0,"
                       " folder TEXT NOT NULL DEFAULT '',"
                       " sampling TEXT)"),
        QStringLiteral("CREATE TABLE messages ("
                       " id INTEGER PRIMARY KEY,"
                       " conversation INTEGER NOT NULL REFERENCES conversations(id),"
                       " parent INTEGER REFERENCES messages(id) DEFERRABLE INITIALLY DEFERRED,"
                       " role INTEGER NOT NULL,"
                       " state INTEGER NOT NULL,"
                       " created INTEGER NOT NULL,"
                       " text TEXT NOT NULL DEFAULT '',"
                       " error TEXT NOT NULL DEFAULT '',"
                       " vocabulary INTEGER NOT NULL DEFAULT 0,"
                       " ids BLOB,"
                       " stats TEXT)"),
        QStringLiteral("CREATE INDEX messages_conversation ON messages(conversation)"),
        QStringLiteral("CREATE INDEX messages_parent ON messages(parent)"),
    },
    {
        // Null: as the settings say.
        QStringLiteral("ALTER TABLE conversations ADD COLUMN when_full INTEGER"),
    },
};

// Only final messages are indexed (1 is Streaming), so that a growing reply is not indexed again at each
// flush. Their texts do not change any more.
const QStringList kIndexTriggers = {
    QStringLiteral("CREATE TRIGGER search_insert AFTER INSERT ON messages WHEN new.state <> 1 BEGIN"
                   " INSERT INTO search(rowid, text) VALUES (new.id, new.text); END"),
    QStringLiteral("CREATE TRIGGER search_finish AFTER UPDATE OF state ON messages"
                   " WHEN old.state = 1 AND new.state <> 1 BEGIN"
                   " INSERT INTO search(rowid, text) VALUES (new.id, new.text); END"),
    QStringLiteral("CREATE TRIGGER search_delete AFTER DELETE ON messages WHEN old.state <> 1 BEGIN"
                   " INSERT INTO search(search, rowid, text) VALUES ('delete', old.id, old.text); END"),
};
const QStringList kTriggerNames = {QStringLiteral("search_insert"), QStringLiteral("search_finish"),
                                   QStringLiteral("search_delete")};

bool hasFts5(Database& database) {
    const bool works = database.run(QStringLiteral("CREATE VIRTUAL TABLE temp.fts5_probe USING fts5(text)"));
    if (works) database.run(QStringLiteral("DROP TABLE temp.fts5_probe"));
    return works;
}

int countTriggers(Database& database) {
    return database
        .value(QStringLiteral("SELECT count(*) FROM sqlite_master WHERE type = 'trigger'"
                              " AND name IN ('search_insert', 'search_finish', 'search_delete')"))
        .toInt();
}

bool runAll(Database& database, const QStringList& statements) {
    for (const QString& statement : statements)
        if (!database.run(statement)) return false;
    return true;
}

}  // namespace

const QList<MigrationStep>& migrationSteps() {
    return kSteps;
}

QString migrate(Database& database, const QList<MigrationStep>& steps) {
    const QVariant found = database.value(QStringLiteral("PRAGMA user_version"));
    if (!found.isValid()) return database.error().text();
    int version = found.toInt();
    if (version > steps.size())
        return QStringLiteral(
                   "it was written by a newer Alcove (schema %1, this one knows %2); update Alcove")
            .arg(version)
            .arg(steps.size());
    for (; version < steps.size(); ++version) {
        Transaction transaction(database);
        if (!transaction.begun() || !runAll(database, steps[version]) ||
            !database.run(QStringLiteral("PRAGMA user_version = %1").arg(version + 1)) ||
            !transaction.commit())
            return QStringLiteral("bringing it from schema %1 to %2 failed: %3")
                .arg(version)
                .arg(version + 1)
                .arg(database.error().text());
    }
    return {};
}

bool ensureSearchIndex(Database& database) {
    const int triggers = countTriggers(database);
    if (!hasFts5(database)) {
        for (const QString& name : kTriggerNames)
            database.run(QStringLiteral("DROP TRIGGER IF EXISTS %1").arg(name));
        return false;
    }
    if (triggers == kIndexTriggers.size()) return true;
    // New, or out of date because a SQLite without FTS5 wrote in between.
    Transaction transaction(database);
    QStringList statements = {QStringLiteral("DROP TABLE IF EXISTS search")};
    for (const QString& name : kTriggerNames)
        statements += QStringLiteral("DROP TRIGGER IF EXISTS %1").arg(name);
    statements += QStringLiteral(
        "CREATE VIRTUAL TABLE search USING fts5(text, content='messages', content_rowid='id',"
        " tokenize='unicode61 remove_diacritics 2')");
    statements +=
        QStringLiteral("INSERT INTO search(rowid, text) SELECT id, text FROM messages WHERE state <> 1");
    statements += kIndexTriggers;
    return transaction.begun() && runAll(database, statements) && transaction.commit();
}

}  // namespace app
