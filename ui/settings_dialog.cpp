#include "ui/settings_dialog.h"

#include <QAbstractItemView>
#include <QCheckBox>
#include <QComboBox>
#include <QDialogButtonBox>
#include <QDoubleSpinBox>
#include <QFormLayout>
#include <QHBoxLayout>
#include <QLabel>
#include <QListWidget>
#include <QPlainTextEdit>
#include <QPushButton>
#include <QStackedWidget>
#include <QThread>
#include <QVBoxLayout>

namespace ui {

namespace {

QFormLayout* formOf(QWidget* page, const QString& title) {
    auto* column = new QVBoxLayout(page);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(18);
    auto* heading = new QLabel(title, page);
    heading->setObjectName(QStringLiteral("dialogTitle"));
    column->addWidget(heading);
    auto* form = new QFormLayout;
    form->setHorizontalSpacing(24);
    form->setVerticalSpacing(12);
    form->setFieldGrowthPolicy(QFormLayout::AllNonFixedFieldsGrow);
    form->setLabelAlignment(Qt::AlignLeft | Qt::AlignVCenter);
    column->addLayout(form);
    column->addStretch(1);
    return form;
}

void addRow(QFormLayout* form, const QString& label, QWidget* field, const QString& help = {}) {
    field->setAccessibleName(label);
    if (auto* choice = qobject_cast<QComboBox*>(field)) choice->view()->setAccessibleName(label);
    if (!help.isEmpty()) {
        field->setToolTip(help);
        field->setAccessibleDescription(help);
    }
    form->addRow(label, field);
}

QDoubleSpinBox* decimals(double value, double low, double high, double step) {
    auto* box = new QDoubleSpinBox;
    box->setRange(low, high);
    box->setSingleStep(step);
    box->setDecimals(2);
    box->setValue(value);
    return box;
}

QSpinBox* integers(int value, int low, int high, const QString& special) {
    auto* box = new QSpinBox;
    box->setRange(low, high);
    box->setSpecialValueText(special);
    box->setGroupSeparatorShown(true);
    box->setValue(value);
    return box;
}

}  // namespace

SettingsDialog::SettingsDialog(app::Settings& settings, QWidget* parent)
    : QDialog(parent), settings_(settings), before_(settings.modelOptions()) {
    setWindowTitle(tr("Settings"));
    auto* sections = new QListWidget(this);
    sections->setObjectName(QStringLiteral("sections"));
    sections->setAccessibleName(tr("Sections"));
    sections->addItems({tr("General"), tr("Model"), tr("Replies")});
    sections->setFixedWidth(150);
    sections->setFrameShape(QFrame::NoFrame);
    auto* pages = new QStackedWidget(this);
    pages->addWidget(generalPage());
    pages->addWidget(modelPage());
    pages->addWidget(replyPage());
    connect(sections, &QListWidget::currentRowChanged, pages, &QStackedWidget::setCurrentIndex);
    sections->setCurrentRow(0);

    auto* buttons = new QDialogButtonBox(QDialogButtonBox::Close, this);
    connect(buttons, &QDialogButtonBox::rejected, this, &QDialog::reject);
    auto* right = new QVBoxLayout;
    right->setContentsMargins(24, 22, 24, 18);
    right->setSpacing(16);
    right->addWidget(pages, 1);
    right->addWidget(buttons);
    auto* row = new QHBoxLayout(this);
    row->setContentsMargins(0, 0, 0, 0);
    row->setSpacing(0);
    row->addWidget(sections);
    row->addLayout(right, 1);
    resize(660, 560);

    for (auto* box : findChildren<QComboBox*>()) {
        connect(box, &QComboBox::currentIndexChanged, this, &SettingsDialog::store);
    }
    for (auto* box : findChildren<QSpinBox*>()) {
        connect(box, &QSpinBox::valueChanged, this, &SettingsDialog::store);
    }
    for (auto* box : findChildren<QDoubleSpinBox*>()) {
        connect(box, &QDoubleSpinBox::valueChanged, this, &SettingsDialog::store);
    }
    connect(sendOnEnter_, &QCheckBox::toggled, this, &SettingsDialog::store);
}

QWidget* SettingsDialog::generalPage() {
    auto* page = new QWidget;
    QFormLayout* form = formOf(page, tr("General"));
    theme_ = new QComboBox;
    theme_->addItem(tr("As the system"), int(app::ThemeChoice::System));
    theme_->addItem(tr("Light"), int(app::ThemeChoice::Light));
    theme_->addItem(tr("Dark"), int(app::ThemeChoice::Dark));
    theme_->setCurrentIndex(theme_->findData(int(settings_.theme())));
    theme_->setObjectName(QStringLiteral("themeChoice"));
    addRow(form, tr("Appearance"), theme_);
    sendOnEnter_ = new QCheckBox(tr("Enter sends, Shift+Enter begins a new line"));
    sendOnEnter_->setChecked(settings_.sendOnEnter());
    sendOnEnter_->setToolTip(tr("Otherwise Enter begins a new line and Ctrl+Enter sends"));
    form->addRow(tr("Writing"), sendOnEnter_);
    sendOnEnter_->setAccessibleName(sendOnEnter_->text());
    auto* deleteAll = new QPushButton(tr("Delete all…"));
    deleteAll->setObjectName(QStringLiteral("deleteAll"));
    deleteAll->setAutoDefault(false);
    deleteAll->setSizePolicy(QSizePolicy::Maximum, QSizePolicy::Fixed);
    connect(deleteAll, &QPushButton::clicked, this, [this] {
        accept();
        Q_EMIT deleteAllRequested();
    });
    form->addRow(tr("Conversations"), deleteAll);
    deleteAll->setAccessibleName(tr("Delete all conversations"));
    return page;
}

QWidget* SettingsDialog::modelPage() {
    auto* page = new QWidget;
    QFormLayout* form = formOf(page, tr("Model"));
    device_ = new QComboBox;
    device_->addItem(tr("The best there is"), QStringLiteral("best"));
    device_->addItem(tr("Processor (CPU)"), QStringLiteral("cpu"));
    device_->addItem(tr("NVIDIA GPU (CUDA)"), QStringLiteral("cuda"));
    device_->setCurrentIndex(std::max(0, device_->findData(before_.device)));
    addRow(form, tr("Device"), device_);
    threads_ =
        integers(before_.threads, 0, std::max(256, QThread::idealThreadCount()), tr("One for each core"));
    addRow(form, tr("Threads"), threads_, tr("Processor threads that compute"));
    context_ = integers(before_.contextTokens, 0, 1 << 20, tr("As the model was made for"));
    context_->setSingleStep(1024);
    addRow(form, tr("Context"), context_, tr("Tokens that one conversation may take"));
    kvType_ = new QComboBox;
    kvType_->addItem(tr("16 bits (exact)"), QStringLiteral("f16"));
    kvType_->addItem(tr("8 bits (half the memory)"), QStringLiteral("q8_0"));
    kvType_->addItem(tr("4 bits (a quarter of the memory)"), QStringLiteral("q4_0"));
    kvType_->setCurrentIndex(std::max(0, kvType_->findData(before_.kvType)));
    addRow(form, tr("Memory of the conversation"), kvType_,
           tr("How keys and values of the context are kept"));
    hostCache_ = integers(int(before_.hostCacheBytes >> 20), 0, 1 << 20, tr("None"));
    hostCache_->setSuffix(QStringLiteral(" MiB"));
    hostCache_->setSingleStep(256);
    addRow(form, tr("Warm chats in memory"), hostCache_,
           tr("Main memory for what the device has no room for, so that nothing is computed twice"));
    diskCache_ = new QCheckBox(tr("Keep chats warm across restarts"));
    diskCache_->setObjectName(QStringLiteral("diskCache"));
    diskCache_->setChecked(before_.diskCache);
    diskCache_->setToolTip(tr("In files only you can read. Switched off, they are erased"));
    diskCache_->setAccessibleName(diskCache_->text());
    form->addRow(tr("On disk"), diskCache_);
    diskSize_ = integers(int(before_.diskCacheBytes >> 20), 0, 1 << 24, tr("None"));
    diskSize_->setSuffix(QStringLiteral(" MiB"));
    diskSize_->setSingleStep(1024);
    addRow(form, tr("At most"), diskSize_, tr("Of these files, all models together"));
    auto* note = new QLabel(tr("The model is loaded again when these change."));
    note->setObjectName(QStringLiteral("secondary"));
    note->setWordWrap(true);
    form->addRow(note);
    return page;
}

QWidget* SettingsDialog::replyPage() {
    auto* page = new QWidget;
    QFormLayout* form = formOf(page, tr("Replies"));
    const app::SamplingSettings sampling = settings_.sampling();
    systemPrompt_ = new QPlainTextEdit(settings_.systemPrompt());
    systemPrompt_->setObjectName(QStringLiteral("systemPrompt"));
    systemPrompt_->setPlaceholderText(tr("Tells the model how to answer, in every new conversation"));
    systemPrompt_->setFixedHeight(78);
    systemPrompt_->setTabChangesFocus(true);
    addRow(form, tr("System prompt"), systemPrompt_);
    temperature_ = decimals(sampling.temperature, 0, 2, 0.05);
    addRow(form, tr("Temperature"), temperature_, tr("0: always the likeliest token; higher: more varied"));
    topK_ = integers(sampling.topK, 0, 1000, tr("No limit"));
    addRow(form, tr("Top-k"), topK_, tr("Only the k likeliest tokens"));
    topP_ = decimals(sampling.topP, 0, 1, 0.01);
    addRow(form, tr("Top-p"), topP_, tr("Only the likeliest tokens that together reach this probability"));
    minP_ = decimals(sampling.minP, 0, 1, 0.01);
    addRow(form, tr("Min-p"), minP_, tr("Only tokens at least this share as likely as the likeliest"));
    repeat_ = decimals(sampling.repeatPenalty, 0.5, 2, 0.05);
    addRow(form, tr("Repetition penalty"), repeat_, tr("1: none"));
    presence_ = decimals(sampling.presencePenalty, -2, 2, 0.1);
    addRow(form, tr("Presence penalty"), presence_, tr("0: none"));
    whenFull_ = new QComboBox;
    whenFull_->setObjectName(QStringLiteral("whenFull"));
    whenFull_->addItem(tr("Leave out the oldest turns, and mark it"), int(app::WhenFull::LeaveOutOldest));
    whenFull_->addItem(tr("Stop and say so"), int(app::WhenFull::Stop));
    whenFull_->setCurrentIndex(whenFull_->findData(int(settings_.whenFull())));
    addRow(form, tr("When the context is full"), whenFull_, tr("A chat may have its own choice"));
    maxTokens_ = integers(sampling.maxNewTokens, -1, 1 << 20, tr("To the end of the context"));
    addRow(form, tr("Longest reply"), maxTokens_, tr("Tokens"));
    return page;
}

void SettingsDialog::store() {
    settings_.setTheme(app::ThemeChoice(theme_->currentData().toInt()));
    settings_.setSendOnEnter(sendOnEnter_->isChecked());
    settings_.setWhenFull(app::WhenFull(whenFull_->currentData().toInt()));
    app::SamplingSettings sampling = settings_.sampling();
    sampling.temperature = temperature_->value();
    sampling.topK = topK_->value();
    sampling.topP = topP_->value();
    sampling.minP = minP_->value();
    sampling.repeatPenalty = repeat_->value();
    sampling.presencePenalty = presence_->value();
    sampling.maxNewTokens = maxTokens_->value() == 0 ? -1 : maxTokens_->value();
    settings_.setSampling(sampling);
}

void SettingsDialog::done(int result) {
    store();
    settings_.setSystemPrompt(systemPrompt_->toPlainText().trimmed());
    app::ModelOptions options = settings_.modelOptions();
    options.device = device_->currentData().toString();
    options.threads = threads_->value();
    options.contextTokens = context_->value();
    options.kvType = kvType_->currentData().toString();
    options.hostCacheBytes = qint64(hostCache_->value()) << 20;
    options.diskCache = diskCache_->isChecked();
    options.diskCacheBytes = qint64(diskSize_->value()) << 20;
    settings_.setModelOptions(options);
    const bool reload = !(options == before_);
    QDialog::done(result);
    if (reload) Q_EMIT reloadRequested();
}

}  // namespace ui
