#include "ui/model_picker.h"

#include <QAbstractItemView>
#include <QComboBox>
#include <QFileInfo>
#include <QHBoxLayout>
#include <QLabel>
#include <QListWidget>
#include <QLocale>
#include <QPainter>
#include <QScreen>
#include <QStyleOptionFocusRect>
#include <QStyledItemDelegate>
#include <QVBoxLayout>
#include <cmath>

namespace ui {

namespace {

constexpr int kPopupWidth = 400;
constexpr int kRow = 56;
enum Roles { DetailRole = Qt::UserRole, ProblemRole, PathRole, LoadedRole };

class ModelDelegate final : public QStyledItemDelegate {
  public:
    ModelDelegate(const Theme& theme, QObject* parent) : QStyledItemDelegate(parent), theme_(theme) {}

    QSize sizeHint(const QStyleOptionViewItem&, const QModelIndex& index) const override {
        const QString problem = index.data(ProblemRole).toString();
        if (problem.isEmpty()) return QSize(0, kRow);
        const QRect text = QFontMetrics(theme_.smallFont())
                               .boundingRect(QRect(0, 0, kPopupWidth - 70, 200), Qt::TextWordWrap, problem);
        return QSize(0, 38 + text.height());
    }

    void paint(QPainter* painter, const QStyleOptionViewItem& option,
               const QModelIndex& index) const override {
        const QString problem = index.data(ProblemRole).toString();
        const QRect area = option.rect.adjusted(2, 1, -2, -1);
        painter->save();
        painter->setRenderHint(QPainter::Antialiasing);
        if (problem.isEmpty() && option.state & (QStyle::State_MouseOver | QStyle::State_Selected)) {
            painter->setPen(Qt::NoPen);
            painter->setBrush(theme_.color(Token::Hover));
            painter->drawRoundedRect(area, 8, 8);
        }
        const QRect text = area.adjusted(12, 8, -36, -8);
        QFont name = theme_.labelFont();
        name.setWeight(QFont::Medium);
        painter->setFont(name);
        painter->setPen(theme_.color(problem.isEmpty() ? Token::Text : Token::TextFaint));
        painter->drawText(QRect(text.left(), text.top(), text.width(), 20), Qt::AlignVCenter | Qt::AlignLeft,
                          painter->fontMetrics().elidedText(index.data(Qt::DisplayRole).toString(),
                                                            Qt::ElideMiddle, text.width()));
        painter->setFont(theme_.smallFont());
        const QRect detail = text.adjusted(0, 21, 0, 8);
        if (problem.isEmpty()) {
            painter->setPen(theme_.color(Token::TextSecondary));
            painter->drawText(detail, Qt::AlignTop | Qt::AlignLeft,
                              painter->fontMetrics().elidedText(index.data(DetailRole).toString(),
                                                                Qt::ElideRight, detail.width()));
        } else {
            painter->setPen(theme_.color(Token::Warning));
            painter->drawText(detail, Qt::TextWordWrap | Qt::AlignTop | Qt::AlignLeft, problem);
        }
        if (index.data(LoadedRole).toBool()) {
            painter->drawPixmap(QPoint(area.right() - 28, area.center().y() - 8),
                                theme_.pixmap(QStringLiteral("check"), Token::Accent, 18,
                                              painter->device()->devicePixelRatioF()));
        }
        painter->restore();
    }

