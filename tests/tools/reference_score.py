#!/usr/bin/env python3
"""Scores a text with a GGUF model in float64: the oracle of Alcove's forward pass.

Weights are dequantised by the `gguf` package and everything after that is numpy in double precision, written from
the models' papers and configuration files, not from the C++: no fused operation, no KV cache, no blocks, keys and
values never rounded. Prints what `alcove-cli score` prints:

    {"ids": [...], "nll": [...], "mean_nll": x, "top1": [...]}

    reference_score.py MODEL.gguf --file TEXT | --ids '[1,2,3]'
    reference_score.py MODEL.gguf --golden OUT.json.gz NAME=TEXT [NAME=TEXT ...]
    reference_score.py MODEL.gguf --requests REQUESTS.json     # {"name": [ids]} -> {"name": {nll, top1}}

Needs numpy and gguf; --file and --golden also tokenizers (BPE) or sentencepiece and protobuf.
"""
import argparse
import gzip
import hashlib
import json
import math

import gguf
import numpy as np

from reference_tokenizer import encode, value

ROWS_AT_A_TIME = 256      # queries of one attention product
VOCABULARY_AT_A_TIME = 16384


class Model:
    """A GGUF file's numbers and double-precision tensors."""

    def __init__(self, path):
        self.reader = gguf.GGUFReader(path)
        self.tensors = {tensor.name: tensor for tensor in self.reader.tensors}
        self.architecture = value(self.reader, "general.architecture")
        if self.architecture not in ("llama", "qwen2", "qwen3", "gemma3"):
            raise SystemExit(f"{path}: architecture '{self.architecture}' has no reference here")

    def number(self, key, default=None):
        found = value(self.reader, f"{self.architecture}.{key}", default)
        if found is None:
            raise SystemExit(f"the file has no key {self.architecture}.{key}")
        return found

    def has(self, name):
        return name in self.tensors

    def rows(self, name, first=0, last=None):
        """Rows [first, last) of a matrix (or a whole vector) as float64."""
        tensor = self.tensors[name]
        data = tensor.data if len(tensor.shape) == 1 else tensor.data[first:last]
        return gguf.quants.dequantize(data, tensor.tensor_type).astype(np.float64)

    def embed(self, ids):
        tensor = self.tensors["token_embd.weight"]
        return gguf.quants.dequantize(tensor.data[np.asarray(ids)], tensor.tensor_type).astype(np.float64)


def rms_norm(x, weight, epsilon):
    return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + epsilon) * weight


class Rotation:
    """Rotary position embedding (Su et al., 2021) of one kind of layer, with its scaling.

    linear: positions divided by the factor. YaRN (Peng et al., 2023): frequencies that turn more than beta_fast
    times within the original context stay, those that turn less than beta_slow times are divided by the factor, a
    ramp between; cosines and sines times 0.1 ln(factor) + 1. Llama 3: one divisor per frequency, a tensor.
    """

    def __init__(self, model, dimensions, base, scaled):
        half = dimensions // 2
        index = np.arange(half, dtype=np.float64)
        self.frequencies = base ** (-2.0 * index / dimensions)
        self.magnitude = 1.0
        self.interleaved = model.architecture == "llama"
        if model.has("rope_freqs.weight"):
            self.frequencies = self.frequencies / model.rows("rope_freqs.weight")
        factor = value(model.reader, f"{model.architecture}.rope.scaling.factor") or 0.0
        kind = value(model.reader, f"{model.architecture}.rope.scaling.type", "linear")
        if not scaled or factor == 0.0 or kind == "none":
            return
        interpolated = self.frequencies / factor
        if kind == "linear":
            self.frequencies = interpolated
            return
        if kind != "yarn":
            raise SystemExit(f"RoPE scaling '{kind}' has no reference here")
        context = model.number("rope.scaling.original_context_length", model.number("context_length"))

        def index_turning(turns):
            return dimensions * math.log(context / (turns * 2.0 * math.pi)) / (2.0 * math.log(base))

        low = max(0, math.floor(index_turning(model.number("rope.scaling.yarn_beta_fast", 32.0))))
        high = min(dimensions - 1, math.ceil(index_turning(model.number("rope.scaling.yarn_beta_slow", 1.0))))
        kept = 1.0 - np.clip((index - low) / max(0.001, high - low), 0.0, 1.0)
        self.frequencies = interpolated * (1.0 - kept) + self.frequencies * kept
        self.magnitude = (0.1 * math.log(factor) + 1.0) * model.number("rope.scaling.attn_factor", 1.0)

    def apply(self, x):
        """x [positions, heads, headDim]"""
        half = len(self.frequencies)
        angles = np.arange(x.shape[0], dtype=np.float64)[:, None] * self.frequencies[None, :]
        cosine = (np.cos(angles) * self.magnitude)[:, None, :]
        sine = (np.sin(angles) * self.magnitude)[:, None, :]
        out = x.copy()
        if self.interleaved:
            first, second = x[..., 0:2 * half:2], x[..., 1:2 * half:2]
            out[..., 0:2 * half:2] = first * cosine - second * sine
            out[..., 1:2 * half:2] = first * sine + second * cosine
        else:
            first, second = x[..., :half], x[..., half:2 * half]
            out[..., :half] = first * cosine - second * sine
            out[..., half:2 * half] = first * sine + second * cosine
        return out


