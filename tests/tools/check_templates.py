#!/usr/bin/env python3
"""Renders every template of a folder with `alcove-cli template` and with jinja2, over many conversations.

Equal means: the same bytes where jinja2 renders, a failure where jinja2 fails, and the template's own message
where it called raise_exception. Oracle: jinja_oracle.py (package jinja2).
Usage: check_templates.py FOLDER [--cli build/release/bin/alcove-cli] [--only NAME] [--verbose]
"""
import argparse
import difflib
import json
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import jinja_oracle
from template_conversations import conversations, variables


def run_cli(cli, template, conversation, generation, extra, folder):
    paths = {}
    for name, value in (("messages", conversation["messages"]), ("tools", conversation.get("tools")), ("vars", extra)):
        if value is not None:
            paths[name] = folder / f"{name}.json"
            paths[name].write_text(json.dumps(value))
    command = [cli, "template", "-", "--template-file", str(template), "--now", str(jinja_oracle.NOW)]
    command += ["--messages", str(paths["messages"]), "--bos", "<s>", "--eos", "</s>"]
    if "tools" in paths:
        command += ["--tools", str(paths["tools"])]
    if "vars" in paths:
        command += ["--vars", str(paths["vars"])]
    if not generation:
        command += ["--no-generation-prompt"]
    done = subprocess.run(command, capture_output=True, timeout=60)
    return done.returncode, done.stdout, done.stderr.decode("utf-8", "replace")


def expected(source, conversation, generation, extra):
    context = {"messages": conversation["messages"], "add_generation_prompt": generation}
    context |= {"bos_token": "<s>", "eos_token": "</s>"}
    if conversation.get("tools"):
        context["tools"] = conversation["tools"]
    context |= extra or {}
    return jinja_oracle.render(source, context)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--cli", default="build/release/bin/alcove-cli")
    parser.add_argument("--only", help="templates whose name contains this")
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    bad = total = rendered = 0
    with tempfile.TemporaryDirectory() as scratch:
        for template in sorted(options.folder.glob("*.jinja")):
            if options.only and options.only not in template.name:
                continue
            source = template.read_text()
            mine = 0
            for name, conversation in conversations():
                for generation in (True, False):
                    for extra in variables(name):
                        total += 1
                        text, error = expected(source, conversation, generation, extra)
                        code, out, message = run_cli(
                            options.cli, template, conversation, generation, extra, pathlib.Path(scratch)
                        )
                        if text is not None:
                            rendered += 1
                            good = code == 0 and out == text.encode()
                        else:
                            raised = not error.partition(":")[0].endswith("Error")
                            good = code == 1 and (not raised or error in message)
                        if good:
                            continue
                        mine += 1
                        print(f"DIFFERENT {template.name} [{name}] generation={generation} vars={extra}")
                        if text is None:
                            print(f"  jinja2 fails: {error}\n  alcove: {code} {message.strip()} {out[:200]!r}")
                        elif code != 0:
                            print(f"  jinja2 renders {len(text)} characters, alcove fails: {message.strip()}")
                        elif options.verbose:
                            lines = difflib.unified_diff(
                                text.splitlines(), out.decode("utf-8", "replace").splitlines(), "jinja2", "alcove", n=1
                            )
                            print("\n".join("  " + line for line in lines))
            bad += mine
            print(f"{'ok ' if mine == 0 else 'BAD'} {template.name}" + (f": {mine} different" if mine else ""))
    print(f"{total - bad} of {total} the same ({rendered} rendered)")
    return 1 if bad or total == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
