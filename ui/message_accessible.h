#pragma once

namespace ui {

/// Lets screen readers see the messages of a MessageView as items of a list, though no widget stands for
/// them. Call once before the first view is shown; more calls do nothing.
void installMessageAccessibility();

}  // namespace ui
