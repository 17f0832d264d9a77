#!/usr/bin/env python3
"""Writes tests/data/tokenizers/splits.json: how `tokenizers` (Oniguruma) cuts random texts into words under each
family's expressions, as lengths in characters. Usage: make_split_goldens.py OUT.json [COUNT] [SEED]
"""

import json
import sys

import tokenizers
from tokenizers import pre_tokenizers

from random_texts import random_texts
from reference_tokenizer import SPLITS, word_splits


def lengths(splitter, text):
    return [len(word) for word, _ in splitter.pre_tokenize_str(text)]


def main():
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 60
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 14
    texts = random_texts(seed, count)
    families = {}
    for pre in SPLITS:
        splitter = pre_tokenizers.Sequence(word_splits(pre))
        families[pre] = [lengths(splitter, text) for text in texts]
    golden = {
        "oracle": f"tokenizers {tokenizers.__version__}, through tests/tools/make_split_goldens.py",
        "seed": seed,
        "texts": texts,
        "families": families,
    }
    with open(sys.argv[1], "w", encoding="ascii") as file:
        json.dump(golden, file, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    main()