def attend(query, key, value_rows, scale, window):
    """Causal softmax attention; query [n, heads, d], key and value [n, kvHeads, d]; window 0: all before."""
    n, heads, _ = query.shape
    group = heads // key.shape[1]
    out = np.empty((n, heads, value_rows.shape[2]))
    for begin in range(0, n, ROWS_AT_A_TIME):
        end = min(n, begin + ROWS_AT_A_TIME)
        low = max(0, begin - window + 1) if window else 0
        i, j = np.arange(begin, end)[:, None], np.arange(low, end)[None, :]
        hidden = (j > i) | ((i - j >= window) if window else False)
        for head in range(heads):
            scores = query[begin:end, head] @ key[low:end, head // group].T * scale
            scores[hidden] = -np.inf
            scores = np.exp(scores - scores.max(axis=1, keepdims=True))
            out[begin:end, head] = scores @ value_rows[low:end, head // group] / scores.sum(axis=1, keepdims=True)
    return out.reshape(n, -1)


def forward(model, texts):
    """The normalised last hidden rows of each text (a list of id lists). Layer by layer, all texts together."""
    width, layers = model.number("embedding_length"), model.number("block_count")
    heads = model.number("attention.head_count")
    kv_heads = model.number("attention.head_count_kv", heads)
    head_dim = model.number("attention.key_length", width // heads)
    dimensions = model.number("rope.dimension_count", head_dim)
    epsilon = model.number("attention.layer_norm_rms_epsilon")
    gemma = model.architecture == "gemma3"
    scale = head_dim ** -0.5
    if gemma and layers == 62:
        scale = (width // heads) ** -0.5
    base = model.number("rope.freq_base", 10000.0)
    full = Rotation(model, dimensions, base, True)
    local = Rotation(model, dimensions, 10000.0, False) if gemma else None
    window = model.number("attention.sliding_window", 0) if gemma else 0

    bounds = np.cumsum([0] + [len(ids) for ids in texts])
    x = np.concatenate([model.embed(ids) for ids in texts])
    if gemma:
        x *= math.sqrt(width)

    def linear(rows, name):
        out = rows @ model.rows(f"{name}.weight").T
        return out + model.rows(f"{name}.bias") if model.has(f"{name}.bias") else out

    def normed(rows, name):
        return rms_norm(rows, model.rows(f"{name}.weight"), epsilon)

    for layer in range(layers):
        name = f"blk.{layer}."
        is_local = gemma and window > 0 and layer % 6 != 5
        rotation = local if is_local else full
        h = normed(x, name + "attn_norm")
        query = linear(h, name + "attn_q").reshape(-1, heads, head_dim)
        key = linear(h, name + "attn_k").reshape(-1, kv_heads, head_dim)
        values = linear(h, name + "attn_v").reshape(len(x), kv_heads, -1)
        if model.has(name + "attn_q_norm.weight"):
            query, key = normed(query, name + "attn_q_norm"), normed(key, name + "attn_k_norm")
        mixed = [attend(rotation.apply(query[a:b]), rotation.apply(key[a:b]), values[a:b], scale, window if is_local else 0)
                 for a, b in zip(bounds, bounds[1:])]
        branch = linear(np.concatenate(mixed), name + "attn_output")
        x = x + (normed(branch, name + "post_attention_norm") if gemma else branch)
        h = normed(x, name + "ffn_norm")
        gate, up = linear(h, name + "ffn_gate"), linear(h, name + "ffn_up")
        if gemma:
            gate = 0.5 * gate * (1.0 + np.tanh(math.sqrt(2.0 / math.pi) * (gate + 0.044715 * gate ** 3)))
        else:
            gate = gate / (1.0 + np.exp(-gate))
        branch = linear(gate * up, name + "ffn_down")
        x = x + (normed(branch, name + "post_ffw_norm") if gemma else branch)
    x = normed(x, "output_norm")
    return [x[a:b] for a, b in zip(bounds, bounds[1:])]


def head(model, rows, targets):
    """(negative log-likelihood of each target, likeliest id) for each row; the vocabulary in pieces."""
    name = "output.weight" if model.has("output.weight") else "token_embd.weight"
    softcap = value(model.reader, f"{model.architecture}.final_logit_softcapping") or 0.0
    vocabulary = int(model.tensors[name].shape[1])
    best, best_id = np.full(len(rows), -np.inf), np.zeros(len(rows), dtype=np.int64)
    total, target_logit = np.zeros(len(rows)), np.zeros(len(rows))
    for first in range(0, vocabulary, VOCABULARY_AT_A_TIME):
        last = min(vocabulary, first + VOCABULARY_AT_A_TIME)
        weight = model.rows(name, first, last)
        for begin in range(0, len(rows), 1024):
            part = slice(begin, min(len(rows), begin + 1024))
            logits = rows[part] @ weight.T
            if softcap:
                logits = softcap * np.tanh(logits / softcap)
            here = (targets[part] >= first) & (targets[part] < last)
            target_logit[part][here] = logits[here, targets[part][here] - first]
            winner = logits.argmax(axis=1)
            highest = logits[np.arange(len(winner)), winner]
            better = highest > best[part]
            new_best = np.maximum(best[part], highest)
            total[part] = total[part] * np.exp(best[part] - new_best) + np.exp(logits - new_best[:, None]).sum(axis=1)
            best_id[part] = np.where(better, winner + first, best_id[part])
            best[part] = new_best
    return best + np.log(total) - target_logit, best_id


def score(model, texts):
    """One result for each list of ids."""
    hidden = forward(model, texts)
    targets = [np.asarray([*ids[1:], ids[0]]) for ids in texts]   # the last row has no target; its value is dropped
    nll, top1 = head(model, np.concatenate(hidden), np.concatenate(targets))
    results, begin = [], 0
    for ids in texts:
        part = nll[begin:begin + len(ids) - 1]
        results.append({"ids": list(map(int, ids)), "nll": part.tolist(), "mean_nll": float(part.mean()) if len(part) else 0.0,
                        "top1": top1[begin:begin + len(ids)].tolist()})
        begin += len(ids)
    return results


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def write_golden(model, model_path, out, named_files):
    names, texts = [], []
    for item in named_files:
        name, path = item.split("=", 1)
        names.append(name)
        texts.append(encode(model.reader, open(path, encoding="utf-8", newline="").read()))
    golden = {"written_by": "tests/tools/reference_score.py", "model": value(model.reader, "general.name"), "model_sha256": sha256(model_path), "texts": {}}
    for name, result in zip(names, score(model, texts)):
        result["nll"] = [round(x, 6) for x in result["nll"]]
        golden["texts"][name] = result
        print(f"{name}: {len(result['ids'])} ids, mean NLL {result['mean_nll']:.6f}")
    with open(out, "wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", mtime=0, filename="") as file:
        file.write(json.dumps(golden, separators=(",", ":")).encode())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--file")
    what.add_argument("--ids")
    what.add_argument("--golden", nargs="+", metavar=("OUT", "NAME=TEXT"))
    what.add_argument("--requests")
    arguments = parser.parse_args()
    model = Model(arguments.model)
    if arguments.golden:
        write_golden(model, arguments.model, arguments.golden[0], arguments.golden[1:])
    elif arguments.requests:
        requests = json.load(open(arguments.requests, encoding="utf-8"))
        print(json.dumps(dict(zip(requests, score(model, list(requests.values()))))))
    else:
        ids = json.loads(arguments.ids) if arguments.ids else encode(model.reader, open(arguments.file, encoding="utf-8", newline="").read())
        print(json.dumps(score(model, [ids])[0]))


if __name__ == "__main__":
    main()