  private:
    const Theme& theme_;
};

}  // namespace

QString describeModel(const app::ModelFile& model) {
    const QLocale locale;
    QStringList parts;
    if (!model.quantisation.isEmpty()) parts += model.quantisation;
    parts +=
        locale.formattedDataSize(model.bytes, model.bytes < 1'000'000'000 ? 0 : 1, QLocale::DataSizeSIFormat);
    if (model.contextLength > 0)
        parts += ModelPopup::tr("%1 tokens").arg(locale.toString(model.contextLength));
    if (!model.source.isEmpty()) parts += model.source;
    return parts.join(QStringLiteral("  ·  "));
}

ModelPopup::ModelPopup(app::ModelLibrary& library, const app::ChatEngine& engine, const Theme& theme,
                       QWidget* parent)
    : QFrame(parent, Qt::Popup | Qt::FramelessWindowHint), library_(library), engine_(engine), theme_(theme) {
    setObjectName(QStringLiteral("popup"));
    setAccessibleName(tr("Models"));
    setAttribute(Qt::WA_TranslucentBackground);
    list_ = new QListWidget(this);
    list_->setObjectName(QStringLiteral("modelList"));
    list_->setAccessibleName(tr("Models"));
    list_->setFrameShape(QFrame::NoFrame);
    list_->setMouseTracking(true);
    list_->setItemDelegate(new ModelDelegate(theme, list_));
    list_->setVerticalScrollMode(QAbstractItemView::ScrollPerPixel);
    list_->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    nothing_ = new QLabel(tr("No model was found yet."), this);
    nothing_->setObjectName(QStringLiteral("secondary"));
    nothing_->setAlignment(Qt::AlignCenter);
    nothing_->setMinimumHeight(56);
    auto* file = new QPushButton(tr("Open a model file…"), this);
    file->setObjectName(QStringLiteral("flatButton"));
    auto* folder = new QPushButton(tr("Show models folder"), this);
    folder->setObjectName(QStringLiteral("flatButton"));
    draftsLabel_ = new QLabel(tr("Guess ahead with"), this);
    draftsLabel_->setObjectName(QStringLiteral("secondary"));
    drafts_ = new QComboBox(this);
    drafts_->setObjectName(QStringLiteral("drafts"));
    drafts_->setAccessibleName(tr("Guess ahead with"));
    drafts_->view()->setAccessibleName(tr("Guess ahead with"));
    drafts_->setToolTip(
        tr("A smaller model of the same family writes ahead and this one checks it: the same "
           "answer, often sooner. It is only used while it is faster."));
    drafts_->setAccessibleDescription(drafts_->toolTip());
    draftsLabel_->setBuddy(drafts_);
    draftProblem_ = new QLabel(this);
    draftProblem_->setObjectName(QStringLiteral("secondary"));
    draftProblem_->setWordWrap(true);
    auto* draftRow = new QHBoxLayout;
    draftRow->setContentsMargins(12, 4, 8, 4);
    draftRow->addWidget(draftsLabel_);
    draftRow->addWidget(drafts_, 1);
    auto* buttons = new QHBoxLayout;
    buttons->addWidget(file);
    buttons->addWidget(folder);
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(7, 7, 7, 7);
    column->addWidget(nothing_);
    column->addWidget(list_);
    column->addLayout(draftRow);
    column->addWidget(draftProblem_);
    column->addLayout(buttons);
    connect(drafts_, &QComboBox::activated, this, [this] {
        const QString path = drafts_->currentData().toString();
        if (path == engine_.model().draftPath) return;
        close();
        Q_EMIT draftChosen(path);
    });

    const auto choose = [this](const QListWidgetItem* item) {
        if (item == nullptr || !item->data(ProblemRole).toString().isEmpty()) return;
        const QString path = item->data(PathRole).toString();
        close();
        Q_EMIT chosen(path);
    };
    connect(list_, &QListWidget::itemClicked, this, choose);
    connect(list_, &QListWidget::itemActivated, this, choose);
    connect(file, &QPushButton::clicked, this, [this] {
        close();
        Q_EMIT fileRequested();
    });
    connect(folder, &QPushButton::clicked, this, [this] {
        close();
        Q_EMIT folderRequested();
    });
    connect(&library, &app::ModelLibrary::modelsChanged, this, &ModelPopup::fill);
    connect(&engine, &app::ChatEngine::modelChanged, this, [this] {
        if (isVisible()) fill();
    });
    fill();
}

void ModelPopup::fill() {
    list_->clear();
    int height = 4;
    for (const app::ModelFile& model : library_.models()) {
        auto* item = new QListWidgetItem(model.name, list_);
        const QString detail = describeModel(model);
        item->setData(DetailRole, detail);
        item->setData(ProblemRole, model.problem);
        item->setData(PathRole, model.path);
        item->setData(LoadedRole, model.path == engine_.model().path);
        item->setData(Qt::AccessibleTextRole,
                      model.name + QStringLiteral(", ") + (model.isUsable() ? detail : model.problem));
        item->setToolTip(model.path);
        if (!model.isUsable()) item->setFlags(Qt::NoItemFlags | Qt::ItemIsEnabled);
        height += list_->sizeHintForRow(list_->count() - 1);
    }
    list_->setFixedHeight(std::min(height, 380));
    list_->setVisible(list_->count() > 0);
    nothing_->setVisible(list_->count() == 0);
    fillDrafts();
    adjustSize();
}

void ModelPopup::fillDrafts() {
    const app::ModelStatus& model = engine_.model();
    drafts_->clear();
    drafts_->addItem(tr("No second model"), QString());
    for (const app::ModelFile& draft : library_.draftsFor(model.path))
        drafts_->addItem(
            QStringLiteral("%1 (%2)").arg(
                draft.name, QLocale().formattedDataSize(draft.bytes, 0, QLocale::DataSizeSIFormat)),
            draft.path);
    // One that was named by hand need not be in the library.
    if (!model.draftPath.isEmpty() && drafts_->findData(model.draftPath) < 0)
        drafts_->addItem(QFileInfo(model.draftPath).completeBaseName(), model.draftPath);
    drafts_->setCurrentIndex(std::max(0, drafts_->findData(model.draftPath)));
    const bool isOffered = model.state == app::ModelState::Ready && drafts_->count() > 1;
    draftsLabel_->setVisible(isOffered);
    drafts_->setVisible(isOffered);
    draftProblem_->setText(model.draftProblem);
    draftProblem_->setVisible(!model.draftProblem.isEmpty());
}

QString ModelPopup::draftProblem() const {
    return draftProblem_->isHidden() ? QString() : draftProblem_->text();
}

void ModelPopup::openBelow(const QWidget& button) {
    fill();
    setFixedWidth(kPopupWidth + 14);
    adjustSize();
    QPoint at = button.mapToGlobal(QPoint(0, button.height() + 4));
    const QRect screen = button.screen()->availableGeometry();
    at.setX(std::clamp(at.x(), screen.left() + 8, std::max(screen.left() + 8, screen.right() - width() - 8)));
    move(at);
    show();
    list_->setFocus();
}

ModelPicker::ModelPicker(app::ModelLibrary& library, const app::ChatEngine& engine, const Theme& theme,
                         QWidget* parent)
    : QPushButton(parent), engine_(engine), theme_(theme) {
    setObjectName(QStringLiteral("modelPicker"));
    setFlat(true);
    setFixedHeight(34);
    popup_ = new ModelPopup(library, engine, theme, this);
    connect(this, &QPushButton::clicked, this, [this] { popup_->openBelow(*this); });
    connect(&engine, &app::ChatEngine::modelChanged, this, &ModelPicker::refresh);
    connect(&theme, &Theme::changed, this, qOverload<>(&QWidget::update));
    refresh();
}

QString ModelPicker::label() const {
    const app::ModelStatus& model = engine_.model();
    switch (model.state) {
        case app::ModelState::Loading:
            return tr("Loading %1… %2 %").arg(model.name).arg(int(std::lround(model.progress * 100)));
        case app::ModelState::Ready:
            return model.name;
        case app::ModelState::Failed:
            return tr("Model could not be loaded");
        case app::ModelState::None:
            break;
    }
    return tr("Choose a model");
}

void ModelPicker::refresh() {
    setAccessibleName(tr("Model: %1").arg(label()));
    setToolTip(engine_.model().state == app::ModelState::Failed ? engine_.model().message
                                                                : engine_.model().path);
    updateGeometry();
    update();
}

QSize ModelPicker::sizeHint() const {
    QFont font = theme_.labelFont();
    font.setWeight(QFont::DemiBold);
    return QSize(std::min(360, QFontMetrics(font).horizontalAdvance(label()) + 48), 34);
}

void ModelPicker::paintEvent(QPaintEvent*) {
    QPainter painter(this);
    painter.setRenderHint(QPainter::Antialiasing);
    if (underMouse() || isDown() || popup_->isVisible()) {
        painter.setPen(Qt::NoPen);
        painter.setBrush(theme_.color(Token::Hover));
        painter.drawRoundedRect(rect(), 8, 8);
    }
    if (hasFocus()) {
        painter.setPen(QPen(theme_.color(Token::Focus), 1.5));
        painter.setBrush(Qt::NoBrush);
        painter.drawRoundedRect(QRectF(rect()).adjusted(1, 1, -1, -1), 8, 8);
    }
    QFont font = theme_.labelFont();
    font.setWeight(QFont::DemiBold);
    painter.setFont(font);
    const app::ModelState state = engine_.model().state;
    painter.setPen(theme_.color(state == app::ModelState::Failed    ? Token::Error
                                : state == app::ModelState::Loading ? Token::TextSecondary
                                                                    : Token::Text));
    const QRect text = rect().adjusted(12, 0, -30, 0);
    const QString shown = painter.fontMetrics().elidedText(label(), Qt::ElideRight, text.width());
    painter.drawText(text, Qt::AlignVCenter | Qt::AlignLeft, shown);
    painter.drawPixmap(
        QPoint(text.left() + painter.fontMetrics().horizontalAdvance(shown) + 6, (height() - 14) / 2),
        theme_.pixmap(QStringLiteral("chevron-down"), Token::TextSecondary, 14, devicePixelRatioF()));
}

}  // namespace ui
