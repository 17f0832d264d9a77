#!/usr/bin/env python3
"""Writes tests/data/kernels/dequantize.txt: what the `gguf` package reads from random blocks of every quantised type.

Each type has three lines: its name, the bytes of some blocks in hexadecimal, the dequantised values as hexadecimal
float32 words (the `gguf` package's result, which is the oracle). Needs numpy and gguf.

    dequantize_golden.py OUT.txt
"""
import sys

import gguf
import numpy as np
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType as Type

TYPES = ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS"]
# Byte offsets of the half-precision fields of a block, which are set to numbers of a useful size.
HALVES = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82], "Q3_K": [108],
          "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "IQ4_NL": [0], "IQ4_XS": [0]}
BLOCKS = 4


def main():
    random = np.random.default_rng(20260101)
    with open(sys.argv[1], "w", encoding="ascii") as out:
        out.write("# written by tests/tools/dequantize_golden.py; oracle: the Python package gguf\n")
        for name in TYPES:
            block_bytes = GGML_QUANT_SIZES[Type[name]][1]
            data = random.integers(0, 256, size=(BLOCKS, block_bytes), dtype=np.uint8)
            for offset in HALVES[name]:
                halves = (random.normal(size=BLOCKS) * 0.1).astype("<f2")
                data[:, offset:offset + 2] = halves.view(np.uint8).reshape(BLOCKS, 2)
            values = gguf.quants.dequantize(data.reshape(1, -1), Type[name]).astype("<f4").ravel()
            words = " ".join(f"{word:08x}" for word in values.view("<u4"))
            out.write(f"{name}\n{data.tobytes().hex()}\n{words}\n")


if __name__ == "__main__":
    main()
