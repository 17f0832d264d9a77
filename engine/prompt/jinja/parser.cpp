#include "engine/prompt/jinja/parser.h"

#include <algorithm>
#include <initializer_list>

#include "engine/prompt/jinja/expression_parser.h"

namespace engine::jinja {
namespace {

using EndNames = std::initializer_list<std::string_view>;

class StatementParser {
  public:
    explicit StatementParser(std::string_view source)
        : tokens_(tokenize(source)), expressions_(tokens_, program_.names) {}

    Program run() {
        program_.body = body({});
        if (!expressions_.unknownNames.empty()) raise("{}", expressions_.unknownNames.front());
        return std::move(program_);
    }

  private:
    /// Sets what holds inside a construct, and puts it back.
    template <class T>
    class Within {
      public:
        Within(T& variable, T value) : variable_(variable), before_(variable) { variable = value; }
        ~Within() { variable_ = before_; }
        Within(const Within&) = delete;
        Within& operator=(const Within&) = delete;

      private:
        T& variable_;
        T before_;
    };

    /// Statements up to a block that begins with one of `ends`, whose name is then the current token.
    Body body(EndNames ends) {
        Body out;
        while (!tokens_.atEnd()) {
            const Token& token = tokens_.next();
            if (token.kind == Token::Kind::Data) {
                auto text = std::make_unique<TextStatement>();
                text->text = token.text;
                out.push_back(std::move(text));
            } else if (token.kind == Token::Kind::VariableBegin) {
                auto print = std::make_unique<PrintStatement>();
                print->value = expressions_.tuple();
                tokens_.expect(Token::Kind::VariableEnd, "'}}'");
                out.push_back(std::move(print));
            } else {
                const auto isEnd = [&](std::string_view end) { return tokens_.current().isName(end); };
                if (std::any_of(ends.begin(), ends.end(), isEnd)) return out;
                statement(out);
                tokens_.expect(Token::Kind::BlockEnd, "'%}'");
            }
        }
        if (ends.size() > 0)
            tokens_.fail("the template ends inside '{}'; expected '{}'", innermost_, *ends.begin());
        return out;
    }

    /// The body of a construct, from the end of its opening block.
    Body block(EndNames ends) {
        tokens_.skipOperator(":");
        tokens_.expect(Token::Kind::BlockEnd, "'%}'");
        return body(ends);
    }
    Body blockUpTo(std::string_view end) {
        Body out = block({end});
        tokens_.next();
        return out;
    }

    void statement(Body& out) {
        const ExpressionParser::Nesting nesting(expressions_);
        if (tokens_.current().kind != Token::Kind::Name)
            tokens_.fail("expected the name of a tag, got {}", describe(tokens_.current()));
        const std::string tag = tokens_.next().text;
        const Within<std::string> innermost(innermost_, tag);
        if (tag == "if") return out.push_back(ifStatement());
        if (tag == "for") return out.push_back(forStatement());
        if (tag == "set") return out.push_back(setStatement());
        if (tag == "with") return out.push_back(withStatement());
        if (tag == "macro") return out.push_back(macroStatement());
        if (tag == "call") return out.push_back(callBlock());
        if (tag == "filter") return out.push_back(filterBlock());
        if (tag == "print") return print(out);
        if (tag == "break" || tag == "continue") return out.push_back(loopControl(tag));
        if (tag == "generation") return out.push_back(scope("endgeneration", true));
        if (tag == "autoescape") return out.push_back(autoescape());
        if (tag == "block") return out.push_back(blockStatement());
        if (tag == "include" || tag == "import" || tag == "extends" || tag == "from")
            tokens_.fail("the tag '{}' loads another template, which a chat template cannot", tag);
        tokens_.fail("Encountered unknown tag '{}'.", tag);
    }

    std::unique_ptr<Statement> ifStatement() {
        const Within<bool> soft(expressions_.isSoft, true);
        auto node = std::make_unique<IfStatement>();
        while (true) {
            auto condition = expressions_.tuple(false);
            node->branches.emplace_back(std::move(condition), block({"endif", "elif", "else"}));
            const std::string end = tokens_.next().text;
            if (end == "elif") continue;
            if (end == "else") node->otherwise = blockUpTo("endif");
            return node;
        }
    }

    std::unique_ptr<Statement> forStatement() {
        auto node = std::make_unique<ForStatement>();
        node->target = expressions_.target(false);
        tokens_.expectName("in");
        node->iterable = expressions_.tuple(false);
        const Within<bool> soft(expressions_.isSoft, false);
        if (tokens_.skipName("if")) node->condition = expressions_.expression();
        node->recursive = tokens_.skipName("recursive");
        const int outerLoops = loops_;
        const int outerFors = fors_;
        {
            const Within<int> inLoop(loops_, loops_ + 1);
            const Within<int> inFor(fors_, fors_ + 1);
            node->body = block({"endfor", "else"});
        }
        if (tokens_.next().text == "else") {
            const Within<int> outside(loops_, node->recursive ? 0 : outerLoops);
            const Within<int> inFor(fors_, outerFors + 1);
            node->otherwise = blockUpTo("endfor");
        }
        requireNoLoop(node->target);
        return node;
    }

    /// `loop` belongs to the for statement.
    void requireNoLoop(const Target& target) {
        if (target.kind == Target::Kind::Name && program_.names[target.name] == "loop")
            tokens_.fail("Can't assign to special loop variable in for-loop target");
        for (const Target& part : target.parts) requireNoLoop(part);
    }

