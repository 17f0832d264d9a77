#pragma once

#include <QStyledItemDelegate>

#include "ui/conversation_model.h"
#include "ui/theme.h"

namespace ui {

/// Paints the rows of the sidebar: headings, conversations, and the hits of a search with their snippet.
class ConversationDelegate final : public QStyledItemDelegate {
    Q_OBJECT
  public:
    /// At the right end of a conversation's row, in pixels: a click there opens its menu.
    static constexpr int kMenuRoom = 32;

    ConversationDelegate(const Theme& theme, const ConversationModel& model, QObject* parent)
        : QStyledItemDelegate(parent), theme_(theme), model_(model) {}

    QSize sizeHint(const QStyleOptionViewItem& option, const QModelIndex& index) const override;
    void paint(QPainter* painter, const QStyleOptionViewItem& option,
               const QModelIndex& index) const override;
    QWidget* createEditor(QWidget* parent, const QStyleOptionViewItem& option,
                          const QModelIndex& index) const override;
    void updateEditorGeometry(QWidget* editor, const QStyleOptionViewItem& option,
                              const QModelIndex& index) const override;

  private:
    void paintHeading(QPainter* painter, const QRect& area, const QString& text) const;
    void paintConversation(QPainter* painter, const QRect& area, const ConversationModel::Item& item,
                           bool withMenu) const;
    void paintHit(QPainter* painter, const QRect& area, const ConversationModel::Item& item) const;

    const Theme& theme_;
    const ConversationModel& model_;
};

}  // namespace ui
