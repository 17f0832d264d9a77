#include "ui/markdown_entities.h"

#include <QHash>

namespace ui {

QString decodeEntity(const QString& entity) {
    static const QHash<QString, QString> kNamed = {
        {"&amp;", "&"},       {"&lt;", "<"},    {"&gt;", ">"},     {"&quot;", "\""},  {"&apos;", "'"},
        {"&nbsp;", "\u00a0"}, {"&ndash;", "–"}, {"&mdash;", "—"},  {"&hellip;", "…"}, {"&copy;", "©"},
        {"&reg;", "®"},       {"&trade;", "™"}, {"&deg;", "°"},    {"&times;", "×"},  {"&divide;", "÷"},
        {"&plusmn;", "±"},    {"&le;", "≤"},    {"&ge;", "≥"},     {"&ne;", "≠"},     {"&rarr;", "→"},
        {"&larr;", "←"},      {"&bull;", "•"},  {"&middot;", "·"}, {"&lsquo;", "‘"},  {"&rsquo;", "’"},
        {"&ldquo;", "“"},     {"&rdquo;", "”"}, {"&euro;", "€"},   {"&pound;", "£"},  {"&sect;", "§"},
        {"&infin;", "∞"},     {"&alpha;", "α"}, {"&beta;", "β"},   {"&gamma;", "γ"},  {"&pi;", "π"},
        {"&lambda;", "λ"},    {"&mu;", "μ"},    {"&sigma;", "σ"},  {"&theta;", "θ"},  {"&Delta;", "Δ"}};
    if (entity.startsWith(QLatin1String("&#"))) {
        const bool hex = entity.size() > 2 && entity.at(2).toLower() == QLatin1Char('x');
        bool ok = false;
        const int from = hex ? 3 : 2;
        const uint code = entity.mid(from, entity.size() - from - 1).toUInt(&ok, hex ? 16 : 10);
        const bool valid = ok && code != 0 && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
        const char32_t point = valid ? char32_t(code) : char32_t(0xfffd);
        return QString::fromUcs4(&point, 1);
    }
    return kNamed.value(entity, entity);
}

}  // namespace ui
