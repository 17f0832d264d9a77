#!/usr/bin/env python3
"""Writes down how guesses would have stood in real replies, so that what `auto` decides can be tested without models.

    trace_speculation.py alcove-cli TARGET.gguf DRAFT.gguf OUT.jsonl [--each 2] [-n 256] [--together 16]

For every prompt the target's greedy reply is computed once. Then, for each position of it: `found`, how many tokens the
n-gram index would have proposed there, `matched`, how many agreed before them, `ngram`, how many of them are right, and
`model`, how many in a row the draft model guesses right from there on (its own likeliest tokens after the true text).
tests/engine/speculate_policy_test.cpp replays these against a simulated clock. Needs only Python.
"""
import argparse
import json
import pathlib
import subprocess
import tempfile

from check_speculation import PROMPTS, choose

SHORTEST, LONGEST, COUNTED, MOST = 3, 12, 32, 15  # as NgramIndex and DraftPolicy have them


def run(command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, encoding="utf-8").stdout


def prompt_ids(args, prompt):
    with tempfile.TemporaryDirectory() as folder:
        messages, text = pathlib.Path(folder, "messages.json"), pathlib.Path(folder, "text")
        turns = prompt.get("messages") or [{"role": "user", "content": prompt["prompt"]}]
        messages.write_text(json.dumps(turns), encoding="utf-8")
        text.write_text(run([args.cli, "template", args.target, "--messages", messages]), encoding="utf-8")
        return json.loads(run([args.cli, "tokenize", args.target, "--file", text]))


def replies(args, prompts):
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl", encoding="utf-8") as file:
        for prompt in prompts:
            line = {"n": args.n, **prompt, "temp": 0, "ignore_eos": True, "speculate": "off"}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
        file.flush()
        out = run([args.cli, "generate", args.target, "--prompts", file.name, "--parallel", str(args.together),
                   "--speculate", "off", "--context", "4096"])
    return [json.loads(line) for line in out.split("\n") if line]


class Index:
    """Where each n-gram last ended: NgramIndex in a few lines."""

    def __init__(self):
        self.tokens, self.ends = [], {}

    def append(self, token):
        end = len(self.tokens)
        for length in range(SHORTEST, min(LONGEST, end) + 1):
            self.ends[tuple(self.tokens[end - length:end])] = end
        self.tokens.append(token)

    def find(self):
        """(place after the match, tokens that agree)"""
        tokens = self.tokens
        for length in range(min(LONGEST, len(tokens)), SHORTEST - 1, -1):
            at = self.ends.get(tuple(tokens[len(tokens) - length:]))
            if at is None:
                continue
            while length >= LONGEST and length < COUNTED and at > length and tokens[at - length - 1] == tokens[-length - 1]:
                length += 1
            return at, length
        return -1, 0

    def guess(self, most):
        at, matched = self.find()
        if at < 0:
            return [], 0
        guess = self.tokens[at:at + most]
        for i in range(most - len(guess)):
            guess.append(guess[i])
        return guess, matched


def in_a_row(right, start):
    count = 0
    while start + count < len(right) and right[start + count]:
        count += 1
    return count


def trace(args, prompt, ids, reply):
    index = Index()
    for token in ids:
        index.append(token)
    likeliest = json.loads(run([args.cli, "score", args.draft, "--ids", json.dumps(ids + reply), "--context", "4096"]))
    right = [a == b for a, b in zip(likeliest["top1"][len(ids) - 1:], reply)]
    line = {"id": prompt["id"], "prompt": len(ids), "found": [], "matched": [], "ngram": [], "model": []}
    for at, token in enumerate(reply):
        guess, matched = index.guess(min(MOST, len(reply) - at))
        line["found"].append(len(guess))
        line["matched"].append(matched)
        line["ngram"].append(in_a_row([a == b for a, b in zip(guess, reply[at:])], 0))
        line["model"].append(min(MOST, in_a_row(right, at)))
        index.append(token)
    return line


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name in ("cli", "target", "draft", "out"):
        parser.add_argument(name)
    parser.add_argument("--prompts", type=pathlib.Path, default=PROMPTS)
    parser.add_argument("--each", type=int, default=2)
    parser.add_argument("-n", type=int, default=256)
    parser.add_argument("--together", type=int, default=16)
    args = parser.parse_args()
    prompts = choose(args.prompts, args.each)
    with open(args.out, "w", encoding="utf-8") as out:
        for prompt, reply in zip(prompts, replies(args, prompts)):
            ids = prompt_ids(args, prompt)
            assert len(ids) == reply["prompt_tokens"], prompt["id"]
            out.write(json.dumps(trace(args, prompt, ids, reply["ids"]), separators=(",", ":")) + "\n")
            out.flush()


if __name__ == "__main__":
    main()
