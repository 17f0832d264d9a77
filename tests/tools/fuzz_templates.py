#!/usr/bin/env python3
"""Random templates through `alcove-cli template -` and through jinja2: the same text, or both fail.

Expressions are grown from a grammar over the context of template_golden_cases.py, statements around them. Those
that jinja2 renders are checked many to a file (halved until the odd one is found), failing ones one by one.
Oracle: jinja_oracle.py (package jinja2).
Usage: fuzz_templates.py [--seed N] [--count N] [--cli build/release/bin/alcove-cli]
"""
import argparse
import json
import pathlib
import random
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import jinja_oracle
from template_golden_cases import CASES, CONTEXT

# A slice of a constant that cannot be sliced: jinja2 computes it before it runs, where it is undefined.
FOLDED = re.compile(r"slice indices|not subscriptable|unhashable type: 'slice'")
MARK = "\n@@@\n"
STRINGS = ["''", "'a'", "'Hello'", "' x '", "'a,b,c'", "'\\n'", "'é'", "'日本'", "'<b>'", "'%s'", "'{}'", "'12'", "'3.5'", "'A b-c'", "'👩'", "'ß'", "'Σ'"]
NAMES = ["n", "f", "s", "text", "lines", "empty", "none", "yes", "list", "words", "mixed", "d", "people", "uni", "html", "zz", "d.nested", "d.a", "people[0]", "mixed[5]", "s[1]", "list[-1]", "people[1].name", "loop"]
METHODS = ["upper()", "lower()", "strip()", "lstrip()", "rstrip('d')", "title()", "capitalize()", "split()", "split(',')", "split(%s)", "split(none, 1)", "rsplit(%s, 1)", "splitlines()", "replace(%s, %s)", "replace(%s, %s, 1)", "startswith(%s)", "endswith(%s)", "find(%s)", "rfind(%s)", "count(%s)", "join(%s)", "format(%s)", "format(%s, %s)", "items()", "keys()", "values()", "get(%s)", "get(%s, %s)", "index(%s)", "isdigit()", "isalpha()", "isspace()", "islower()", "isupper()", "center(%s)", "zfill(%s)", "partition(%s)", "rpartition(%s)", "swapcase()", "x", "name", "append(1)", "removeprefix(%s)", "expandtabs(3)", "istitle()", "casefold()", "ljust(9, '-')"]
FILTERS = ["upper", "lower", "trim", "trim(%s)", "title", "capitalize", "length", "first", "last", "list", "join", "join(%s)", "join(%s, attribute='name')", "default(%s)", "d(%s, true)", "tojson", "tojson(indent=2)", "tojson(sort_keys=true)", "tojson(separators=(',', ':'))", "string", "int", "int(%s)", "float", "abs", "round", "round(1)", "round(%s)", "round(1, 'floor')", "sum", "min", "max", "sort", "sort(reverse=true)", "sort(attribute='name')", "unique | list", "reverse | list", "map('upper') | list", "map('string') | list", "map(attribute='name') | list", "map(attribute='name', default=%s) | list", "select | list", "select('defined') | list", "select('odd') | list", "reject('string') | list", "reject('none') | list", "selectattr('age') | list", "selectattr('age', 'gt', %s) | list", "rejectattr('tags', 'defined') | list", "batch(2) | list", "batch(2, %s) | list", "slice(2) | list", "slice(3, %s) | list", "dictsort", "dictsort(by='value')", "items | list", "groupby('age')", "groupby('age', default=%s)", "indent", "indent(2, true)", "indent(%s, blank=true)", "wordcount", "escape", "e | upper", "safe", "truncate(5)", "truncate(5, true, '')", "truncate(%s)", "wordwrap(5)", "wordwrap(9, false)", "center(9)", "format(%s)", "replace(%s, %s)", "attr(%s) is defined", "xmlattr", "urlencode", "pprint", "filesizeformat", "count", "forceescape", "striptags2"]
TESTS = ["defined", "undefined", "none", "string", "number", "integer", "float", "boolean", "mapping", "iterable", "sequence", "true", "false", "odd", "even", "divisibleby(%s)", "divisibleby 2", "lower", "upper", "callable", "in(%s)", "in [1, 'a', none]", "eq(%s)", "ne(%s)", "lt(%s)", "gt(%s)", "ge 2", "sameas(none)", "sameas(true)", "escaped", "filter", "test"]
BINARY = ["+", "-", "*", "/", "//", "%", "**", "~", "==", "!=", "<", "<=", ">", ">=", "in", "not in", "and", "or"]


