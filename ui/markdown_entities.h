#pragma once

#include <QString>

namespace ui {

/// The character of an HTML entity, `&name;`, `&#1234;` or `&#x1f600;`. Of the names those that models write;
/// any other stays as it was typed. A number that is no character gives U+FFFD.
QString decodeEntity(const QString& entity);

}  // namespace ui
