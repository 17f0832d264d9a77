#include "ui/svg_icon.h"

#include <QFile>
#include <QPainter>
#include <QPixmap>
#include <QPixmapCache>
#include <QSvgRenderer>

namespace ui {

void SvgIconEngine::paint(QPainter* painter, const QRect& rect, QIcon::Mode mode, QIcon::State state) {
    const qreal ratio = painter->device()->devicePixelRatioF();
    QPixmap image = pixmap((QSizeF(rect.size()) * ratio).toSize(), mode, state);
    image.setDevicePixelRatio(ratio);
    painter->drawPixmap(rect.topLeft(), image);
}

QPixmap SvgIconEngine::pixmap(const QSize& size, QIcon::Mode mode, QIcon::State) {
    QColor color = color_;
    if (mode == QIcon::Disabled) color.setAlphaF(0.4f);
    const QString key = QStringLiteral("%1@%2@%3x%4")
                            .arg(path_, color.name(QColor::HexArgb))
                            .arg(size.width())
                            .arg(size.height());
    QPixmap image;
    if (QPixmapCache::find(key, &image)) return image;

    image = QPixmap(size);
    image.fill(Qt::transparent);
    QFile file(path_);
    if (!file.open(QIODevice::ReadOnly)) return image;
    QByteArray svg = file.readAll();
    svg.replace("#000000", color.name(QColor::HexRgb).toLatin1());
    QSvgRenderer renderer(svg);
    QPainter painter(&image);
    painter.setOpacity(color.alphaF());
    renderer.render(&painter, QRectF(QPointF(0, 0), QSizeF(size)));
    painter.end();
    QPixmapCache::insert(key, image);
    return image;
}

}  // namespace ui
