#include "ui/empty_state.h"

#include <QGridLayout>
#include <QLabel>
#include <QPainter>
#include <QProgressBar>
#include <QPushButton>
#include <QSvgRenderer>
#include <QVBoxLayout>
#include <cmath>

namespace ui {

EmptyState::EmptyState(const app::ChatEngine& engine, const Theme& theme, QWidget* parent)
    : QWidget(parent), engine_(engine), theme_(theme) {
    mark_ = new QLabel(this);
    mark_->setAlignment(Qt::AlignCenter);
    title_ = new QLabel(this);
    title_->setObjectName(QStringLiteral("greeting"));
    title_->setAlignment(Qt::AlignCenter);
    title_->setWordWrap(true);
    detail_ = new QLabel(this);
    detail_->setObjectName(QStringLiteral("secondary"));
    detail_->setAlignment(Qt::AlignCenter);
    detail_->setWordWrap(true);
    progress_ = new QProgressBar(this);
    progress_->setTextVisible(false);
    progress_->setRange(0, 1000);
    progress_->setFixedSize(240, 4);
    progress_->setAccessibleName(tr("Loading the model"));
    choose_ = new QPushButton(tr("Choose a model"), this);
    choose_->setObjectName(QStringLiteral("primaryButton"));

    suggestions_ = new QWidget(this);
    auto* grid = new QGridLayout(suggestions_);
    grid->setContentsMargins(0, 0, 0, 0);
    grid->setSpacing(10);
    const QStringList texts = {tr("Explain how a radix tree works, with a short Python example"),
                               tr("Write a polite e-mail that moves a meeting to next week"),
                               tr("What is the difference between a process and a thread?"),
                               tr("Plan a simple dinner for four with seasonal vegetables")};
    for (int i = 0; i < texts.size(); ++i) {
        auto* button = new QPushButton(suggestions_);
        button->setObjectName(QStringLiteral("suggestion"));
        button->setAccessibleName(texts[i]);
        button->setMinimumHeight(62);
        button->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Fixed);
        auto* label = new QLabel(texts[i], button);
        label->setWordWrap(true);
        label->setAttribute(Qt::WA_TransparentForMouseEvents);
        auto* inside = new QVBoxLayout(button);
        inside->setContentsMargins(14, 8, 14, 8);
        inside->addWidget(label);
        grid->addWidget(button, i / 2, i % 2);
        connect(button, &QPushButton::clicked, this, [this, text = texts[i]] { Q_EMIT suggested(text); });
    }
    suggestions_->setMaximumWidth(620);

    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(24, 24, 24, 24);
    column->setSpacing(0);
    column->addStretch(3);
    column->addWidget(mark_);
    column->addSpacing(18);
    column->addWidget(title_);
    column->addSpacing(8);
    column->addWidget(detail_);
    column->addSpacing(16);
    column->addWidget(progress_, 0, Qt::AlignHCenter);
    column->addWidget(choose_, 0, Qt::AlignHCenter);
    column->addSpacing(16);
    auto* row = new QHBoxLayout;
    row->addStretch(1);
    row->addWidget(suggestions_, 100);
    row->addStretch(1);
    column->addLayout(row);
    column->addStretch(4);

    connect(choose_, &QPushButton::clicked, this, &EmptyState::modelRequested);
    connect(&engine, &app::ChatEngine::modelChanged, this, &EmptyState::refresh);
    connect(&theme, &Theme::changed, this, &EmptyState::restyle);
    restyle();
    refresh();
}

void EmptyState::restyle() {
    const qreal ratio = devicePixelRatioF();
    QPixmap mark(QSize(56, 56) * ratio);
    mark.fill(Qt::transparent);
    QPainter painter(&mark);
    QSvgRenderer(QStringLiteral(":/icons/alcove.svg")).render(&painter, QRectF(mark.rect()));
    painter.end();
    mark.setDevicePixelRatio(ratio);
    mark_->setPixmap(mark);
}

void EmptyState::refresh() {
    const app::ModelStatus& model = engine_.model();
    title_->setText(tr("What can I help with?"));
    switch (model.state) {
        case app::ModelState::Loading:
            detail_->setText(tr("Loading %1… You can already write.").arg(model.name));
            break;
        case app::ModelState::Ready:
            detail_->setText(tr("%1 runs on this machine. Nothing you write leaves it.").arg(model.name));
            break;
        case app::ModelState::Failed:
            title_->setText(tr("The model could not be loaded"));
            detail_->setText(model.message);
            break;
        case app::ModelState::None:
            title_->setText(tr("No model is loaded"));
            detail_->setText(tr("Alcove answers with a model file (GGUF) on this machine."));
            break;
    }
    progress_->setVisible(model.state == app::ModelState::Loading);
    progress_->setValue(int(std::lround(model.progress * 1000)));
    const bool stuck = model.state == app::ModelState::None || model.state == app::ModelState::Failed;
    choose_->setVisible(stuck);
    suggestions_->setVisible(!stuck);
}

}  // namespace ui
