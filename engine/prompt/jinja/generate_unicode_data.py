#!/usr/bin/env python3
"""Writes unicode_data.cpp: what Python's str knows about characters, as runs of code points.

Source: the Unicode database of the Python that runs this (its version is written into the file). Chat templates
are written against Python's str, so Python itself is asked instead of the database's own text files.
Usage: generate_unicode_data.py > unicode_data.cpp
"""
import unicodedata

POINTS = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]


def runs(points):
    """Ascending code points as (first, last, stride) with stride 1 or 2."""
    out, i = [], 0
    while i < len(points):
        best = 1, 1
        for stride in (1, 2):
            n = 1
            while i + n < len(points) and points[i + n] == points[i] + n * stride:
                n += 1
            if n > best[0]:
                best = n, stride
        n, stride = best
        if n == 2 and stride == 2:
            n, stride = 1, 1
        out.append((points[i], points[i] + (n - 1) * stride, stride))
        i += n
    return out


def emit(name, type_, rows):
    print(f"const {type_} {name}[] = {{")
    line = "   "
    for row in rows:
        cell = " {" + ", ".join(f"0x{v:X}" if v >= 10 else str(v) for v in row) + "},"
        if len(line) + len(cell) > 108:
            print(line)
            line = "   "
        line += cell
    print(line)
    print("};")


def cased(c):
    return ("AΣ" + chr(c)).lower()[1] == "σ"


def case_ignorable(c):
    return not cased(c) and ("AΣ" + chr(c) + "A").lower()[1] == "σ"


PROPERTIES = {
    "Alpha": lambda c: chr(c).isalpha(),
    "Decimal": lambda c: chr(c).isdecimal(),
    "Digit": lambda c: chr(c).isdigit(),
    "Numeric": lambda c: chr(c).isnumeric(),
    "Unprintable": lambda c: not chr(c).isprintable(),
    "Lower": lambda c: chr(c).islower(),
    "Upper": lambda c: chr(c).isupper(),
    "Title": lambda c: unicodedata.category(chr(c)) == "Lt",
    "Cased": cased,
    "CaseIgnorable": case_ignorable,
}
MAPPINGS = {"Upper": str.upper, "Lower": str.lower, "Title": str.title, "Fold": str.casefold}

print("// Written by generate_unicode_data.py; do not edit.")
print(f"// Source: Python's str, Unicode {unicodedata.unidata_version}.")
print('#include "engine/prompt/jinja/unicode.h"\n')
print("// clang-format off")
print("namespace engine::jinja {")
print("namespace {\n")
for name, has in PROPERTIES.items():
    emit(f"k{name}", "CodePointRun", runs([c for c in POINTS if has(c)]))
for name, mapped in MAPPINGS.items():
    by_delta, several = {}, []
    for c in POINTS:
        target = mapped(chr(c))
        if target == chr(c):
            continue
        if len(target) == 1:
            by_delta.setdefault(ord(target) - c, []).append(c)
        else:
            several.append((c, *([ord(x) for x in target] + [0, 0])[:3]))
    rows = sorted((f, l, s, d) for d, points in by_delta.items() for f, l, s in runs(points))
    print(f"const CaseRun kTo{name}[] = {{")
    line = "   "
    for f, l, s, d in rows:
        cell = f" {{0x{f:X}, 0x{l:X}, {s}, {d}}},"
        if len(line) + len(cell) > 108:
            print(line)
            line = "   "
        line += cell
    print(line)
    print("};")
    emit(f"kTo{name}Several", "CaseSequence", several)
print("\n}  // namespace\n")
print("std::span<const CodePointRun> runsOf(CharacterProperty property) {")
print("    switch (property) {")
for name in PROPERTIES:
    print(f"        case CharacterProperty::{name}: return k{name};")
print("    }\n    return {};\n}\n")
for kind, suffix in (("CaseRun", ""), ("CaseSequence", "Several")):
    print(f"std::span<const {kind}> case{'Runs' if not suffix else 'Sequences'}(CaseMapping mapping) {{")
    print("    switch (mapping) {")
    for name in MAPPINGS:
        print(f"        case CaseMapping::{name}: return kTo{name}{suffix};")
    print("    }\n    return {};\n}\n")
print("}  // namespace engine::jinja")
