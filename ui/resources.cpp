#include "ui/resources.h"

#include <QtGlobal>

// Q_INIT_RESOURCE declares a function of the global namespace.
static void initAlcoveResources() {
    Q_INIT_RESOURCE(alcove);
}

namespace ui {

void initResources() {
    static const bool done = (initAlcoveResources(), true);
    Q_UNUSED(done);
}

}  // namespace ui
