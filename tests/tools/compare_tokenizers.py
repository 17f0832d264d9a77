#!/usr/bin/env python3
"""Compares this project's tokenizer with `tokenizers` and `sentencepiece` (see reference_tokenizer.py) on random
texts, for the vocabularies of some GGUF files.

    compare_tokenizers.py --program build/release/bin/tokenize_texts [--count 10000] [--seed 1] MODEL.gguf...
    compare_tokenizers.py --golden OUT.json --count 300 MODEL.gguf      writes what the reference says, and no more
"""

import argparse
import json
import pathlib
import subprocess
import sys

from gguf import GGUFReader

from random_texts import random_texts
from reference_tokenizer import reference

SHOWN = 5


def write_golden(path, texts, ids_of_model, seed):
    import sentencepiece
    import tokenizers

    golden = {
        "oracle": f"tokenizers {tokenizers.__version__}, sentencepiece {sentencepiece.__version__}, through "
        "tests/tools/compare_tokenizers.py --golden",
        "seed": seed,
        "texts": texts,
        "models": ids_of_model,
    }
    with open(path, "w", encoding="ascii") as file:
        json.dump(golden, file, separators=(",", ":"))
        file.write("\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="MODEL.gguf")
    parser.add_argument("--program", help="the tokenize_texts executable")
    parser.add_argument("--golden", help="write the reference's answers here instead of comparing")
    parser.add_argument("--count", type=int, default=10000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if not options.program and not options.golden:
        parser.error("--program or --golden is needed")
    texts = random_texts(options.seed, options.count)
    ids_of_model = {}
    failed = False
    for model in options.models:
        encode, decode = reference(GGUFReader(model))
        expected = encode(texts)
        if options.golden:
            ids_of_model[pathlib.Path(model).name] = expected
            continue
        run = subprocess.run([options.program, model], input=json.dumps(texts), capture_output=True, text=True)
        if run.returncode != 0:
            print(f"{model}: {run.stderr.strip()}")
            failed = True
            continue
        answer = json.loads(run.stdout)
        got = answer["ids"]
        different = [i for i, ids in enumerate(got) if ids != expected[i]]
        # A vocabulary may lack a byte, and SentencePiece writes U+2581 for a space: there no tokenizer gives the
        # text back. Everywhere else ours must.
        lossy = {i for i, text in enumerate(decode(expected)) if text != texts[i]}
        changed = sorted(set(answer["changed"]) - lossy)
        print(
            f"{model}: {len(texts)} texts, {sum(map(len, expected))} ids: {len(different)} texts differ, {len(changed)} "
            f"do not decode to themselves, {len(answer['changed'])} of {len(lossy)} that the reference changes are changed"
        )
        for i in different[:SHOWN]:
            pairs = zip(got[i], expected[i])
            at = next((k for k, (a, b) in enumerate(pairs) if a != b), min(len(got[i]), len(expected[i])))
            print(f"  {ascii(texts[i])}\n    from id {at}: {got[i][at : at + 8]}, expected {expected[i][at : at + 8]}")
        for i in changed[:SHOWN]:
            print(f"  {ascii(texts[i])} does not decode to itself")
        failed = failed or bool(different) or bool(changed)
    if options.golden:
        write_golden(options.golden, texts, ids_of_model, options.seed)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
