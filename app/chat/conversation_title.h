#pragma once

#include <QString>

namespace app {

/// The first line of a text, shortened to a title.
QString titleFrom(const QString& text);

}  // namespace app
