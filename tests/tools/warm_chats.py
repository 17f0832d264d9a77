#!/usr/bin/env python3
"""Replays interleaved chats and checks that no token is computed twice: with room, from host memory, from disk.

    tests/tools/warm_chats.py MODEL --cli build/release/bin/alcove-cli [--device cuda] [--keep FOLDER]

A trace of --conversations chats of --turns turns, at --temp, goes through `alcove-cli serve-trace`:

  room      a device pool that holds everything         a later turn may compute 2 tokens beyond its new ones
  tenth     a tenth of the blocks that `room` held at   16
            its peak, the rest in host memory
  restart   the first half of each chat with a disk     16, and 16 of each prompt that the first run had whole
            tier, then the whole trace in a new process
  off       --no-prefix-cache, the first --off chats    the same text, byte for byte (CPU)

Prints a table and fails when a bound is broken. On a GPU the measured cost decides between disk and computing, and what
is computed again is not bit by bit what a reply's own steps stored: there `restart` and equal texts are only shown.
"""

import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--cli", default="build/release/bin/alcove-cli")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--conversations", type=int, default=50)
    parser.add_argument("--turns", type=int, default=6)
    parser.add_argument("--words", type=int, default=40, help="of a question, on average")
    parser.add_argument("--new-tokens", type=int, default=32)
    parser.add_argument("--temp", type=float, default=0.8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--off", type=int, default=6, help="conversations replayed with no cache")
    parser.add_argument("--only", nargs="*", default=["room", "tenth", "restart", "off"])
    parser.add_argument("--keep", help="folder for traces and outputs; else they are removed")
    return parser.parse_args()


class Replayer:
    def __init__(self, options, folder):
        self.options, self.folder = options, folder

    def run(self, name, trace, *more):
        command = [self.options.cli, "serve-trace", self.options.model, "--device", self.options.device, "--trace",
                   str(trace), "--temp", str(self.options.temp), "--seed", str(self.options.seed), *more]
        output = self.folder / f"{name}.out.jsonl"
        start = time.monotonic()
        with open(output, "w", encoding="utf-8") as file:
            subprocess.run(command, stdout=file, check=True)
        lines = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
        turns = {(line["conversation"], line["turn"]): line for line in lines if "summary" not in line}
        return turns, lines[-1]["summary"], time.monotonic() - start


def beyond_new(turns):
    """Tokens that each later turn computed beyond what was new in its prompt."""
    result = []
    for (chat, number), turn in turns.items():
        before = turns.get((chat, number - 1))
        # A template that rewrites history begins another prompt: exempt, and counted.
        if before is not None and turn.get("rewritten_replies", 0) == 0:
            new = turn["prompt_tokens"] - before["prompt_tokens"] - before["new_tokens"]
            result.append((turn["prefill_tokens"] - new, chat, number))
    return result


def report(name, turns, summary, seconds, allowed):
    values = beyond_new(turns)
    rewritten = sum(turn.get("rewritten_replies", 0) > 0 for turn in turns.values())
    if rewritten:
        print(f"{name:9} {rewritten:5} turns whose template rewrites earlier replies are left out")
    worst = max(values)
    over = sum(value[0] > allowed for value in values)
    print(f"{name:9} {len(values):5} later turns   at most {worst[0]:+4d} ({worst[1]}, turn {worst[2]})   "
          f"allowed +{allowed}   over {over}   hit rate {summary['hit_rate']:.3f}   "
          f"peak {summary['peak_blocks']} blocks   restored {summary['restored_blocks']}   waste {100 * summary['waste']:.2f} %   {seconds:.0f} s", flush=True)
    return over == 0


def bytes_per_token(options):
    info = subprocess.run([options.cli, "info", options.model, "--json"], stdout=subprocess.PIPE, check=True)
    return json.loads(info.stdout)["kv_bytes_per_token"]


def main():
    options = arguments()
    folder = pathlib.Path(options.keep or tempfile.mkdtemp(prefix="warm-chats-"))
    folder.mkdir(parents=True, exist_ok=True)
    replay = Replayer(options, folder)
    trace = folder / "trace.jsonl"
    made = subprocess.run([sys.executable, str(HERE / "make_trace.py"), "--conversations", str(options.conversations),
                           "--turns", str(options.turns), "--words", str(options.words), "--new-tokens",
                           str(options.new_tokens)], stdout=subprocess.PIPE, check=True)
    trace.write_bytes(made.stdout)
    lines = [json.loads(line) for line in made.stdout.decode().splitlines()]
    holds = True
    room, summary, seconds = replay.run("room", trace)
    holds &= report("room", room, summary, seconds, 2)
    if "tenth" in options.only:
        pool = summary["peak_blocks"] // 10 * 16 * bytes_per_token(options)
        host = max(4 << 30, 2 * summary["peak_blocks"] * 16 * bytes_per_token(options))
        turns, tenth, seconds = replay.run("tenth", trace, "--kv-bytes", str(pool), "--host-bytes", str(host))
        holds &= report("tenth", turns, tenth, seconds, 16)
        holds &= same_text("tenth", room, turns) or options.device == "cuda"
    if "restart" in options.only:
        half = folder / "half.jsonl"
        half.write_text("".join(json.dumps(line) + "\n" for line in lines if line["turn"] < options.turns // 2),
                        encoding="utf-8")
        cache = folder / "cache"
        shutil.rmtree(cache, ignore_errors=True)
        first, _, _ = replay.run("half", half, "--cache", str(cache))
        turns, again, seconds = replay.run("restart", trace, "--cache", str(cache))
        good = report("restart", turns, again, seconds, 16)
        worst = max(turns[key]["prefill_tokens"] for key in first)
        print(f"          prompts that the first run had: at most {worst} tokens computed of "
              f"{max(turns[key]['prompt_tokens'] for key in first)}; allowed 17")
        holds &= options.device == "cuda" or (good and worst <= 17)
        holds &= same_text("restart", room, turns) or options.device == "cuda"
        shutil.rmtree(cache, ignore_errors=True)
    if "off" in options.only:
        few = folder / "few.jsonl"
        names = [f"chat-{i}" for i in range(options.off)]
        few.write_text("".join(json.dumps(line) + "\n" for line in lines if line["conversation"] in names),
                       encoding="utf-8")
        turns, _, _ = replay.run("off", few, "--no-prefix-cache")
        holds &= same_text("off", room, turns) or options.device == "cuda"
    if not options.keep:
        shutil.rmtree(folder)
    sys.exit(0 if holds else 1)


def same_text(name, expected, turns):
    different = [key for key, turn in turns.items() if turn["text"] != expected[key]["text"]]
    print(f"{name:9} {len(turns):5} texts compared with `room`: {len(different)} differ", flush=True)
    return not different


if __name__ == "__main__":
    main()
