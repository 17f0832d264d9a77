#pragma once

#include <string>

#include "engine/prompt/jinja/value.h"

namespace engine::jinja {

/// Writes values as Python's repr() does, keeping the origin of every text in them. Punctuation of
/// containers counts as data; the print of a number, True, None as the template's own.
class Printer {
  public:
    void repr(const Value& value);
    void write(std::string_view bytes) { out_.append(bytes, Origin::Data); }
    Text take() { return std::move(out_); }
    /// A namespace inside another is not printed: they may hold each other.
    bool enterNamespace();
    void leaveNamespace() { inNamespace_ = false; }

  private:
    Text out_;
    bool inNamespace_ = false;
};

/// Python's str(): what {{ }} shows. Empty for undefined.
Text toText(const Value& value);
/// Python's repr() as plain bytes, for messages.
std::string reprBytes(const Value& value);
Text reprText(const Text& text);

/// The shortest digits that read back as the same number, in Python's layout: 1.0, 1e+16, inf, nan.
std::string formatFloat(double value);
std::string formatInt(Integer value);

}  // namespace engine::jinja
