#include "ui/message_accessible.h"

#include <QAccessible>
#include <QAccessibleWidget>
#include <QHash>

#include "ui/message_view.h"

namespace ui {

namespace {

/// One message. Reads the model each time it is asked, so it stays right while text streams in.
class MessageAccessible final : public QAccessibleInterface {
  public:
    MessageAccessible(MessageView* view, int row) : view_(view), row_(row) {}

    bool isValid() const override { return view_ != nullptr && row_ < view_->model()->rowCount(); }
    QObject* object() const override { return nullptr; }
    QAccessibleInterface* parent() const override { return QAccessible::queryAccessibleInterface(view_); }
    QAccessibleInterface* child(int) const override { return nullptr; }
    QAccessibleInterface* childAt(int, int) const override { return nullptr; }
    int childCount() const override { return 0; }
    int indexOfChild(const QAccessibleInterface*) const override { return -1; }
    QAccessible::Role role() const override { return QAccessible::ListItem; }
    QString text(QAccessible::Text kind) const override {
        if (!isValid()) return {};
        const MessageModel& model = *view_->model();
        if (kind == QAccessible::Name)
            return model.speaker(row_) + QStringLiteral(": ") + model.message(row_).text;
        if (kind == QAccessible::Description) {
            const int leftOut = model.leftOutAbove(row_);
            const QString notice = MessageDelegate::endNotice(model.message(row_));
            if (leftOut == 0) return notice;
            return MessageDelegate::borderText(leftOut) + (notice.isEmpty() ? QString() : ". " + notice);
        }
        return {};
    }
    void setText(QAccessible::Text, const QString&) override {}
    QRect rect() const override {
        const QRect area = view_->rowRect(row_);
        return {view_->viewport()->mapToGlobal(area.topLeft()), area.size()};
    }
    QAccessible::State state() const override {
        QAccessible::State state;
        state.readOnly = true;
        state.focusable = true;
        state.focused = view_->hasFocus() && view_->currentRow() == row_;
        state.offscreen = !view_->viewport()->rect().intersects(view_->rowRect(row_));
        state.busy = view_->model()->message(row_).state == app::MessageState::Streaming;
        return state;
    }

  private:
    MessageView* view_;
    int row_;
};

class MessageViewAccessible final : public QAccessibleWidget {
  public:
    explicit MessageViewAccessible(MessageView* view)
        : QAccessibleWidget(view, QAccessible::List), view_(view) {}
    ~MessageViewAccessible() override {
        for (const QAccessible::Id id : std::as_const(ids_)) QAccessible::deleteAccessibleInterface(id);
    }

    int childCount() const override { return view_->model() != nullptr ? view_->model()->rowCount() : 0; }
    QAccessibleInterface* child(int row) const override {
        if (row < 0 || row >= childCount()) return nullptr;
        const auto known = ids_.constFind(row);
        if (known != ids_.constEnd()) return QAccessible::accessibleInterface(*known);
        auto* message = new MessageAccessible(view_, row);
        ids_.insert(row, QAccessible::registerAccessibleInterface(message));
        return message;
    }
    int indexOfChild(const QAccessibleInterface* wanted) const override {
        for (auto it = ids_.constBegin(); it != ids_.constEnd(); ++it) {
            if (QAccessible::accessibleInterface(it.value()) == wanted) return it.key();
        }
        return -1;
    }
    QAccessibleInterface* childAt(int x, int y) const override {
        return child(view_->rowAt(view_->viewport()->mapFromGlobal(QPoint(x, y)).y()));
    }

  private:
    MessageView* view_;
    mutable QHash<int, QAccessible::Id> ids_;
};

QAccessibleInterface* makeInterface(const QString& className, QObject* object) {
    if (className != QLatin1String("ui::MessageView")) return nullptr;
    return new MessageViewAccessible(static_cast<MessageView*>(object));
}

}  // namespace

void installMessageAccessibility() {
    static const bool installed = (QAccessible::installFactory(makeInterface), true);
    Q_UNUSED(installed);
}

}  // namespace ui
