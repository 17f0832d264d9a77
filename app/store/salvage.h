#pragma once

#include <QString>

#include "app/store/database.h"

namespace app {

/// Renames a database and SQLite's files beside it to `NAME-damaged-TIME.db`. Empty: that failed, nothing
/// was lost.
QString moveAside(const QString& file);

struct Salvaged {
    int conversations = 0;
    int messages = 0;
};

/// Copies every row that can be read into a fresh database of the current schema. Messages whose
/// conversation could not be read get one of their own.
Salvaged salvage(const QString& damagedFile, Database& fresh);

}  // namespace app
