#!/usr/bin/env python3
"""Measures what parallel chats feel: run it on a quiet machine. Needs alcove-cli and Python's own library only.

    tests/tools/measure_chats.py MODEL --cli build/release/bin/alcove-cli [--device cuda] [--only warm mixed kv waste]
    tests/tools/measure_chats.py 8b.gguf --device cuda --only mixed --long 100000 --keep FOLDER --seconds 150

  warm    time to the first token on a history of --history tokens: cached against --no-prefix-cache (bound: 5 %)
  mixed   three chats write while a prompt of --long tokens is read: p99 between their tokens against the same three
          alone (bound: 2x); and 20 short questions that arrive meanwhile: mean time to the first token against
          first come, first served (bound: 5x better)
  kv      tok/s with the KV cache against computing everything again for each token, at 512 tokens
  waste   share of rows in used blocks that hold no token, and the prefix cache's share of the steps' time, on the
          default trace with conversations of 1,000 tokens and more (bounds: 2 % and 1 %)

Prints a table a part; the exit status says whether every bound held. Prompts are so many words of English text as
the model's tokenizer makes the wanted tokens of; the tables show the tokens they really had.

Where a command may only take minutes: with --keep every replay's results stay in FOLDER, and with --seconds it ends
with status 3 after the first replay that ends so late. The same command goes on from there.
"""

import argparse
import hashlib
import json
import pathlib
import statistics
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
    parser.add_argument("--context", type=int, default=0, help="0: what the prompts need")
    parser.add_argument("--history", type=int, default=4000, help="tokens of part warm")
    parser.add_argument("--long", type=int, default=4000, help="tokens of the long prompt of part mixed")
    parser.add_argument("--reply", type=int, default=0, help="tokens of each running chat; 0: as the device needs")
    parser.add_argument("--questions", type=int, default=20)
    parser.add_argument("--every", type=float, default=0.0, help="ms between questions; 0: as the long prompt needs")
    parser.add_argument("--chats-at", type=float, default=0.0, help="ms; late, they write beside the prompt's deep end")
    parser.add_argument("--long-at", type=float, default=1500.0, help="ms; when the long prompt comes")
    parser.add_argument("--conversations", type=int, default=16, help="of part waste")
    parser.add_argument("--tokens-per-word", type=float, default=0.0, help="0: as the model's tokenizer has it")
    parser.add_argument("--keep", help="folder for the results of each replay, which are not run again")
    parser.add_argument("--seconds", type=float, default=0.0, help="with --keep: begin no further replay after so long")
    parser.add_argument("--only", nargs="*", default=["warm", "mixed", "kv", "waste"])
    return parser.parse_args()


class Bench:
    def __init__(self, options, folder):
        self.options, self.folder = options, pathlib.Path(folder)
        self.start = time.monotonic()
        path = HERE.parent / "data" / "reference" / "english.txt"
        self.words = path.read_text(encoding="utf-8").split()
        self.tokens_per_word = options.tokens_per_word or self.count(" ".join(self.words)) / len(self.words)
        self.holds = True

    def count(self, text):
        file = self.folder / "words.txt"
        file.write_text(text, encoding="utf-8")
        command = [self.options.cli, "tokenize", self.options.model, "--file", str(file), "--no-bos"]
        return len(json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout))

    def text(self, tokens, start=0):
        count = max(1, round(tokens / self.tokens_per_word))
        return " ".join(self.words[(start + i) % len(self.words)] for i in range(count))

    def serve(self, lines, context, *more):
        """Replays the turns; their result lines by (conversation, turn), and the summary."""
        trace = self.folder / "trace.jsonl"
        trace.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        command = [self.options.cli, "serve-trace", self.options.model, "--device", self.options.device, "--trace",
                   str(trace), "--speculate", "off", "--context", str(self.options.context or context), *more]
        output = self.run(command, trace.read_bytes())
        results = [json.loads(line) for line in output.splitlines()]
        return {(r["conversation"], r["turn"]): r for r in results[:-1]}, results[-1]["summary"]

    def run(self, command, given=b""):
        """The command's output, or what it was when the same one ran before."""
        words = [word for word in command if not word.endswith("trace.jsonl")][1:]
        name = hashlib.sha256(json.dumps(words).encode() + given).hexdigest()[:16]
        kept = pathlib.Path(self.options.keep) / f"{name}.out" if self.options.keep else None
        if kept and kept.exists():
            return kept.read_text(encoding="utf-8")
        if kept and self.options.seconds and time.monotonic() - self.start > self.options.seconds:
            print("there is more to run: the same command goes on from here", flush=True)
            sys.exit(3)
        start = time.monotonic()
        output = subprocess.run(command, stdout=subprocess.PIPE, check=True, encoding="utf-8").stdout
        if kept:
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_text(output, encoding="utf-8")
            print(f"  ({command[1]} took {time.monotonic() - start:.0f} s)", flush=True)
        return output

    def bench(self, *more):
        command = [self.options.cli, "bench", self.options.model, "--device", self.options.device, "--speculate",
                   "off", "-o", "jsonl", *more]
        output = self.run(command)
        return {row["test"]: row for row in map(json.loads, output.splitlines())}

    def bound(self, name, value, limit, unit):
        good = value <= limit
        self.holds &= good
        print(f"  {'holds' if good else 'BROKEN'}: {name} {value:.2f}{unit}, allowed {limit:g}{unit}", flush=True)


