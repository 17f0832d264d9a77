#pragma once

#include <string>
#include <utility>
#include <vector>

#include "engine/prompt/jinja/ast.h"
#include "engine/prompt/jinja/token_stream.h"

namespace engine::jinja {

/// jinja2's expression grammar, by recursive descent of bounded depth.
class ExpressionParser {
  public:
    ExpressionParser(TokenStream& tokens, NameTable& names) : tokens_(tokens), names_(names) {}

    ExpressionPtr expression(bool withConditional = true);
    /// One expression, or several with commas between: a tuple.
    ExpressionPtr tuple(bool withConditional = true);
    /// A chain of filters that begins with a name (`start`) or with '|', on the text of a block. May be null.
    ExpressionPtr blockFilters(bool start);
    Target target(bool withNamespace);
    NameId nameOnly();

    /// Whether names of filters and tests may be unknown until they are used: jinja2 looks inside an `if`
    /// only when it gets there.
    bool isSoft = false;
    /// Filters and tests that must exist and do not, as messages.
    std::vector<std::string> unknownNames;
    /// Names that macros being parsed find by themselves.
    struct MacroUse {
        bool caller = false, kwargs = false, varargs = false;
    };
    std::vector<MacroUse> macroUses;

    /// Counts nesting for as long as it lives, in statements too.
    class Nesting {
      public:
        explicit Nesting(ExpressionParser& parser) : parser_(parser) {
            if (++parser_.nesting_ > kMaxSyntaxDepth) {
                --parser_.nesting_;
                parser_.tokens_.fail("the template nests too deeply (more than {})", kMaxSyntaxDepth);
            }
        }
        ~Nesting() { --parser_.nesting_; }
        Nesting(const Nesting&) = delete;
        Nesting& operator=(const Nesting&) = delete;

      private:
        ExpressionParser& parser_;
    };

  private:
    ExpressionPtr conditional();
    ExpressionPtr disjunction();
    ExpressionPtr conjunction();
    ExpressionPtr negation();
    ExpressionPtr comparison();
    ExpressionPtr sum();
    ExpressionPtr concatenation();
    ExpressionPtr product();
    ExpressionPtr power();
    ExpressionPtr unary(bool withFilter = true);
    ExpressionPtr finish(std::unique_ptr<Expression> node, int childDepth);

    // primary_parser.cpp
    ExpressionPtr primary();
    ExpressionPtr parenthesised();
    ExpressionPtr list();
    ExpressionPtr dict();
    bool endsTuple() const;
    Target primaryTarget(bool withNamespace);

    // postfix_parser.cpp
    ExpressionPtr postfix(ExpressionPtr node);
    ExpressionPtr filtersAndTests(ExpressionPtr node);
    ExpressionPtr subscript(ExpressionPtr object);
    ExpressionPtr bracketed(ExpressionPtr object);
    ExpressionPtr slice(ExpressionPtr object, ExpressionPtr start);
    ExpressionPtr call(ExpressionPtr callee);
    ExpressionPtr filter(ExpressionPtr subject);
    ExpressionPtr test(ExpressionPtr subject);
    CallArguments arguments();
    std::string dottedName();

    TokenStream& tokens_;
    NameTable& names_;
    int nesting_ = 0;
};

}  // namespace engine::jinja
