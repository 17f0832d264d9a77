#pragma once

#include <QList>
#include <QString>

#include "app/store/conversation_store.h"
#include "app/store/database.h"

namespace app {

/// Every word of `text` (the last one as a prefix) in titles and messages; titles first, then best first.
/// Words follow Unicode, and accents do not count. Scripts written without spaces (Chinese, Japanese, Thai)
/// and texts with no letter are looked for as they stand, by reading every message, as everything is when
/// `fullText` is off.
QList<SearchHit> searchConversations(Database& database, const QString& text, int limit, bool fullText);

}  // namespace app