    std::unique_ptr<Statement> setStatement() {
        Target target = expressions_.target(true);
        if (fors_ > 0) requireNoLoop(target);
        if (tokens_.skipOperator("=")) {
            auto node = std::make_unique<SetStatement>();
            node->target = std::move(target);
            node->value = expressions_.tuple();
            return node;
        }
        auto node = std::make_unique<SetBlockStatement>();
        node->target = std::move(target);
        node->filter = expressions_.blockFilters(false);
        node->body = hardBlock("endset");
        return node;
    }

    std::unique_ptr<Statement> withStatement() {
        auto node = std::make_unique<WithStatement>();
        while (tokens_.current().kind != Token::Kind::BlockEnd) {
            if (!node->variables.empty()) tokens_.expectOperator(",");
            Target target = expressions_.target(false);
            tokens_.expectOperator("=");
            auto value = expressions_.expression();
            node->variables.emplace_back(std::move(target), std::move(value));
        }
        node->body = hardBlock("endwith");
        return node;
    }

    /// A body in a frame of its own, where names of filters must exist.
    Body hardBlock(std::string_view end) {
        const Within<bool> soft(expressions_.isSoft, false);
        return blockUpTo(end);
    }

    Signature signature(std::string name) {
        Signature out;
        out.name = std::move(name);
        const Within<bool> soft(expressions_.isSoft, false);
        tokens_.expectOperator("(");
        while (!tokens_.current().isOperator(")")) {
            if (!out.parameters.empty()) tokens_.expectOperator(",");
            Parameter parameter{expressions_.nameOnly(), nullptr};
            for (const Parameter& other : out.parameters)
                if (other.name == parameter.name)
                    tokens_.fail("the parameter '{}' is there twice", program_.names[parameter.name]);
            if (tokens_.skipOperator("="))
                parameter.fallback = expressions_.expression();
            else if (!out.parameters.empty() && out.parameters.back().fallback != nullptr)
                tokens_.fail("non-default argument follows default argument");
            out.parameters.push_back(std::move(parameter));
        }
        tokens_.expectOperator(")");
        return out;
    }

    /// The body of a macro: no loop around it counts, and special names that it uses are noted.
    Body macroBody(Signature& into, std::string_view end) {
        const Within<int> outside(loops_, 0);
        expressions_.macroUses.emplace_back();
        Body out = hardBlock(end);
        const auto use = expressions_.macroUses.back();
        expressions_.macroUses.pop_back();
        into.usesCaller = use.caller;
        into.usesKwargs = use.kwargs;
        into.usesVarargs = use.varargs;
        for (const Parameter& parameter : into.parameters) {
            const std::string& name = program_.names[parameter.name];
            if (name == "caller" && use.caller && parameter.fallback == nullptr)
                tokens_.fail("the special 'caller' argument must be omitted or be given a default");
            if (name == "caller") into.usesCaller = false;
            if (name == "kwargs") into.usesKwargs = false;
            if (name == "varargs") into.usesVarargs = false;
        }
        return out;
    }

    std::unique_ptr<Statement> macroStatement() {
        auto node = std::make_unique<MacroStatement>();
        node->name = expressions_.nameOnly();
        node->signature = signature(program_.names[node->name]);
        node->body = macroBody(node->signature, "endmacro");
        return node;
    }

    std::unique_ptr<Statement> callBlock() {
        auto node = std::make_unique<CallBlockStatement>();
        if (tokens_.current().isOperator("(")) node->signature = signature("caller");
        node->signature.name = "caller";
        node->call = expressions_.expression();
        if (node->call->kind != Expression::Kind::Call) tokens_.fail("expected call");
        node->body = macroBody(node->signature, "endcall");
        return node;
    }

    std::unique_ptr<Statement> filterBlock() {
        auto node = std::make_unique<FilterBlockStatement>();
        node->filter = expressions_.blockFilters(true);
        node->body = hardBlock("endfilter");
        return node;
    }

    void print(Body& out) {
        bool first = true;
        while (tokens_.current().kind != Token::Kind::BlockEnd) {
            if (!first) tokens_.expectOperator(",");
            first = false;
            auto node = std::make_unique<PrintStatement>();
            node->value = expressions_.expression();
            out.push_back(std::move(node));
        }
    }

    std::unique_ptr<Statement> loopControl(const std::string& tag) {
        if (loops_ == 0) tokens_.fail("'{}' outside loop", tag);
        if (tag == "break") return std::make_unique<BreakStatement>();
        return std::make_unique<ContinueStatement>();
    }

    std::unique_ptr<Statement> scope(std::string_view end, bool isFunction) {
        const Within<int> outside(loops_, isFunction ? 0 : loops_);
        auto node = std::make_unique<ScopeStatement>();
        node->body = hardBlock(end);
        return node;
    }

    std::unique_ptr<Statement> autoescape() {
        const auto value = expressions_.expression();
        if (value->kind != Expression::Kind::Constant || truth(as<ConstantExpression>(*value).value))
            tokens_.fail("'autoescape' can only be false: a prompt is not HTML");
        return scope("endautoescape", false);
    }

    std::unique_ptr<Statement> blockStatement() {
        const std::string name = tokens_.expect(Token::Kind::Name, "a name").text;
        tokens_.skipName("scoped");
        if (tokens_.skipName("required"))
            tokens_.fail("the block '{}' needs a template that extends this one", name);
        auto node = scope("endblock", true);
        tokens_.skipName(name);
        return node;
    }

    Program program_;
    TokenStream tokens_;
    ExpressionParser expressions_;
    int loops_ = 0;  // that break and continue could mean here
    int fors_ = 0;   // around this point, through macros too
    std::string innermost_ = "the template";
};

}  // namespace

Program parseTemplate(std::string_view source) {
    return StatementParser(source).run();
}

}  // namespace engine::jinja
