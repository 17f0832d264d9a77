#pragma once

#include <QColor>
#include <QFont>
#include <QIcon>
#include <QObject>
#include <QString>
#include <array>

class QVariant;
class QDBusVariant;

namespace ui {

/// Every colour the window uses, named for what it is for. The values are in resources/theme/*.json.
enum class Token {
    Window,
    Sidebar,
    Surface,
    Bubble,
    Hover,
    Selected,
    Border,
    BorderStrong,
    Text,
    TextSecondary,
    TextFaint,
    Accent,
    AccentHover,
    AccentText,
    AccentSoft,
    Focus,
    Link,
    Selection,
    Code,
    CodeHeader,
    InlineCode,
    Error,
    ErrorSoft,
    Warning,
    Scrollbar,
    ScrollbarHover,
    SyntaxKeyword,
    SyntaxType,
    SyntaxString,
    SyntaxNumber,
    SyntaxComment,
    SyntaxFunction,
    Count
};

/// What the setting says; System follows the desktop portal, or the palette Qt started with where no portal
/// answers.
enum class ColorScheme { System, Light, Dark };
ColorScheme colorSchemeFromName(const QString& name);  ///< "light", "dark", anything else: System

/// Colours, fonts and icons of one application. GUI thread. Sets palette, style and style sheet of the
/// QApplication whenever the scheme changes and then says `changed()`.
class Theme : public QObject {
    Q_OBJECT
  public:
    explicit Theme(QObject* parent = nullptr);

    void setScheme(ColorScheme scheme);
    ColorScheme scheme() const { return scheme_; }
    bool isDark() const { return dark_; }

    QColor color(Token token) const { return colors_[size_t(token)]; }
    /// Text of messages: 15 px at 100 %, grown with the desktop's font size.
    const QFont& bodyFont() const { return bodyFont_; }
    const QFont& codeFont() const { return codeFont_; }
    /// Labels and buttons: 13 px at 100 %.
    const QFont& labelFont() const { return labelFont_; }
    const QFont& smallFont() const { return smallFont_; }

    /// An icon of resources/icons in a colour; drawn from the SVG at whatever size and pixel ratio is asked.
    QIcon icon(const QString& name, Token token = Token::TextSecondary) const;
    QPixmap pixmap(const QString& name, Token token, int size, qreal pixelRatio) const;

    /// How wide text may get before lines are hard to follow, in pixels.
    static constexpr int kReadingWidth = 760;

  Q_SIGNALS:
    void changed();

  private Q_SLOTS:
    void portalSettingChanged(const QString& group, const QString& key, const QDBusVariant& value);

  private:
    void askPortal();
    void takePortalScheme(const QVariant& value);
    void chooseFonts();
    void apply();

    ColorScheme scheme_ = ColorScheme::System;
    bool dark_ = false;
    bool systemDark_ = false;
    bool applied_ = false;
    std::array<QColor, size_t(Token::Count)> colors_;
    QFont bodyFont_, codeFont_, labelFont_, smallFont_;
};

/// WCAG 2 contrast ratio of two opaque colours, 1 to 21.
double contrastRatio(const QColor& a, const QColor& b);

}  // namespace ui