def turn(name, number, text, new_tokens, at=0.0, priority=0):
    return {"conversation": name, "turn": number, "at_ms": at, "messages": [{"role": "user", "content": text}],
            "max_new_tokens": new_tokens, "priority": priority}


def warm(bench):
    history = bench.options.history
    lines = [turn("chat", 0, bench.text(history), 16)]
    lines += [turn("chat", number, bench.text(12, 500 * number) + "?", 16) for number in range(1, 5)]
    context = round(history * 1.3) + 512
    cached, _ = bench.serve(lines, context)
    cold, _ = bench.serve(lines, context, "--no-prefix-cache")
    print(f"warm: time to the first token, history of {history} tokens, {bench.options.device}")
    print("  turn  prompt  computed  cached ms   cold ms    share")
    shares = []
    for number in range(1, 5):
        a, b = cached["chat", number], cold["chat", number]
        shares.append(100 * a["ttft_ms"] / b["ttft_ms"])
        print(f"  {number:4}  {a['prompt_tokens']:6}  {a['prefill_tokens']:8}  {a['ttft_ms']:9.1f}  {b['ttft_ms']:8.1f}"
              f"  {shares[-1]:6.2f} %")
    bench.bound("warm of cold (median)", statistics.median(shares), 5, " %")


def mixed(bench):
    options = bench.options
    long_text = bench.text(options.long) + "\n\nSum this up."
    context = round(options.long * 1.3) + 1024
    # A first run tells how long the prompt is read for, so that the chats write and the questions come meanwhile.
    probe, _ = bench.serve([turn("document", 0, long_text, 8)], context, "--no-prefix-cache")
    probe = probe["document", 0]
    reading = probe["ttft_ms"]
    speed, _ = bench.serve([turn(f"chat-{i}", 0, bench.text(40, 100 * i), 48) for i in range(3)], context)
    step = statistics.mean(r["itl_p50_ms"] for r in speed.values())
    # While three chats write the prompt gets 0.6 of a step's time beside each step: it is read for 1.6 / 0.6 as long.
    # The chats end about when it is read, so that nearly all their tokens are written beside it.
    shared = reading * 1.6 / 0.6
    reply = options.reply or max(64, min(context - 400, round((options.long_at + 0.7 * shared) / (1.6 * step))))
    every = options.every or 0.6 * shared / options.questions
    chats = [turn(f"chat-{i}", 0, bench.text(40, 100 * i), reply, options.chats_at) for i in range(3)]
    document = turn("document", 0, long_text, 8, options.long_at)
    questions = [turn(f"question-{i}", 0, bench.text(8, 37 * i) + "?", 4, max(options.long_at, options.chats_at) + 200 + i * every)
                 for i in range(options.questions)]
    alone, _ = bench.serve(chats, context)
    beside, _ = bench.serve(chats + [document], context)
    fair, _ = bench.serve(chats + [document] + questions, context)
    in_order, _ = bench.serve(chats + [document] + questions, context, "--policy", "fcfs")
    print(f"mixed: a prompt of {probe['prompt_tokens']} tokens ({reading / 1000:.1f} s alone), three chats of {reply} "
          f"tokens, {options.questions} questions every {every:.0f} ms, {options.device}")
    print("  chat        p50 alone   p99 alone   p50 beside   p99 beside   with questions p99")
    names = [f"chat-{i}" for i in range(3)]
    for name in names:
        a, b, c = alone[name, 0], beside[name, 0], fair[name, 0]
        print(f"  {name:10} {a['itl_p50_ms']:8.1f} ms {a['itl_p99_ms']:8.1f} ms {b['itl_p50_ms']:9.1f} ms "
              f"{b['itl_p99_ms']:9.1f} ms {c['itl_p99_ms']:16.1f} ms")
    end = options.chats_at + reply * beside[names[0], 0]["itl_p50_ms"]
    print(f"  the chats wrote from {options.chats_at / 1000:.0f} to {end / 1000:.0f} s, the long prompt was read until "
          f"{(options.long_at + beside['document', 0]['ttft_ms']) / 1000:.0f} s")
    p99 = [statistics.mean(run[name, 0]["itl_p99_ms"] for name in names) for run in (alone, beside)]
    first = [statistics.mean(run[f"question-{i}", 0]["ttft_ms"] for i in range(options.questions))
             for run in (fair, in_order)]
    print(f"  questions, mean time to the first token: {first[0]:.0f} ms; first come, first served: {first[1]:.0f} ms")
    print(f"  the long prompt's first token: {fair['document', 0]['ttft_ms'] / 1000:.1f} s; first come, first served: "
          f"{in_order['document', 0]['ttft_ms'] / 1000:.1f} s")
    bench.bound("p99 between tokens, beside of alone", p99[1] / p99[0], 2, "x")
    bench.bound("questions, of first come first served", 100 * first[0] / first[1], 20, " %")


