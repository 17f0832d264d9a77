#include "ui/status_line.h"

#include <QHBoxLayout>
#include <QLabel>
#include <QLocale>
#include <QPainter>

namespace ui {

namespace {
constexpr int kBar = 56;
constexpr int kRefreshMillis = 120;
}  // namespace

ContextMeter::ContextMeter(const Theme& theme, QWidget* parent) : QWidget(parent), theme_(theme) {
    setSizePolicy(QSizePolicy::Fixed, QSizePolicy::Fixed);
    setAccessibleName(tr("Context"));
    connect(&theme, &Theme::changed, this, qOverload<>(&QWidget::update));
}

QString ContextMeter::text() const {
    if (use_.limit <= 0) return {};
    const QLocale locale;
    return tr("%1 / %2 tokens").arg(locale.toString(use_.tokens), locale.toString(use_.limit));
}

void ContextMeter::setUse(const app::ContextUse& use) {
    use_ = use;
    setAccessibleDescription(text());
    setToolTip(use.isFull()
                   ? tr("The context is full: begin a new chat, or load the model with a longer context.")
                   : tr("Tokens of the context that this conversation takes"));
    updateGeometry();
    update();
}

QSize ContextMeter::sizeHint() const {
    if (use_.limit <= 0) return QSize(0, 18);
    return QSize(kBar + 8 + QFontMetrics(theme_.smallFont()).horizontalAdvance(text()) + 2, 18);
}

void ContextMeter::paintEvent(QPaintEvent*) {
    if (use_.limit <= 0) return;
    QPainter painter(this);
    painter.setRenderHint(QPainter::Antialiasing);
    const double share = std::min(1.0, double(use_.tokens) / use_.limit);
    const QRectF bar(0, height() / 2.0 - 2, kBar, 4);
    painter.setPen(Qt::NoPen);
    painter.setBrush(theme_.color(Token::Border));
    painter.drawRoundedRect(bar, 2, 2);
    painter.setBrush(theme_.color(share > 0.9 ? Token::Warning : Token::Accent));
    if (use_.tokens > 0)
        painter.drawRoundedRect(QRectF(bar.left(), bar.top(), std::max(4.0, kBar * share), 4), 2, 2);
    painter.setFont(theme_.smallFont());
    painter.setPen(theme_.color(share > 0.9 ? Token::Warning : Token::TextFaint));
    painter.drawText(rect().adjusted(kBar + 8, 0, 0, 0), Qt::AlignVCenter | Qt::AlignLeft, text());
}

StatusLine::StatusLine(const app::ChatEngine& engine, const Theme& theme, QWidget* parent)
    : QWidget(parent), engine_(engine) {
    setAccessibleName(tr("Status"));
    device_ = new QLabel(this);
    device_->setObjectName(QStringLiteral("status"));
    device_->setAccessibleName(tr("Device"));
    device_->setMinimumWidth(30);
    figures_ = new QLabel(this);
    figures_->setObjectName(QStringLiteral("status"));
    figures_->setAccessibleName(tr("Figures"));
    meter_ = new ContextMeter(theme, this);
    auto* row = new QHBoxLayout(this);
    row->setContentsMargins(10, 0, 10, 0);
    row->setSpacing(14);
    row->addWidget(device_, 1);
    row->addWidget(figures_);
    row->addWidget(meter_);
    setFixedHeight(26);
    timer_.setSingleShot(true);
    timer_.setInterval(kRefreshMillis);
    connect(&timer_, &QTimer::timeout, this, &StatusLine::showNow);
    connect(&engine, &app::ChatEngine::modelChanged, this, &StatusLine::refresh);
    connect(&engine, &app::ChatEngine::snapshotChanged, this, &StatusLine::refresh);
    refresh();
}

void StatusLine::setSession(const app::ChatSession* session) {
    if (session_ != nullptr) session_->disconnect(this);
    session_ = session;
    if (session != nullptr) {
        connect(session, &app::ChatSession::contextChanged, this, &StatusLine::refresh);
        connect(session, &app::ChatSession::messageChanged, this, &StatusLine::refresh);
        connect(session, &app::ChatSession::messagesReset, this, &StatusLine::refresh);
        connect(session, &app::ChatSession::busyChanged, this, &StatusLine::refresh);
        connect(session, &QObject::destroyed, this, [this] { session_ = nullptr; });
    }
    refresh();
}

QString StatusLine::figures() const {
    const QLocale locale;
    const app::EngineSnapshot now = engine_.snapshot();
    QStringList parts;
    double speed = now.running > 0 ? now.decodeTokensPerSecond : 0;
    double ttft = 0;
    if (session_ != nullptr && session_->messageCount() > 0) {
        const app::Message& last = session_->messageAt(session_->messageCount() - 1);
        ttft = last.stats.ttftMillis;
        if (speed <= 0) speed = last.stats.decodeTokensPerSecond;
    }
    if (speed > 0) parts += tr("%1 tok/s").arg(locale.toString(speed, 'f', speed < 100 ? 1 : 0));
    if (ttft > 0) parts += tr("TTFT %1 s").arg(locale.toString(ttft / 1000, 'f', 2));
    if (now.kvBytesTotal > 0) {
        parts += tr("KV %1 of %2")
                     .arg(locale.formattedDataSize(now.kvBytesUsed, 0, QLocale::DataSizeSIFormat),
                          locale.formattedDataSize(now.kvBytesTotal, 0, QLocale::DataSizeSIFormat));
    }
    return parts.join(QStringLiteral("  ·  "));
}

QString StatusLine::guesses() const {
    const QLocale locale;
    const app::EngineSnapshot now = engine_.snapshot();
    if (now.draftedTokens <= 0) return {};
    return tr("guesses %1 % right, %2×")
        .arg(locale.toString(100.0 * double(now.acceptedTokens) / double(now.draftedTokens), 'f', 0),
             locale.toString(now.speculationGain, 'f', 2));
}

void StatusLine::refresh() {
    if (!timer_.isActive()) timer_.start();
}

void StatusLine::showNow() {
    const app::ModelStatus& model = engine_.model();
    QString device;
    switch (model.state) {
        case app::ModelState::Ready:
            device = model.device;
            break;
        case app::ModelState::Loading:
            device = tr("Loading the model…");
            break;
        case app::ModelState::Failed:
            device = tr("No model is loaded");
            break;
        case app::ModelState::None:
            device = tr("No model is loaded");
            break;
    }
    device_->setToolTip(device);
    const QString numbers = figures();
    figures_->setText(numbers);
    figures_->setToolTip(guesses());  // the line has no room for them, and each reply shows its own
    // The figures go first when there is no room: the reply shows them too.
    const int needed = figures_->sizeHint().width() + meter_->sizeHint().width() + 150;
    figures_->setVisible(!numbers.isEmpty() && needed <= width());
    meter_->setUse(session_ != nullptr ? session_->contextUse() : app::ContextUse{});
    const int room = width() - 20 - meter_->sizeHint().width() - 14 -
                     (figures_->isHidden() ? 0 : figures_->sizeHint().width() + 14);
    device_->setText(device_->fontMetrics().elidedText(device, Qt::ElideRight, std::max(30, room)));
}

void StatusLine::resizeEvent(QResizeEvent*) {
    refresh();
}

}  // namespace ui
