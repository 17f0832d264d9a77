#pragma once

#include <QPainter>
#include <QRectF>
#include <optional>
#include <vector>

#include "app/chat/chat_session.h"
#include "ui/message_layout.h"
#include "ui/theme.h"

namespace ui {

/// What can be done with a message from its own row.
enum class MessageAction { Copy, Edit, Regenerate, PreviousVersion, NextVersion };

/// What a row shows besides its text.
struct MessageRow {
    const app::Message* message = nullptr;
    app::ChatSession::Version version;
    /// Messages before this one that the model no longer reads; 0: it is not the border.
    int leftOutAbove = 0;
    bool isLast = false;
    bool isBusy = false;   ///< the conversation is being answered: nothing can be changed
    QString waiting;       ///< what a reply without text waits for
    double progress = -1;  ///< of that, 0 to 1; negative: unknown
    bool hovered = false;
    bool focused = false;              ///< the keyboard is on it
    bool copied = false;               ///< was just copied
    std::optional<MessageAction> hot;  ///< under the mouse
    double phase = 0;                  ///< of the waiting dots, 0 to 1
};

/// Where the parts of a row are; from the row's top left corner.
struct MessageGeometry {
    qreal height = 0;
    QPointF text;  ///< origin of the message's text
    qreal textWidth = 0;
    QRectF border;   ///< what is said between this message and those that left the context
    QRectF bubble;   ///< behind a user's text
    QRectF waiting;  ///< dots and what they wait for
    QRectF notice;   ///< an error, or how the reply ended
    QRectF footer;   ///< actions and figures
    struct Button {
        MessageAction action;
        QRectF area;
        bool enabled = true;
    };
    std::vector<Button> buttons;
    QRectF versionLabel;
};

/// Measures and paints one message. Holds nothing of it.
class MessageDelegate {
  public:
    explicit MessageDelegate(const Theme& theme) : theme_(theme) {}

    /// The width the text gets; the layout has to have it before geometry() is asked.
    qreal textWidth(const MessageRow& row, const MessageLayout& layout, qreal viewWidth) const;
    MessageGeometry geometry(const MessageRow& row, const MessageLayout& layout, qreal viewWidth) const;
    /// @param clip  in the row's coordinates
    void paint(QPainter& painter, const QRectF& clip, const MessageRow& row, const MessageGeometry& geometry,
               MessageLayout& layout, TextPosition from, TextPosition to) const;
    /// Height of a row nobody has looked at.
    qreal estimate(const app::Message& message, qreal viewWidth) const;

    static QString statsLine(const app::ReplyStats& stats);
    /// How a reply ended when it did not simply end; empty: it did.
    static QString endNotice(const app::Message& message);
    static QString toolTip(MessageAction action);
    /// Whether an action goes with a row as it is now.
    static bool isPossible(MessageAction action, const MessageRow& row);
    /// What the border above the first message that the model still reads says.
    static QString borderText(int leftOut);

  private:
    QRectF column(qreal viewWidth) const;
    void paintBorder(QPainter& painter, const QRectF& area, int leftOut) const;
    void paintWaiting(QPainter& painter, const QRectF& area, const MessageRow& row) const;
    void paintNotice(QPainter& painter, const QRectF& area, const app::Message& message) const;
    void paintFooter(QPainter& painter, const MessageRow& row, const MessageGeometry& geometry) const;

    const Theme& theme_;
};

}  // namespace ui
