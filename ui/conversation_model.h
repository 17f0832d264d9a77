#pragma once

#include <QAbstractListModel>
#include <QDate>
#include <QSet>

#include "app/store/conversation_store.h"

namespace ui {

/// The conversations of the store, newest first, under headings by date; or, while something is searched for,
/// the places where it was found.
class ConversationModel : public QAbstractListModel {
    Q_OBJECT
  public:
    enum class Kind { Heading, Conversation, Hit };
    struct Item {
        Kind kind = Kind::Conversation;
        QString text;  ///< heading or title
        app::ConversationId conversation = 0;
        app::SearchHit hit;
    };
    enum Roles { KindRole = Qt::UserRole, IdRole };

    explicit ConversationModel(app::ConversationStore& store, QObject* parent = nullptr);

    void setSearch(const QString& text);
    const QString& search() const { return search_; }
    /// Not shown until the deletion is final or taken back.
    void setHidden(app::ConversationId id, bool hidden);
    /// Says which conversations are being answered, for a mark beside them.
    void setBusy(app::ConversationId id, bool busy);
    bool isBusy(app::ConversationId id) const { return busy_.contains(id); }

    const Item& item(int row) const { return items_[row]; }
    int rowOf(app::ConversationId id) const;
    QString title(app::ConversationId id) const;

    int rowCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role) const override;
    bool setData(const QModelIndex& index, const QVariant& value, int role) override;
    Qt::ItemFlags flags(const QModelIndex& index) const override;

    /// "Today", "Yesterday", "Previous 7 days", "Previous 30 days", then months.
    static QString heading(const QDate& date, const QDate& today);

  Q_SIGNALS:
    void renamed(qint64 conversation, const QString& title);

  private:
    void rebuild();
    void changed(const app::Conversation& conversation);

    app::ConversationStore& store_;
    QList<app::Conversation> conversations_;
    QList<Item> items_;
    QSet<app::ConversationId> hidden_, busy_;
    QString search_;
};

}  // namespace ui
