#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "ui/message_delegate.h"
#include "ui/message_model.h"

namespace ui {

/// A place in the text of a conversation.
struct TextPlace {
    int row = 0;
    TextPosition position;
    auto operator<=>(const TextPlace&) const = default;
};

/// A row under a point, and that point seen from the row and from the row's text.
struct MessageHit {
    const MessageLayout* layout = nullptr;  ///< null: nothing is there, or it is not laid out
    MessageGeometry geometry;
    QPointF inRow, inText;
};

/// The messages of a model one below the other: where each stands and how high it is. Lays out only what is
/// asked for; the height of a row that nobody looked at is an estimate. y counts from the top of the first
/// row. GUI thread.
class MessageColumn {
  public:
    /// What a row shows besides its text.
    using Describe = std::function<MessageRow(int row)>;
    /// A place on the screen that should not move when heights above it change.
    struct Anchor {
        int row = -1;
        int block = -1;
        qreal distance = 0;  // from the place's top to the upper edge of what is in sight
    };

    /// The references outlive the column.
    MessageColumn(const Theme& theme, const MessageDelegate& delegate, Describe describe);

    /// Begins anew with the rows of a model, which stays the caller's.
    void reset(const MessageModel& model);
    void insert(int first, int last);
    void remove(int first, int last);
    void append(int row, const QString& text);  ///< the row's text grew by this
    void change(int row);                       ///< anything else of it is different
    void setWidth(int width);     ///< of the viewport; nothing is measured any more if it changes
    void forgetLayouts();         ///< e.g. because colours changed
    void forgetFarFrom(int row);  ///< if there are many layouts, those of rows far from this one

    int count() const { return int(rows_.size()); }
    bool isEmpty() const { return rows_.empty(); }
    bool has(int row) const { return row >= 0 && row < count(); }
    qreal height() const;
    qreal top(int row) const { return rows_[size_t(row)].top; }
    qreal height(int row) const { return rows_[size_t(row)].height; }
    int rowAt(qreal y) const;  ///< -1: none
    bool isMeasured(int row) const { return rows_[size_t(row)].layout && rows_[size_t(row)].measured; }
    int laidOutRows() const;  ///< how many rows hold a layout now

    /// The place at the upper edge of what is in sight, from `scroll` on and `viewHeight` high.
    Anchor anchorAt(qreal scroll, int viewHeight) const;
    /// Lays out what is in sight, which may move what is below or above it, until everything in sight stands.
    /// Returns where what is in sight begins then: at the end if `atEnd`, else with `kept` where it was, or
    /// at `scroll` if that names no row.
    qreal arrange(qreal scroll, int viewHeight, const Anchor& kept, bool atEnd);

    MessageLayout* layout(int row) const { return rows_[size_t(row)].layout.get(); }  ///< null: none now
    MessageLayout& layoutOf(int row);                                                 ///< makes it
    MessageGeometry measure(int row);
    MessageHit hit(int row, QPointF point) const;

    TextPlace end();
    QString textBetween(const TextPlace& from, const TextPlace& to);

  private:
    struct Row {
        std::unique_ptr<MessageLayout> layout;  // null: not looked at, or forgotten
        qreal top = 0;
        qreal height = 0;
        bool measured = false;  // at the present width
    };
    void place(int from);

    const Theme& theme_;
    const MessageDelegate& delegate_;
    Describe describe_;
    const MessageModel* model_ = nullptr;
    std::vector<Row> rows_;
    int width_ = 0;
};

}  // namespace ui
