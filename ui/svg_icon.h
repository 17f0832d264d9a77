#pragma once

#include <QColor>
#include <QIconEngine>
#include <QString>

namespace ui {

/// Draws an SVG whose black strokes and fills take one colour, so that one file serves every theme.
class SvgIconEngine : public QIconEngine {
  public:
    SvgIconEngine(QString path, QColor color) : path_(std::move(path)), color_(color) {}

    void paint(QPainter* painter, const QRect& rect, QIcon::Mode mode, QIcon::State state) override;
    QPixmap pixmap(const QSize& size, QIcon::Mode mode, QIcon::State state) override;
    QIconEngine* clone() const override { return new SvgIconEngine(path_, color_); }

  private:
    QString path_;
    QColor color_;
};

}  // namespace ui
