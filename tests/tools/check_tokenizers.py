#!/usr/bin/env python3
"""Checks `alcove-cli tokenize` against a folder of NAME.gguf with NAME.inp (texts separated by a line
`__ggml_vocab_test__`) and NAME.out (a line of ids for each), without special tokens and without BOS.

    check_tokenizers.py --cli build/release/bin/alcove-cli FOLDER
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

SEPARATOR = b"\n__ggml_vocab_test__\n"


def tokenize(cli, model, text):
    with tempfile.NamedTemporaryFile() as file:
        file.write(text)
        file.flush()
        command = [cli, "tokenize", model, "--file", file.name, "--no-special", "--no-bos"]
        run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode != 0:
        raise SystemExit(f"{model}: {run.stderr.strip()}")
    return json.loads(run.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cli", required=True)
    parser.add_argument("folder", type=pathlib.Path)
    options = parser.parse_args()
    models = sorted(path for path in options.folder.glob("*.gguf") if path.with_suffix(".inp").exists())
    if not models:
        raise SystemExit(f"'{options.folder}' holds no NAME.gguf with a NAME.inp beside it")
    failed = False
    for model in models:
        texts = model.with_suffix(".inp").read_bytes().split(SEPARATOR)
        expected = [[int(word) for word in line.split()] for line in model.with_suffix(".out").read_text().split("\n")]
        if len(expected) == len(texts) + 1 and not expected[-1]:
            expected.pop()
        if len(expected) != len(texts):
            raise SystemExit(f"{model}: {len(texts)} texts but {len(expected)} lines of ids")
        different = []
        for text, ids in zip(texts, expected):
            got = tokenize(options.cli, str(model), text)
            if got != ids:
                different.append((text, got, ids))
        print(f"{model.stem}: {len(texts)} texts, {len(different)} differ")
        for text, got, ids in different[:3]:
            print(f"  {text!r}\n    got      {got}\n    expected {ids}")
        failed = failed or bool(different)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
