"""Writes tiny GGUF files for tests of the command line, with nothing but the standard library."""

import struct

STRING, ARRAY = 8, 9
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6


def _string(text):
    data = text if isinstance(text, bytes) else text.encode()
    return struct.pack("<Q", len(data)) + data


def _value(value):
    """Type number and bytes: bool, uint32 or int32, float32, string, or a list of one of them."""
    if isinstance(value, bool):
        return 7, struct.pack("<?", value)
    if isinstance(value, int):
        return (4, struct.pack("<I", value)) if value >= 0 else (5, struct.pack("<i", value))
    if isinstance(value, float):
        return 6, struct.pack("<f", value)
    if isinstance(value, (str, bytes)):
        return STRING, _string(value)
    kind = _value(value[0])[0]
    return ARRAY, struct.pack("<IQ", kind, len(value)) + b"".join(_value(item)[1] for item in value)


def gguf(keys, tensors=()):
    """The bytes of a file. `tensors`: (name, shape in ne order), all F32 zeros."""
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(keys))
    for key, value in keys.items():
        kind, data = _value(value)
        head += _string(key) + struct.pack("<I", kind) + data
    offset = 0
    for name, shape in tensors:
        elements = 1
        for extent in shape:
            elements *= extent
        head += _string(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, 0, offset)
        offset += (elements * 4 + 31) // 32 * 32
    return head + b"\0" * (-len(head) % 32) + b"\0" * offset


def _byte_alphabet():
    """GPT-2's spelling of the 256 bytes."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) if byte in printable else chr(0x100 + others.index(byte)) for byte in range(256)]


def byte_pair_keys(pre="gpt-2", extra=(), merges=("h e",), **more):
    """The vocabulary 0 to 255 for the bytes, then what the merges make, then `extra` (text, type)."""
    tokens = _byte_alphabet() + [merge.replace(" ", "") for merge in merges]
    types = [NORMAL] * len(tokens) + [kind for _, kind in extra]
    tokens += [text for text, _ in extra]
    keys = {
        "general.architecture": "llama",
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": pre,
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": types,
        "tokenizer.ggml.merges": list(merges),
    }
    keys.update({f"tokenizer.ggml.{key}": value for key, value in more.items()})
    return keys


def llama_keys(vocabulary):
    return {
        "general.architecture": "llama",
        "general.name": "Tiny",
        "llama.block_count": 2,
        "llama.context_length": 64,
        "llama.embedding_length": 32,
        "llama.feed_forward_length": 64,
        "llama.attention.head_count": 4,
        "llama.attention.head_count_kv": 2,
        "llama.attention.layer_norm_rms_epsilon": 1e-5,
        "llama.rope.dimension_count": 8,
        "llama.vocab_size": vocabulary,
    }


def llama_tensors(vocabulary, layers=2, width=32, kv=16, inner=64):
    """A llama of zeros: every logit is the same, and the likeliest token is the first."""
    shapes = [("token_embd.weight", (width, vocabulary)), ("output_norm.weight", (width,))]
    for layer in range(layers):
        shapes += [(f"blk.{layer}.{name}.weight", shape) for name, shape in (
            ("attn_norm", (width,)), ("ffn_norm", (width,)), ("attn_q", (width, width)), ("attn_k", (width, kv)),
            ("attn_v", (width, kv)), ("attn_output", (width, width)), ("ffn_gate", (width, inner)),
            ("ffn_up", (width, inner)), ("ffn_down", (inner, width)))]  # fmt: skip
    return shapes


def runnable():
    """A whole file that can be run."""
    return gguf({**byte_pair_keys(), **llama_keys(257)}, llama_tensors(257))
