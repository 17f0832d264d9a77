#pragma once

#include <QLocalServer>
#include <QObject>
#include <QString>

namespace app {

/// One program for each user and data folder. A later start asks the first one to show itself (or another
/// window) and ends; so one store thread writes and one model is loaded. GUI thread.
class SingleInstance : public QObject {
    Q_OBJECT
  public:
    /// `key` names the instance, e.g. the data folder. Only processes of this user can connect.
    explicit SingleInstance(const QString& key, QObject* parent = nullptr);

    enum class Wish { Raise, NewWindow };
    /// Hands the wish to the instance that runs already. False: there is none, and this one answers from now
    /// on. A socket that a dead instance left behind is replaced.
    bool handOver(Wish wish);

  Q_SIGNALS:
    void raiseRequested();
    void newWindowRequested();

  private:
    bool send(Wish wish);
    void accept();

    QString name_;
    QLocalServer server_;
};

}  // namespace app
