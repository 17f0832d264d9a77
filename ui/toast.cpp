#include "ui/toast.h"

#include <QHBoxLayout>
#include <QLabel>
#include <QPushButton>

namespace ui {

namespace {
constexpr int kMillis = 7000;
}

Toast::Toast(QWidget* above) : QFrame(above->parentWidget()), above_(above) {
    setObjectName(QStringLiteral("toast"));
    label_ = new QLabel(this);
    label_->setWordWrap(true);
    label_->setObjectName(QStringLiteral("toastLabel"));
    button_ = new QPushButton(this);
    button_->setObjectName(QStringLiteral("toastButton"));
    button_->setText(tr("Undo"));
    auto* row = new QHBoxLayout(this);
    row->setContentsMargins(16, 8, 10, 8);
    row->setSpacing(12);
    row->addWidget(label_, 1);
    row->addWidget(button_);
    timer_.setSingleShot(true);
    timer_.setInterval(kMillis);
    connect(&timer_, &QTimer::timeout, this, &Toast::lapseNow);
    connect(button_, &QPushButton::clicked, this, &Toast::takeAction);
    hide();
}

void Toast::say(const QString& text, const QString& actionText, std::function<void()> action,
                std::function<void()> lapse) {
    lapseNow();
    label_->setText(text);
    setAccessibleName(text);
    button_->setText(actionText);
    button_->setVisible(!actionText.isEmpty());
    action_ = std::move(action);
    lapse_ = std::move(lapse);
    show();
    place();
    raise();
    timer_.start();
}

void Toast::lapseNow() {
    timer_.stop();
    hide();
    action_ = nullptr;
    if (const auto lapse = std::exchange(lapse_, nullptr)) lapse();
}

void Toast::takeAction() {
    timer_.stop();
    hide();
    lapse_ = nullptr;
    if (const auto action = std::exchange(action_, nullptr)) action();
}

QString Toast::text() const {
    return label_->text();
}

void Toast::place() {
    const int bottom = above_->geometry().bottom();
    const int room = parentWidget()->width() - 48;
    const int natural = label_->fontMetrics().horizontalAdvance(label_->text()) + 44 +
                        (button_->isHidden() ? 0 : button_->sizeHint().width() + 12);
    const int width = std::min({room, natural, 560});
    const int height = std::max(44, layout()->heightForWidth(width));
    setGeometry((parentWidget()->width() - width) / 2, bottom - height - 10, width, height);
}

}  // namespace ui