class Grower:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def pick(self, options):
        return self.random.choice(options)

    def fill(self, pattern, depth):
        while "%s" in pattern:
            pattern = pattern.replace("%s", self.expression(depth - 2).replace("%s", "%\0"), 1)
        return pattern.replace("%\0", "%s")

    def atom(self):
        roll = self.random.random()
        if roll < 0.45:
            return self.pick(NAMES)
        if roll < 0.7:
            return self.pick(STRINGS)
        return self.pick(["0", "1", "2", "3", "-1", "7", "10", "1.5", "0.1", "2.0", "1e3", "-2.5", "true", "false", "none", "[]", "{}", "()", "[1, 2, 3]", "['b', 'a']", "{'a': 1, 'b': 'x'}", "(1, 'a')", "range(4)", "[none]"])

    def expression(self, depth=3):
        if depth <= 0:
            return self.atom()
        roll = self.random.random()
        inner = lambda: self.expression(depth - 1)
        if roll < 0.12:
            return self.atom()
        if roll < 0.32:
            return f"({inner()} {self.pick(BINARY)} {inner()})"
        if roll < 0.37:
            return f"({self.pick(['not ', '-', '+'])}{inner()})"
        if roll < 0.62:
            return f"({inner()} | {self.fill(self.pick(FILTERS), depth)})"
        if roll < 0.76:
            return f"({inner()}).{self.fill(self.pick(METHODS), depth)}"
        if roll < 0.83:
            return f"({inner()} is {self.pick(['', 'not '])}{self.fill(self.pick(TESTS), depth)})"
        if roll < 0.87:
            return f"({inner()})[{self.pick(['0', '-1', '1', '1:', ':-1', '::-1', '::2', '1:3', '-2:', inner(), ':' + self.atom()])}]"
        if roll < 0.90:
            return f"({inner()} if {inner()} else {inner()})"
        if roll < 0.94:
            return f"[{inner()}, {inner()}]"
        if roll < 0.97:
            return "{'a': %s, %s: %s}" % (inner(), self.pick(["'b'", "1", "none", "'k'"]), inner())
        return f"({inner()} {self.pick(['<', '==', '>='])} {inner()} {self.pick(['<=', '!=', 'in'])} {inner()})"

    def space(self):
        return self.pick(["", "", " ", "\n", "\n  ", "  ", "\t", "x", " y\n"])

    def tag(self, inside):
        return "{%" + self.pick(["", "", "", "-", "+"]) + f" {inside} " + self.pick(["", "", "", "-", "+"]) + "%}" + self.space()

    def statements(self, depth=2):
        return "".join(self.statement(depth) for _ in range(self.random.randint(1, 3)))

    def statement(self, depth):
        roll = self.random.random()
        if depth <= 0 or roll < 0.3:
            return self.space() + "{{" + self.pick(["", "", "-"]) + f" {self.expression(2)} " + self.pick(["", "", "-"]) + "}}" + self.space()
        body = lambda: self.space() + self.statements(depth - 1)
        name = self.pick(["a", "b", "n", "x"])
        if roll < 0.45:
            middle = self.pick(["", self.tag("else") + body(), self.tag(f"elif {self.expression(1)}") + body()])
            return self.tag(f"if {self.expression(2)}") + body() + middle + self.tag("endif")
        if roll < 0.68:
            test = self.pick(["", "", f" if {self.expression(1)}"])
            source = self.pick(["list", "words", "d", "people", "range(3)", "'ab'", "text.split()", "[]", self.expression(2)])
            inside = self.pick(["", "{{ loop.index }}", "{{ loop.last }}", "{{ loop.length }}{{ loop.revindex }}", "{{ loop.previtem }}", "{{ x }}", "{% if loop.first %}{% continue %}{% endif %}", "{% if x == 1 %}{% break %}{% endif %}", "{{ loop.cycle(1, 2) }}", "{{ loop.changed(x) }}", "{{ loop.nextitem is defined }}"])
            last = self.pick(["", "", self.tag("else") + body()])
            return self.tag(f"for x in {source}{test}") + inside + body() + last + self.tag("endfor")
        if roll < 0.78:
            return self.tag(f"set {name} = {self.expression(2)}") + "{{ " + name + " }}"
        if roll < 0.83:
            return self.tag(f"set {name}{self.pick(['', ' | upper', ' | trim'])}") + body() + self.tag("endset") + "[{{ " + name + " }}]"
        if roll < 0.88:
            return self.tag(f"with a = {self.expression(1)}, b = {self.pick(['a', 'n', '1'])}") + body() + "{{ a }}{{ b }}" + self.tag("endwith")
        if roll < 0.94:
            return self.tag(f"macro m(a, b={self.expression(1)})") + body() + "{{ a }}{{ b }}" + self.tag("endmacro") + "{{ m(" + self.expression(1) + ") }}"
        if roll < 0.97:
            return self.tag("filter " + self.pick(["upper", "trim", "indent", "title", "replace('a', 'b')"])) + body() + self.tag("endfilter")
        return self.tag("set ns = namespace(v=1)") + "{% for x in list %}{% set ns.v = ns.v + x %}" + body() + "{% endfor %}{{ ns.v }}"

    def mutated(self):
        """A golden template with a few characters changed, for the lexer and the parser."""
        text = self.pick(CASES)
        for _ in range(self.random.randint(1, 3)):
            at = self.random.randint(0, len(text))
            piece = self.pick(["", "{", "}", "%", "{{", "}}", "{%", "%}", "-", "(", ")", "[", "]", "'", '"', "|", ".", ",", " ", "\n", "is ", "not ", "if ", "else ", "1", "#}", "{#", "in ", "=", ":", "*", "~", "\\"])
            text = text[:at] + piece + text[at + self.random.randint(0, 2) :]
        return text

    def template(self):
        roll = self.random.random()
        if roll < 0.55:
            return "{{ " + self.expression(self.pick([1, 1, 2, 2, 3])) + " }}"
        return self.statements(2) if roll < 0.85 else self.mutated()


