#include "ui/engine_panel.h"

#include <QDialogButtonBox>
#include <QGridLayout>
#include <QLabel>
#include <QLocale>
#include <QTimer>
#include <QVBoxLayout>

namespace ui {

namespace {

constexpr int kRefreshMillis = 500;

QString blocks(int count, qint64 bytes) {
    const QLocale locale;
    if (bytes <= 0) return locale.toString(count);
    return QStringLiteral("%1  (%2)")
        .arg(locale.toString(count), locale.formattedDataSize(bytes, 1, QLocale::DataSizeSIFormat));
}

QString millis(double value) {
    if (value <= 0) return QStringLiteral("–");
    return QStringLiteral("%1 ms").arg(QLocale().toString(value, 'f', value < 100 ? 1 : 0));
}

}  // namespace

EnginePanel::EnginePanel(const app::ChatEngine& engine, QWidget* parent)
    : QDialog(parent), engine_(engine), grid_(new QGridLayout) {
    setWindowTitle(tr("Engine"));
    setObjectName(QStringLiteral("enginePanel"));
    auto* title = new QLabel(tr("Engine"), this);
    title->setObjectName(QStringLiteral("dialogTitle"));
    grid_->setHorizontalSpacing(32);
    grid_->setVerticalSpacing(9);
    grid_->setColumnStretch(1, 1);
    addRow(Figure::Device, tr("Device"), {});
    addRow(Figure::Running, tr("Answering, waiting"), tr("Replies being written, and those that wait"));
    addRow(Figure::BlocksUsed, tr("Blocks used"), tr("Of 16 tokens of keys and values, on the device"));
    addRow(Figure::BlocksFree, tr("Blocks free"), {});
    addRow(Figure::BlocksCached, tr("Blocks cached"),
           tr("Of those used: kept for a next turn, given up when room is needed"));
    addRow(Figure::HostBlocks, tr("Blocks in host memory"), tr("What the device had no room for"));
    addRow(Figure::DiskBlocks, tr("Blocks on disk"), tr("Kept for the next start"));
    addRow(Figure::HitRate, tr("Cache hits"), tr("Share of all prompt tokens that were found in the cache"));
    addRow(Figure::TokensSaved, tr("Tokens saved"), tr("Prompt tokens that were not computed again"));
    addRow(Figure::QueueTime, tr("Time in the queue"), tr("Mean of the last replies"));
    addRow(Figure::FirstToken, tr("Time to first token"), tr("Mean of the last replies"));
    addRow(Figure::BetweenTokens, tr("Between tokens (median)"), {});
    addRow(Figure::BetweenTokensSlow, tr("Between tokens (99 %)"), {});
    addRow(Figure::Speed, tr("Tokens a second"), tr("All replies together"));
    addRow(Figure::Moved, tr("Evicted, brought back"), tr("Blocks that left the device, and that came back"));
    addRow(Figure::Preempted, tr("Preempted"), tr("Replies that had to wait because blocks ran out"));
    auto* buttons = new QDialogButtonBox(QDialogButtonBox::Close, this);
    connect(buttons, &QDialogButtonBox::rejected, this, &QDialog::reject);
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(24, 20, 24, 20);
    column->setSpacing(16);
    column->addWidget(title);
    column->addLayout(grid_);
    column->addStretch(1);
    column->addWidget(buttons);
    setMinimumWidth(420);
    connect(&engine, &app::ChatEngine::snapshotChanged, this, &EnginePanel::refresh);
    connect(&engine, &app::ChatEngine::modelChanged, this, &EnginePanel::refresh);
    // What is evicted, saved or forgotten while nobody is answered makes no signal.
    auto* timer = new QTimer(this);
    connect(timer, &QTimer::timeout, this, &EnginePanel::refresh);
    timer->start(kRefreshMillis);
    refresh();
}

void EnginePanel::addRow(Figure figure, const QString& name, const QString& help) {
    const int row = grid_->rowCount();
    auto* label = new QLabel(name, this);
    auto* value = new QLabel(this);
    value->setTextInteractionFlags(Qt::TextSelectableByMouse | Qt::TextSelectableByKeyboard);
    value->setAccessibleName(name);
    value->setAccessibleDescription(help);
    label->setBuddy(value);
    for (QLabel* part : {label, value}) part->setToolTip(help);
    grid_->addWidget(label, row, 0);
    grid_->addWidget(value, row, 1, Qt::AlignRight);
    values_.insert(int(figure), value);
}

QString EnginePanel::value(Figure figure) const {
    return values_.value(int(figure))->text();
}

void EnginePanel::refresh() {
    const QLocale locale;
    const app::EngineSnapshot now = engine_.snapshot();
    const auto set = [this](Figure figure, const QString& text) {
        QLabel* label = values_.value(int(figure));
        if (label->text() != text) label->setText(text);
    };
    set(Figure::Device, now.device.isEmpty() ? tr("No model is loaded") : now.device);
    set(Figure::Running,
        QStringLiteral("%1, %2").arg(locale.toString(now.running), locale.toString(now.waiting)));
    set(Figure::BlocksUsed, blocks(now.kvBlocksUsed, now.kvBytesUsed));
    set(Figure::BlocksFree, blocks(now.kvBlocksTotal - now.kvBlocksUsed, now.kvBytesTotal - now.kvBytesUsed));
    set(Figure::BlocksCached, locale.toString(now.kvBlocksCached));
    set(Figure::HostBlocks, blocks(now.hostBlocks, now.hostBytes));
    set(Figure::DiskBlocks, blocks(now.diskBlocks, now.diskBytes));
    set(Figure::HitRate, QStringLiteral("%1 %").arg(locale.toString(100 * now.hitRate(), 'f', 1)));
    set(Figure::TokensSaved, locale.toString(now.cachedTokens));
    set(Figure::QueueTime, millis(now.queueMillis));
    set(Figure::FirstToken, millis(now.ttftMillis));
    set(Figure::BetweenTokens, millis(now.itlP50Millis));
    set(Figure::BetweenTokensSlow, millis(now.itlP99Millis));
    set(Figure::Speed, locale.toString(now.decodeTokensPerSecond, 'f', 1));
    set(Figure::Moved, QStringLiteral("%1, %2").arg(locale.toString(now.evictedBlocks),
                                                    locale.toString(now.restoredBlocks)));
    set(Figure::Preempted, locale.toString(now.preemptions));
}

}  // namespace ui