def kv(bench):
    lengths = [64, 128, 256, 384, 512]
    rows = bench.bench("-p", ",".join(map(str, lengths)), "-n", "64,512", "-d", "0,512")
    cost = {n: n / rows[f"pp{n}"]["tok_s"] for n in lengths}  # seconds for computing n tokens at once
    with_cache = rows["tg64@d512"]["tok_s"]
    again = 1.0 / cost[512]
    # A whole reply: token n computes n tokens, by straight lines between the lengths measured.
    seconds, before, at = 0.0, cost[64], 64
    seconds += 64 * cost[64] / 2
    for n in lengths[1:]:
        seconds += (n - at) * (before + cost[n]) / 2
        before, at = cost[n], n
    print(f"kv: tok/s at 512 tokens, {rows['pp512']['device']}")
    print("                              KV cache    computed again    ratio")
    print(f"  the next token at 512     {with_cache:10.1f}  {again:16.2f}  {with_cache / again:6.0f}x")
    whole = rows["tg512"]["tok_s"]
    print(f"  a whole reply of 512      {whole:10.1f}  {512 / seconds:16.2f}  {whole * seconds / 512:6.0f}x", flush=True)


def waste(bench):
    made = subprocess.run([sys.executable, str(HERE / "make_trace.py"), "--conversations",
                           str(bench.options.conversations), "--turns", "6", "--words", "190", "--new-tokens", "64"],
                          stdout=subprocess.PIPE, check=True, encoding="utf-8").stdout
    lines = [json.loads(line) for line in made.splitlines()]
    turns, summary = bench.serve(lines, 4096)
    ends = [t["prompt_tokens"] + t["new_tokens"] for (_, number), t in turns.items() if number == 5]
    mean = statistics.mean(t["prompt_tokens"] + t["new_tokens"] for t in turns.values())
    print(f"waste: {len(ends)} conversations of 6 turns, {mean:.0f} tokens on average, {statistics.mean(ends):.0f} at "
          f"the end, hit rate {summary['hit_rate']:.3f}, {summary['tokens_saved']} tokens saved")
    bench.bound("rows of used blocks without a token", 100 * summary["waste"], 2, " %")
    bench.bound("the cache's share of the steps' time", 100 * summary["cache_share"], 1, " %")


def main():
    options = arguments()
    with tempfile.TemporaryDirectory(prefix="measure-chats-") as folder:
        bench = Bench(options, folder)
        for part in (warm, mixed, kv, waste):
            if part.__name__ in options.only:
                part(bench)
        sys.exit(0 if bench.holds else 1)


if __name__ == "__main__":
    main()
