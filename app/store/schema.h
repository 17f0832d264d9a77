#pragma once

#include <QList>
#include <QString>
#include <QStringList>

#include "app/store/database.h"

namespace app {

/// One step of the schema's history: the statements that lead from the version before to the next. Steps
/// are only ever added, never changed: somewhere there is a database at every version.
using MigrationStep = QStringList;
const QList<MigrationStep>& migrationSteps();

/// Brings a database from the version it has (`PRAGMA user_version`) to `steps.size()`, each step in a
/// transaction of its own. Returns a line for people when it cannot; empty: done.
QString migrate(Database& database, const QList<MigrationStep>& steps = migrationSteps());

/// Makes the full-text index and fills it when it is new. False: this SQLite has no FTS5, and the triggers
/// that would need it are gone.
bool ensureSearchIndex(Database& database);

}  // namespace app
