#pragma once

namespace ui {

/// Installs the translation for the locale, and Qt's own for standard buttons, in the running QApplication;
/// once. Without one the texts stay English.
void initTranslations();

/// Makes the files of resources/ known to Qt; a static library's resources do not register themselves.
void initResources();

}  // namespace ui
