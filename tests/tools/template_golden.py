#!/usr/bin/env python3
"""Writes tests/data/templates/expressions.json: small templates and what jinja2 makes of them.

Each entry: {"template", "text"} or {"template", "error"}; all are rendered with CONTEXT. Oracle: jinja_oracle.py
(package jinja2, 3.1). The clock stands at jinja_oracle.NOW.
Usage: template_golden.py   (from anywhere)
"""
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import jinja_oracle
from template_golden_cases import CASES, CONTEXT


def main():
    entries = []
    for template in CASES:
        text, error = jinja_oracle.render(template, CONTEXT)
        entries.append({"template": template, "text": text} if error is None else {"template": template, "error": error})
    out = {"oracle": "jinja2 3.1, tests/tools/template_golden.py", "now": jinja_oracle.NOW, "context": CONTEXT}
    lines = [json.dumps(entry, ensure_ascii=True) for entry in entries]
    target = pathlib.Path(__file__).parent.parent / "data" / "templates" / "expressions.json"
    target.write_text(json.dumps(out)[:-1] + ', "cases": [\n' + ",\n".join(lines) + "\n]}\n")
    print(f"{target.name}: {len(entries)} cases, {sum('error' in e for e in entries)} of them errors")


if __name__ == "__main__":
    main()
