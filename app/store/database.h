#pragma once

#include <QSqlDatabase>
#include <QSqlError>
#include <QSqlQuery>
#include <QString>
#include <QVariantList>

namespace app {

/// One SQLite connection, closed and forgotten with its owner. Use it on the thread that opened it.
class Database {
  public:
    enum class Access { ReadWrite, ReadOnly };

    Database() = default;
    ~Database() { close(); }
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;

    /// False: see error(). A new file is private to its user (0600), as are SQLite's files beside it.
    bool open(const QString& file, Access access);
    void close();
    bool isOpen() const { return !name_.isEmpty(); }

    /// Runs one statement. False: see error().
    bool run(const QString& sql, const QVariantList& values = {});
    /// A query that has run, before its first row; inactive when it failed.
    QSqlQuery query(const QString& sql, const QVariantList& values = {});
    /// The first column of the first row; invalid when there is none.
    QVariant value(const QString& sql, const QVariantList& values = {});

    const QSqlError& error() const { return error_; }
    /// The last error says that the file is no (whole) database.
    bool isDamaged() const;
    /// Makes a finding of one's own the last error.
    void noteDamage(const QString& finding);

  private:
    QSqlQuery prepared(const QString& sql, const QVariantList& values);
    QString name_;
    QSqlError error_;
};

/// Undone unless committed. The connection outlives it.
class Transaction {
  public:
    explicit Transaction(Database& database);
    ~Transaction();
    Transaction(const Transaction&) = delete;
    Transaction& operator=(const Transaction&) = delete;

    bool begun() const { return open_; }
    bool commit();

  private:
    Database& database_;
    bool open_;
};

}  // namespace app
