#include "app/chat/conversation_title.h"

#include <QStringList>

namespace app {
namespace {

constexpr int kTitleLength = 60;

}  // namespace

QString titleFrom(const QString& text) {
    for (const QString& line : text.split('\n')) {
        QString title = line.simplified();
        while (title.startsWith('#')) title = title.mid(1).trimmed();
        if (title.isEmpty()) continue;
        if (title.size() <= kTitleLength) return title;
        const qsizetype space = title.lastIndexOf(' ', kTitleLength - 1);
        title.truncate(space > kTitleLength / 2 ? space : kTitleLength - 1);
        if (title.back().isHighSurrogate()) title.chop(1);
        return title + QChar(0x2026);
    }
    return {};
}

}  // namespace app
