#!/usr/bin/env python3
"""Checks that speculation changes no byte, and shows what it gains.

Runs every prompt of a set in each mode of `alcove-cli generate --speculate`, all in one process, and compares ids
and text with the run that does not speculate. Fails when any differ, or when a mode drafted, accepted or rejected
next to nothing over the whole set. Prints a table by kind of prompt (the id up to its last '-').

    check_speculation.py alcove-cli MODEL.gguf [--draft DRAFT.gguf] [--prompts F.jsonl] [--each N]
        [--modes off,auto,ngram,draft] [--temps 0,0.8] [-n 96] [--together N] [-- further options of generate]
    check_speculation.py … --ignore-eos -n 256 --temps 0 --repeat 2 --at-least 0.97 --of-best 0.95

The modes of one prompt run one after another, so a machine that is busy for a while is busy for all of them; of
every second prompt of a kind in reverse. The draft model reads a prompt for the first mode that asks it and has it in
its cache for those after, so `auto` pays for it with one prompt and `draft` with the next. `--repeat` takes the best of
several runs (from the second on a draft model has the prompt in its cache).
`--least MODE=RATIO` fails when a mode is not so many times as fast as `off` over the whole set, `--at-least` when `auto` is slower than that share of `off` for any prompt, `--of-best` when it is slower than that share of the best fixed mode for any kind.

`--together N` keeps N replies of mixed prompts, temperatures and modes running at a time, the ones of `off` too, in a
shuffled order: no reply may depend on its company. Speeds then say nothing. `--save F.json` keeps ids of every
reply, `--same-as F.json` compares with those of another run. Needs only Python.
"""
import argparse
import collections
import json
import pathlib
import random
import subprocess
import sys
import tempfile

PROMPTS = pathlib.Path(__file__).parent.parent / "data/prompts/mixed.jsonl"


def kind_of(name):
    return name.rsplit("-", 1)[0]


def choose(path, each):
    """At most `each` prompts of a kind; 0: all."""
    seen = collections.Counter()
    chosen = []
    for line in path.read_text(encoding="utf-8").splitlines():
        prompt = json.loads(line)
        seen[kind_of(prompt["id"])] += 1
        if not each or seen[kind_of(prompt["id"])] <= each:
            chosen.append(prompt)
    return chosen


def run(args, prompts):
    """{(id, temperature, mode): [result, ...]}"""
    seen = collections.Counter()
    jobs = []
    for prompt in prompts:
        seen[kind_of(prompt["id"])] += 1
        modes = args.modes if seen[kind_of(prompt["id"])] % 2 else args.modes[::-1]
        jobs += [(prompt, temperature, mode) for temperature in args.temps for _ in range(args.repeat) for mode in modes]
    if args.together > 1:
        random.Random(1).shuffle(jobs)
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl", encoding="utf-8") as file:
        for prompt, temperature, mode in jobs:
            line = {"n": args.n, **prompt, "temp": temperature, "seed": 1, "speculate": mode,
                    "ignore_eos": args.ignore_eos}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
        file.flush()
        command = [args.cli, "generate", args.model, "--prompts", file.name, *args.further]
        if args.draft:
            command += ["--draft", args.draft]
        if args.together > 1:
            command += ["--parallel", str(args.together)]
        results = collections.defaultdict(list)
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, encoding="utf-8") as process:
            for (prompt, temperature, mode), line in zip(jobs, process.stdout):
                result = json.loads(line)
                if "error" in result:
                    sys.exit(f"{prompt['id']}: {result['error']}")
                results[prompt["id"], temperature, mode].append(result)
                print(f"{len(jobs) - sum(map(len, results.values()))} to go: {prompt['id']} {temperature:g} {mode}, "
                      f"{result['accepted_tokens']} of {result['drafted_tokens']} accepted, "
                      f"{result['decode_tok_s']:.1f} tok/s, {hash(tuple(result['ids'])) & 0xFFFF:04x}",
                      file=sys.stderr, flush=True)
        if process.returncode:
            sys.exit(f"alcove-cli ended with {process.returncode}")
    return results


def speed(results):
    return max(result["decode_tok_s"] for result in results)


def compare(args, results):
    """Lines about replies that differ from the one without speculation."""
    problems, shares = [], []
    for (name, temperature, mode), runs in results.items():
        plain = results[name, temperature, "off"][0]
        for result in runs:
            if result["ids"] != plain["ids"] or result["text"] != plain["text"]:
                at = next((i for i, (a, b) in enumerate(zip(result["ids"], plain["ids"])) if a != b), "the end")
                problems.append(f"{name} at temperature {temperature}: {mode} differs from off at {at}")
            if result["finish"] != plain["finish"]:
                problems.append(f"{name} at temperature {temperature}: {mode} ended by {result['finish']}")
        if args.at_least and mode == "auto" and plain["new_tokens"] > 16:
            share = speed(runs) / speed(results[name, temperature, "off"])
            shares.append((share, f"{name} at temperature {temperature:g}"))
            if share < args.at_least:
                problems.append(f"{name} at temperature {temperature}: auto is {share:.2f} of off")
    if shares:
        print("auto against off: " + ", ".join(f"{share:.3f} for {name}" for share, name in sorted(shares)[:3]) + ", …")
    return problems


