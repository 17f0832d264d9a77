#pragma once

#include <QString>
#include <QStringList>

namespace app {

/// `alcove export …`, `alcove import …`, `alcove models …`: what the desktop program does with no window and
/// no display. Results go to standard output; exit codes as everywhere: 0, 2 for a usage error, 1 for others.
bool isVerb(const QString& word);

/// `arguments` begin with the verb. Needs a QCoreApplication.
int runVerb(const QStringList& arguments);

}  // namespace app
