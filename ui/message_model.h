#pragma once

#include <QAbstractListModel>
#include <QPointer>

#include "app/chat/chat_session.h"

namespace ui {

/// The messages on the shown path of one conversation. Follows a ChatSession, or is empty with none. Text
/// that streams in comes through textGrown(), not through dataChanged(), because a view adds it instead of
/// reading everything again.
class MessageModel : public QAbstractListModel {
    Q_OBJECT
  public:
    enum Roles { SpeakerRole = Qt::UserRole, StateRole, ErrorRole, VersionRole, VersionCountRole };

    using QAbstractListModel::QAbstractListModel;

    /// The session stays the application's; it may be destroyed while it is shown.
    void setSession(app::ChatSession* session);
    app::ChatSession* session() const { return session_; }

    int rowCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role) const override;

    const app::Message& message(int row) const { return session_->messageAt(row); }
    app::ChatSession::Version version(int row) const { return session_->versionAt(row); }
    /// When the context was full: how many messages stand before this one, which is the first that the
    /// model still reads. 0: it is not.
    int leftOutAbove(int row) const { return row > 0 && session_->firstKeptIndex() == row ? row : 0; }
    /// "You" or the name of the model that wrote it.
    QString speaker(int row) const;

  Q_SIGNALS:
    void textGrown(int row, const QString& text);
    void progressChanged();  ///< of the prompt that is being read

  private:
    QPointer<app::ChatSession> session_;
    int count_ = 0;
};

}  // namespace ui