class Cli:
    def __init__(self, path, folder):
        self.path, self.folder = path, pathlib.Path(folder)
        (self.folder / "messages.json").write_text("[]")
        (self.folder / "vars.json").write_text(json.dumps(CONTEXT))

    def render(self, source):
        (self.folder / "t.jinja").write_bytes(source.encode())
        done = subprocess.run(
            [self.path, "template", "-", "--template-file", self.folder / "t.jinja", "--messages", self.folder / "messages.json", "--vars", self.folder / "vars.json", "--now", str(jinja_oracle.NOW)],
            capture_output=True,
            timeout=60,
        )
        if done.returncode not in (0, 1):
            return f"crash {done.returncode}", done.stderr.decode("utf-8", "replace")
        return (done.stdout.decode("utf-8", "replace"), None) if done.returncode == 0 else (None, done.stderr.decode("utf-8", "replace").strip())


def report(source, text, error, mine, message):
    print("DIFFERENT", repr(source))
    print("   jinja2:", repr(text)[:400] if error is None else "fails: " + error[:200])
    print("   alcove:", repr(mine)[:400] if message is None else "fails: " + message[:200])


def differing(cli, good):
    """The first of several (template, text) that comes out otherwise; they are joined and halved."""
    if not good:
        return []
    joined = MARK.join("{% with %}" + source + "\n{% endwith %}" for source, _ in good) if len(good) > 1 else good[0][0]
    wanted = MARK.join(text + "\n" for _, text in good) if len(good) > 1 else good[0][1]
    mine, message = cli.render(joined)
    if mine == wanted:
        return []
    if len(good) == 1:
        return [(good[0][0], good[0][1], mine, message)]
    half = len(good) // 2
    return differing(cli, good[:half]) + differing(cli, good[half:])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--cli", default="build/release/bin/alcove-cli")
    options = parser.parse_args()
    grower, bad, failed, rendered = Grower(options.seed), 0, 0, 0
    with tempfile.TemporaryDirectory() as folder:
        cli, good = Cli(options.cli, folder), []
        for i in range(options.count):
            source = grower.template()
            text, error = jinja_oracle.render(source, CONTEXT)
            # Addresses, complex numbers and what never ends in a prompt.
            if (text and re.search(r"0x[0-9a-f]{6}|<function|<class|<bound|\dj\)|b'", text)) or (error and "MemoryError" in error):
                continue
            if error is not None and grower.random.random() < 0.75:
                continue  # most random expressions fail, and for few reasons
            if error is None and not re.search(r"@@@", source) and "set ns" not in source and "macro" not in source and "loop" not in source:
                rendered += 1
                good.append((source, text))
            else:
                mine, message = cli.render(source)
                rendered += error is None
                failed += error is not None
                if mine != text:
                    bad += 1
                    report(source, text, error, mine, message)
            if len(good) >= 24 or i + 1 == options.count:
                for source, text, mine, message in differing(cli, good):
                    # Alone: joining changes what stands around a template.
                    mine, message = cli.render(source)
                    if mine != text and not (message and FOLDED.search(message)):
                        bad += 1
                        report(source, text, None, mine, message)
                good = []
    print(f"seed {options.seed}: {rendered} rendered, {failed} failing, {bad} different")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
