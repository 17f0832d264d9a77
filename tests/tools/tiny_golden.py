#!/usr/bin/env python3
"""Writes tests/data/reference/tiny_golden.json: float64 scores (reference_score.py, the oracle) of tiny random models.

    ALCOVE_WRITE_TINY_MODELS=DIR build/release/bin/engine_tests --gtest_filter='*TinyReference*'
    tiny_golden.py DIR OUT.json

The first command leaves NAME.gguf and NAME.ids (a JSON array) for each shape of tests/engine/support/tiny_shapes.cpp.
`crc32` is of the GGUF file, so that the test notices when a shape has changed. Needs numpy and gguf.
"""
import json
import pathlib
import sys
import zlib

from reference_score import Model, score


def main():
    folder, out = pathlib.Path(sys.argv[1]), sys.argv[2]
    models = {}
    for path in sorted(folder.glob("*.gguf")):
        ids = json.loads(path.with_suffix(".ids").read_text())
        result = score(Model(path), [ids])[0]
        models[path.stem] = {"crc32": zlib.crc32(path.read_bytes()), "nll": [round(x, 7) for x in result["nll"]],
                             "top1": result["top1"]}
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(model, separators=(',', ':'))}" for name, model in models.items())
    with open(out, "w", encoding="ascii") as file:
        file.write('{"written_by": "tests/tools/tiny_golden.py", "oracle": "tests/tools/reference_score.py (float64)",\n'
                   f'"models": {{\n{lines}\n}}}}\n')


if __name__ == "__main__":
    main()
