#include "app/instance/single_instance.h"

#include <QCryptographicHash>
#include <QLocalSocket>
#include <QStandardPaths>

namespace app {
namespace {

constexpr int kAnswerMillis = 2000;
constexpr qint64 kMostBytes = 64;
const QByteArray kRaise = "raise\n", kNewWindow = "new-window\n", kDone = "done\n";

}  // namespace

SingleInstance::SingleInstance(const QString& key, QObject* parent) : QObject(parent), server_(this) {
    const QByteArray hash =
        QCryptographicHash::hash(key.toUtf8(), QCryptographicHash::Sha256).toHex().left(16);
    const QString folder = QStandardPaths::writableLocation(QStandardPaths::RuntimeLocation);
    name_ = folder + QStringLiteral("/alcove-") + QString::fromLatin1(hash);
    server_.setSocketOptions(QLocalServer::UserAccessOption);
    connect(&server_, &QLocalServer::newConnection, this, &SingleInstance::accept);
}

bool SingleInstance::handOver(Wish wish) {
    if (send(wish)) return true;
    if (server_.listen(name_)) return false;
    // Either another program began at the same moment, or one died and left its socket.
    if (send(wish)) return true;
    QLocalServer::removeServer(name_);
    server_.listen(name_);
    return false;
}

bool SingleInstance::send(Wish wish) {
    QLocalSocket socket;
    socket.connectToServer(name_);
    if (!socket.waitForConnected(kAnswerMillis)) return false;
    socket.write(wish == Wish::Raise ? kRaise : kNewWindow);
    // Only an instance that answers can show a window; one that hangs is no reason to start nothing.
    return socket.waitForBytesWritten(kAnswerMillis) && socket.waitForReadyRead(kAnswerMillis) &&
           socket.readAll() == kDone;
}

void SingleInstance::accept() {
    while (QLocalSocket* socket = server_.nextPendingConnection()) {
        connect(socket, &QLocalSocket::disconnected, socket, &QObject::deleteLater);
        connect(socket, &QLocalSocket::readyRead, this, [this, socket] {
            if (!socket->canReadLine()) {
                if (socket->bytesAvailable() > kMostBytes) socket->abort();
                return;
            }
            const QByteArray line = socket->readLine(kMostBytes);
            if (line != kRaise && line != kNewWindow) return socket->abort();
            socket->write(kDone);
            socket->disconnectFromServer();
            if (line == kRaise)
                Q_EMIT raiseRequested();
            else
                Q_EMIT newWindowRequested();
        });
    }
}

}  // namespace app
