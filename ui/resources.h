#pragma once

namespace ui {

/// Makes the files of resources/ known to Qt; a static library's resources do not register themselves.
void initResources();

}  // namespace ui
