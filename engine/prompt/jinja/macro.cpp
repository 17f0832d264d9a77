#include "engine/prompt/jinja/macro.h"

#include "engine/prompt/jinja/printing.h"

namespace engine::jinja {

std::optional<Value> MacroObject::attribute(const Text& name) {
    if (name.bytes() == "name") return Value::string(signature_.name, Origin::Template);
    if (name.bytes() == "arguments") {
        std::vector<Value> names;
        for (const Parameter& parameter : signature_.parameters)
            names.push_back(Value::string(interpreter_.names()[parameter.name], Origin::Template));
        return Value::tuple(std::move(names));
    }
    if (name.bytes() == "catch_kwargs") return Value::boolean(signature_.usesKwargs);
    if (name.bytes() == "catch_varargs") return Value::boolean(signature_.usesVarargs);
    if (name.bytes() == "caller") return Value::boolean(signature_.usesCaller);
    return std::nullopt;
}

void MacroObject::repr(Printer& printer) {
    printer.write("<Macro ");
    printer.repr(Value::string(signature_.name, Origin::Template));
    printer.write(">");
}

}  // namespace engine::jinja
