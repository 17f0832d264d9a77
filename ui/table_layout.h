#pragma once

#include <vector>

#include "ui/block_layout.h"

namespace ui {

/// A table: columns as wide as they like if there is room, else narrowed with their texts wrapped.
class TableLayout final : public BlockLayout {
  public:
    TableLayout(const MarkdownBlock& block, const Theme& theme);

    void paint(QPainter& painter, const QRectF& clip, TextRange selection) override;
    int positionAt(QPointF point) const override;
    QString linkAt(QPointF point) const override;

  protected:
    qreal doLayout() override;
    qreal estimate() const override;

  private:
    struct Cell {
        SpanText spans;
        int start = 0;  // in text_; cells are set apart by tabs, rows by line ends
        qreal natural = 0;
        qreal narrowest = 0;
        Qt::Alignment alignment;
    };
    const Cell* cellAt(QPointF point, QPointF* inside) const;
    std::vector<qreal> columnWidths() const;

    std::vector<std::vector<Cell>> rows_;
    size_t columns_ = 0;
    std::vector<qreal> left_;  // of each column's text
    std::vector<qreal> widths_;
    std::vector<qreal> top_;  // of each row, and the table's bottom
    int indent_ = 0;
};

}  // namespace ui
