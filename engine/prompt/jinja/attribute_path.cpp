#include "engine/prompt/jinja/attribute_path.h"

#include "engine/prompt/jinja/access.h"
#include "engine/prompt/jinja/object.h"
#include "engine/prompt/jinja/printing.h"
#include "engine/prompt/jinja/runtime.h"
#include "engine/prompt/jinja/text_operations.h"

namespace engine::jinja {
namespace {

/// "12" in a path means the twelfth item.
Value pathPart(Text text) {
    const bool number =
        text.size() <= 18 && allCharacters(text, [](char32_t c) { return c >= '0' && c <= '9'; });
    return number ? Value::integer(std::stoll(text.bytes())) : Value::string(std::move(text));
}

class GroupObject final : public Object {
  public:
    GroupObject(Value grouper, Value list) : parts_(Value::tuple({std::move(grouper), std::move(list)})) {
        extent_.hold(parts_.extent());
    }
    std::string_view typeName() const override { return "_GroupTuple"; }
    Extent extent() const override { return extent_; }
    bool isSequence() const override { return true; }
    std::optional<size_t> length() override { return 2; }
    std::optional<Value> attribute(const Text& name) override {
        if (name.bytes() == "grouper") return parts_.items()[0];
        if (name.bytes() == "list") return parts_.items()[1];
        return std::nullopt;
    }
    std::optional<Value> item(const Value& key) override {
        if (!key.isIntegral()) return std::nullopt;
        const Integer index = key.asInt() < 0 ? key.asInt() + 2 : key.asInt();
        if (index != 0 && index != 1) return std::nullopt;
        return parts_.items()[static_cast<size_t>(index)];
    }
    std::unique_ptr<Iterator> iterate(Runtime&) override { return iterateVector(parts_.items()); }
    void repr(Printer& printer) override { printer.repr(parts_); }

  private:
    Value parts_;
    Extent extent_{1, 1};
};

}  // namespace

AttributePath::AttributePath(const Value& attribute, std::optional<Value> fallback, bool foldsCase)
    : fallback_(std::move(fallback)), foldsCase_(foldsCase) {
    if (attribute.isNone()) return;
    if (!attribute.isString()) {
        parts_.push_back(attribute);
        return;
    }
    const Text dot(".", Origin::Template);
    for (Text& part : split(attribute.text(), &dot, -1)) parts_.push_back(pathPart(std::move(part)));
}

Value AttributePath::of(Runtime& runtime, Value item) const {
    for (const Value& part : parts_) {
        item = getItem(runtime, item, part);
        if (fallback_ && item.isUndefined()) item = *fallback_;
    }
    if (!foldsCase_ || !item.isString()) return item;
    runtime.budget().text(item.text().size());
    return Value::string(lowerCase(item.text()), item.isMarkup());
}

Value makeGroup(Value grouper, Value list) {
    return Value::object(std::make_shared<GroupObject>(std::move(grouper), std::move(list)));
}

}  // namespace engine::jinja
