#!/usr/bin/env python3
"""Checks what `alcove-cli serve-trace` printed: how many tokens each later turn computed beyond what was new.

    tests/tools/check_trace.py OUT.jsonl [--allow 2]

A later turn's new tokens are its prompt less the previous turn's prompt and answer. Prints the spread and fails when
a turn computed more than `--allow` tokens beyond them.
"""

import argparse
import json
import sys


def turns_of(path):
    with open(path, encoding="utf-8") as file:
        lines = [json.loads(line) for line in file if line.strip()]
    return [line for line in lines if "summary" not in line]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output")
    parser.add_argument("--allow", type=int, default=2)
    options = parser.parse_args()
    before, beyond = {}, []
    for turn in turns_of(options.output):
        if turn["turn"] > 0:
            new = turn["prompt_tokens"] - before[turn["conversation"]]
            beyond.append((turn["prefill_tokens"] - new, turn["conversation"], turn["turn"]))
        before[turn["conversation"]] = turn["prompt_tokens"] + turn["new_tokens"]
    if not beyond:
        sys.exit("there is no later turn in the output")
    worst = max(beyond)
    print(f"{len(beyond)} later turns; beyond the new tokens: at most {worst[0]} ({worst[1]}, turn {worst[2]}), "
          f"least {min(beyond)[0]}, over {options.allow}: {sum(b[0] > options.allow for b in beyond)}")
    if worst[0] > options.allow:
        sys.exit(1)


if __name__ == "__main__":
    main()
