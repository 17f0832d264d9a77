#include "ui/table_layout.h"

#include <QFontMetricsF>
#include <algorithm>
#include <cmath>
#include <numeric>

namespace ui {

namespace {
constexpr int kCellSide = 12;
constexpr int kCellTop = 8;
}  // namespace

TableLayout::TableLayout(const MarkdownBlock& block, const Theme& theme) : BlockLayout(theme) {
    QFont font = theme.bodyFont();
    font.setPixelSize(font.pixelSize() - 1);
    QFont bold = font;
    bold.setWeight(QFont::DemiBold);
    for (const char container : block.containers) indent_ += container == 'l' ? 26 : 18;
    for (const MarkdownBlock::Row& row : block.rows) {
        const QFont& rowFont = rows_.empty() ? bold : font;
        if (!rows_.empty()) text_ += QLatin1Char('\n');
        std::vector<Cell>& cells = rows_.emplace_back();
        for (size_t column = 0; column < row.size(); ++column) {
            if (column > 0) text_ += QLatin1Char('\t');
            Cell cell;
            cell.start = int(text_.size());
            cell.spans.set(row[column].spans, rowFont, theme.color(Token::Text),
                           int(std::lround(font.pixelSize() * 1.45)), theme);
            text_ += cell.spans.text();
            cell.spans.layOut(1e6);
            cell.natural = std::ceil(cell.spans.naturalWidth()) + 1;
            cell.narrowest = std::min<qreal>(cell.natural, 90);
            const auto align =
                column < block.aligns.size() ? block.aligns[column] : MarkdownBlock::Align::Left;
            cell.alignment = align == MarkdownBlock::Align::Right    ? Qt::AlignRight
                             : align == MarkdownBlock::Align::Center ? Qt::AlignHCenter
                                                                     : Qt::AlignLeft;
            cells.push_back(std::move(cell));
        }
        columns_ = std::max(columns_, row.size());
    }
}

std::vector<qreal> TableLayout::columnWidths() const {
    std::vector<qreal> natural(columns_, 0), narrowest(columns_, 0);
    for (const auto& row : rows_) {
        for (size_t column = 0; column < row.size(); ++column) {
            natural[column] = std::max(natural[column], row[column].natural);
            narrowest[column] = std::max(narrowest[column], row[column].narrowest);
        }
    }
    const qreal room = std::max<qreal>(40, width() - indent_ - 2.0 * kCellSide * qreal(columns_));
    const qreal wanted = std::accumulate(natural.begin(), natural.end(), 0.0);
    if (wanted <= room) return natural;
    const qreal least = std::accumulate(narrowest.begin(), narrowest.end(), 0.0);
    std::vector<qreal> widths(columns_);
    for (size_t column = 0; column < columns_; ++column) {
        widths[column] = least >= room
                             ? std::floor(narrowest[column] * room / least)
                             : std::floor(narrowest[column] + (natural[column] - narrowest[column]) *
                                                                  (room - least) / (wanted - least));
    }
    return widths;
}

qreal TableLayout::estimate() const {
    return qreal(rows_.size()) * (theme_.bodyFont().pixelSize() * 1.45 + 2 * kCellTop);
}

qreal TableLayout::doLayout() {
    widths_ = columnWidths();
    left_.clear();
    qreal x = indent_ + kCellSide;
    for (const qreal columnWidth : widths_) {
        left_.push_back(x);
        x += columnWidth + 2 * kCellSide;
    }
    top_.clear();
    qreal y = 0;
    for (auto& row : rows_) {
        top_.push_back(y);
        qreal tallest = 0;
        for (size_t column = 0; column < row.size(); ++column) {
            tallest = std::max(tallest, row[column].spans.layOut(widths_[column], row[column].alignment));
        }
        y += tallest + 2 * kCellTop;
    }
    top_.push_back(y);
    return y;
}

void TableLayout::paint(QPainter& painter, const QRectF& clip, TextRange selection) {
    if (rows_.empty() || left_.empty()) return;
    painter.setRenderHint(QPainter::Antialiasing);
    const qreal right = std::min(width(), left_.back() + widths_.back() + kCellSide);
    const QRectF box(indent_ + 0.5, 0.5, right - indent_ - 1, height() - 1);
    painter.setPen(Qt::NoPen);
    painter.setBrush(theme_.color(Token::CodeHeader));
    painter.save();
    painter.setClipRect(QRectF(indent_, 0, right - indent_, top_[1]), Qt::IntersectClip);
    painter.drawRoundedRect(box, 8, 8);
    painter.restore();
    for (size_t row = 0; row < rows_.size(); ++row) {
        if (top_[row + 1] < clip.top() || top_[row] > clip.bottom()) continue;
        if (row > 0) {
            painter.fillRect(QRectF(indent_ + 1, top_[row], right - indent_ - 2, 1),
                             theme_.color(Token::Border));
        }
        for (size_t column = 0; column < rows_[row].size(); ++column) {
            const Cell& cell = rows_[row][column];
            const int length = int(cell.spans.text().size());
            const TextRange part{std::clamp(selection.from - cell.start, 0, length),
                                 std::clamp(selection.to - cell.start, 0, length)};
            cell.spans.paint(painter, QPointF(left_[column], top_[row] + kCellTop), part, theme_);
        }
    }
    painter.setPen(QPen(theme_.color(Token::Border), 1));
    painter.setBrush(Qt::NoBrush);
    painter.drawRoundedRect(box, 8, 8);
}

const TableLayout::Cell* TableLayout::cellAt(QPointF point, QPointF* inside) const {
    if (rows_.empty() || top_.empty()) return nullptr;
    size_t row = 0;
    while (row + 1 < rows_.size() && point.y() >= top_[row + 1]) ++row;
    size_t column = 0;
    while (column + 1 < rows_[row].size() && point.x() >= left_[column + 1] - kCellSide) ++column;
    if (rows_[row].empty()) return nullptr;
    *inside = point - QPointF(left_[column], top_[row] + kCellTop);
    return &rows_[row][column];
}

int TableLayout::positionAt(QPointF point) const {
    if (point.y() < 0) return 0;
    if (point.y() > height()) return int(text_.size());
    QPointF inside;
    const Cell* cell = cellAt(point, &inside);
    return cell == nullptr ? 0 : cell->start + cell->spans.positionAt(inside);
}

QString TableLayout::linkAt(QPointF point) const {
    QPointF inside;
    const Cell* cell = cellAt(point, &inside);
    return cell == nullptr ? QString() : cell->spans.linkAt(inside);
}

}  // namespace ui
