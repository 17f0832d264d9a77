#!/usr/bin/env python3
"""Writes a trace of chats for `alcove-cli serve-trace`, the same for the same arguments.

    tests/tools/make_trace.py --conversations 50 --turns 6 > trace.jsonl
    tests/tools/make_trace.py --conversations 3 --turns 1 --new-tokens 300 --long 1 --long-words 2800 \
        --short 20 --short-every 500 > long.jsonl

Questions are runs of words of tests/data/reference/english.txt. Conversations share system messages, their turns
are shuffled (a conversation's own stay in order), some begin with a very long document, and short questions may
arrive while the others run.
"""

import argparse
import json
import pathlib
import random


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--conversations", type=int, default=50)
    parser.add_argument("--turns", type=int, default=6)
    parser.add_argument("--words", type=int, default=40, help="of a question, on average")
    parser.add_argument("--new-tokens", type=int, default=64, help="of an answer, at most")
    parser.add_argument("--systems", type=int, default=3, help="different system messages; 0: none")
    parser.add_argument("--system-words", type=int, default=60)
    parser.add_argument("--long", type=int, default=0, help="further conversations that begin with a document")
    parser.add_argument("--long-words", type=int, default=2800)
    parser.add_argument("--long-at", type=float, default=1000.0, help="milliseconds")
    parser.add_argument("--short", type=int, default=0, help="single short questions")
    parser.add_argument("--short-at", type=float, default=1500.0, help="milliseconds")
    parser.add_argument("--short-every", type=float, default=0.0, help="milliseconds between them")
    parser.add_argument("--rate", type=float, default=0.0, help="conversations a second (Poisson); 0: all at once")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


class Prose:
    def __init__(self, source):
        path = pathlib.Path(__file__).parent.parent / "data" / "reference" / "english.txt"
        self.words = path.read_text(encoding="utf-8").split()
        self.source = source

    def some(self, count):
        """`count` words from somewhere, going on from the start of the text where it ends."""
        first = self.source.randrange(len(self.words))
        return " ".join(self.words[(first + i) % len(self.words)] for i in range(count))


def turn(name, number, at, messages, new_tokens, priority=0):
    return {"conversation": name, "turn": number, "at_ms": round(at, 1), "messages": messages,
            "max_new_tokens": new_tokens, "priority": priority}


def main():
    options = arguments()
    source = random.Random(options.seed)
    prose = Prose(source)
    systems = [prose.some(options.system_words) for _ in range(options.systems)]
    chats = []
    at = 0.0
    for index in range(options.conversations):
        if options.rate > 0.0:
            at += source.expovariate(options.rate) * 1000.0
        turns = []
        for number in range(options.turns):
            words = max(3, round(source.gauss(options.words, options.words / 3)))
            messages = [{"role": "user", "content": prose.some(words)}]
            if number == 0 and systems:
                messages.insert(0, {"role": "system", "content": source.choice(systems)})
            turns.append(turn(f"chat-{index}", number, at, messages, options.new_tokens))
        chats.append(turns)
    for index in range(options.long):
        text = prose.some(options.long_words) + "\n\nSum this up."
        chats.append([turn(f"document-{index}", 0, options.long_at, [{"role": "user", "content": text}], 16)])
    for index in range(options.short):
        text = prose.some(8) + "?"
        chats.append([turn(f"question-{index}", 0, options.short_at + index * options.short_every,
                           [{"role": "user", "content": text}], 8, 1)])
    while chats:
        chat = source.choice(chats)
        print(json.dumps(chat.pop(0), ensure_ascii=False))
        if not chat:
            chats.remove(chat)


if __name__ == "__main__":
    main()
