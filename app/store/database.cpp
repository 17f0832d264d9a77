#include "app/store/database.h"

#include <QFile>
#include <QFileInfo>
#include <QUuid>

namespace app {
namespace {

// SQLite's result codes; extended ones keep the primary code in the low byte.
constexpr int kSqliteCorrupt = 11;
constexpr int kSqliteNotADatabase = 26;

bool createPrivately(const QString& path) {
    QFile file(path);
    if (file.exists()) return true;
    return file.open(QIODevice::WriteOnly | QIODevice::NewOnly,
                     QFileDevice::ReadOwner | QFileDevice::WriteOwner);
}

}  // namespace

bool Database::open(const QString& file, Access access) {
    close();
    if (access == Access::ReadWrite && !createPrivately(file)) {
        error_ =
            QSqlError(QString(), QStringLiteral("the file cannot be created"), QSqlError::ConnectionError);
        return false;
    }
    const QString name = QUuid::createUuid().toString(QUuid::WithoutBraces);
    {
        QSqlDatabase database = QSqlDatabase::addDatabase(QStringLiteral("QSQLITE"), name);
        database.setDatabaseName(file);
        QString options = QStringLiteral("QSQLITE_BUSY_TIMEOUT=5000");
        if (access == Access::ReadOnly) options += QStringLiteral(";QSQLITE_OPEN_READONLY");
        database.setConnectOptions(options);
        if (!database.open()) error_ = database.lastError();
        name_ = name;
        if (!database.isOpen()) {
            database = QSqlDatabase();
            close();
            return false;
        }
    }
    return run(QStringLiteral("PRAGMA foreign_keys = ON"));
}

void Database::close() {
    if (name_.isEmpty()) return;
    QSqlDatabase::database(name_, false).close();
    QSqlDatabase::removeDatabase(name_);
    name_.clear();
}

QSqlQuery Database::prepared(const QString& sql, const QVariantList& values) {
    QSqlQuery query(isOpen() ? QSqlDatabase::database(name_, false) : QSqlDatabase());
    if (!isOpen()) return query;
    query.setForwardOnly(true);
    if (!query.prepare(sql)) return query;
    for (const QVariant& value : values) query.addBindValue(value);
    query.exec();
    return query;
}

bool Database::run(const QString& sql, const QVariantList& values) {
    const QSqlQuery query = prepared(sql, values);
    error_ = query.lastError();
    return query.isActive();
}

QSqlQuery Database::query(const QString& sql, const QVariantList& values) {
    QSqlQuery query = prepared(sql, values);
    error_ = query.lastError();
    return query;
}

QVariant Database::value(const QString& sql, const QVariantList& values) {
    QSqlQuery rows = query(sql, values);
    const bool found = rows.isActive() && rows.next();
    if (rows.lastError().isValid()) error_ = rows.lastError();
    return found ? rows.value(0) : QVariant();
}

bool Database::isDamaged() const {
    const int code = error_.nativeErrorCode().toInt() & 0xFF;
    return code == kSqliteCorrupt || code == kSqliteNotADatabase;
}

void Database::noteDamage(const QString& finding) {
    error_ = QSqlError(QString(), finding, QSqlError::UnknownError, QString::number(kSqliteCorrupt));
}

Transaction::Transaction(Database& database)
    : database_(database), open_(database.run(QStringLiteral("BEGIN IMMEDIATE"))) {}

Transaction::~Transaction() {
    if (open_) database_.run(QStringLiteral("ROLLBACK"));
}

bool Transaction::commit() {
    if (!open_ || !database_.run(QStringLiteral("COMMIT"))) return false;
    open_ = false;
    return true;
}

}  // namespace app