def parse_ratio(text):
    mode, ratio = text.split("=")
    return mode, float(ratio)


def keep_or_compare(args, results):
    replies = {f"{name} {temperature:g}": runs[0]["ids"] for (name, temperature, mode), runs in results.items()
               if mode == "off"}
    if args.save:
        args.save.write_text(json.dumps(replies), encoding="utf-8")
    if not args.same_as:
        return []
    others = json.loads(args.same_as.read_text(encoding="utf-8"))
    common = replies.keys() & others.keys()
    print(f"{len(common)} replies compared with those of {args.same_as}")
    return [f"{name}: differs from the reply in {args.same_as}" for name in sorted(common)
            if replies[name] != others[name]] + ([] if common else [f"{args.same_as} has none of these replies"])


def table(args, results):
    problems = []
    print("| kind | temperature | mode | drafted | accepted | tokens a step | tok/s | of off |")
    print("|---|---|---|---|---|---|---|---|")
    kinds = list(dict.fromkeys(kind_of(name) for name, _, _ in results))
    for kind in kinds:
        for temperature in args.temps:
            rates = {}
            for mode in args.modes:
                runs = [max(r, key=lambda result: result["decode_tok_s"]) for (name, t, m), r in results.items()
                        if kind_of(name) == kind and t == temperature and m == mode]
                tokens = sum(r["new_tokens"] for r in runs)
                seconds = sum((r["new_tokens"] - 1) / r["decode_tok_s"] for r in runs if r["decode_tok_s"] > 0)
                drafted = sum(r["drafted_tokens"] for r in runs)
                accepted = sum(r["accepted_tokens"] for r in runs)
                rates[mode] = (tokens - len(runs)) / seconds if seconds else 0
                share = 100 * accepted / drafted if drafted else 0
                print(f"| {kind} | {temperature:g} | {mode} | {drafted} | {share:.0f} % | "
                      f"{tokens / max(1, tokens - accepted):.2f} | {rates[mode]:.1f} | "
                      f"{rates[mode] / rates['off'] if rates['off'] else 0:.2f} |")
            fixed = max(rate for mode, rate in rates.items() if mode != "auto")
            if args.of_best and "auto" in rates and rates["auto"] < args.of_best * fixed:
                problems.append(f"{kind} at temperature {temperature}: auto is {rates['auto'] / fixed:.2f} of the best "
                                "fixed mode")
    def overall(mode):
        runs = [max(r, key=lambda result: result["decode_tok_s"]) for (_, _, m), r in results.items() if m == mode]
        return sum(r["new_tokens"] - 1 for r in runs) / sum((r["new_tokens"] - 1) / r["decode_tok_s"] for r in runs
                                                            if r["decode_tok_s"] > 0)

    if args.together == 1:
        print("; ".join(f"{mode} {overall(mode):.1f} tok/s, {overall(mode) / overall('off'):.2f} of off"
                        for mode in args.modes))
    for mode, ratio in args.least:
        if overall(mode) < ratio * overall("off"):
            problems.append(f"{mode} is {overall(mode) / overall('off'):.2f} of off, less than {ratio}")
    for mode in args.modes:
        runs = [result for (_, _, m), r in results.items() if m == mode for result in r]
        drafted = sum(r["drafted_tokens"] for r in runs)
        accepted = sum(r["accepted_tokens"] for r in runs)
        print(f"{mode}: {len(runs)} replies, {drafted} drafted, {accepted} accepted, {drafted - accepted} rejected")
        if mode == "off" and drafted:
            problems.append("off drafted")
        if mode != "off" and min(accepted, drafted - accepted) < len(runs) / 4:
            problems.append(f"{mode} accepted or rejected too few tokens to show anything")
    return problems


def main():
    own, further = sys.argv[1:], []
    if "--" in own:
        own, further = own[:own.index("--")], own[own.index("--") + 1:]
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("cli")
    parser.add_argument("model")
    parser.add_argument("--draft", default="")
    parser.add_argument("--prompts", type=pathlib.Path, default=PROMPTS)
    parser.add_argument("--each", type=int, default=0, help="prompts of each kind; 0: all")
    parser.add_argument("--modes", type=lambda text: text.split(","), default=None)
    parser.add_argument("--temps", type=lambda text: [float(t) for t in text.split(",")], default=[0.0, 0.8])
    parser.add_argument("-n", type=int, default=96)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--at-least", type=float, default=0.0)
    parser.add_argument("--least", type=parse_ratio, action="append", default=[], metavar="MODE=RATIO")
    parser.add_argument("--of-best", type=float, default=0.0)
    parser.add_argument("--ignore-eos", action="store_true")
    parser.add_argument("--together", type=int, default=1)
    parser.add_argument("--save", type=pathlib.Path)
    parser.add_argument("--same-as", type=pathlib.Path)
    args = parser.parse_args(own)
    args.further = further
    if args.modes is None:
        args.modes = ["off", "auto", "ngram", "draft"] if args.draft else ["off", "auto", "ngram"]
    if "off" not in args.modes:
        parser.error("--modes needs off: the others are compared with it")
    results = run(args, choose(args.prompts, args.each))
    problems = table(args, results) + compare(args, results) + keep_or_compare(args, results)
    for problem in problems:
        print(problem)
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
