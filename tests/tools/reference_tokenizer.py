"""Text to ids from a GGUF's own vocabulary, by other people's tokenizers: the `tokenizers` package for byte-level
BPE, `sentencepiece` for SentencePiece vocabularies. Only what the reference texts need: no special tokens.
"""

BPE_SPLITS = {
    "smollm": (["\\p{N}"], True),
    "qwen2": ([r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"], False),
}


def value(reader, key, default=None):
    field = reader.get_field(key)
    return default if field is None else field.contents()


def _bpe(reader, text):
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers

    pre = value(reader, "tokenizer.ggml.pre")
    if pre not in BPE_SPLITS:
        raise SystemExit(f"no split pattern for pre-tokenizer '{pre}' here (there are: {', '.join(BPE_SPLITS)}); pass --ids")
    tokens = value(reader, "tokenizer.ggml.tokens")
    merges = [tuple(merge.split(" ", 1)) for merge in value(reader, "tokenizer.ggml.merges")]
    patterns, gpt2_split = BPE_SPLITS[pre]
    tokenizer = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=merges))
    steps = [pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in patterns]
    steps.append(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=gpt2_split))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(steps)
    return tokenizer.encode(text, add_special_tokens=False).ids


def _sentencepiece(reader, text):
    import sentencepiece
    from sentencepiece import sentencepiece_model_pb2 as proto

    model = proto.ModelProto()
    types = value(reader, "tokenizer.ggml.token_type")
    scores = value(reader, "tokenizer.ggml.scores")
    for token, score, kind in zip(value(reader, "tokenizer.ggml.tokens"), scores, types):
        piece = token.replace(" ", "\u2581") if kind == 4 else token
        model.pieces.add(piece=piece, score=score, type=kind)
    model.trainer_spec.model_type = proto.TrainerSpec.BPE
    model.trainer_spec.byte_fallback = True
    for name in ("unk", "bos", "eos"):
        key = "unknown" if name == "unk" else name
        setattr(model.trainer_spec, f"{name}_id", value(reader, f"tokenizer.ggml.{key}_token_id"))
    model.normalizer_spec.name = "identity"
    model.normalizer_spec.add_dummy_prefix = value(reader, "tokenizer.ggml.add_space_prefix", True)
    model.normalizer_spec.remove_extra_whitespaces = False
    model.normalizer_spec.escape_whitespaces = True
    return sentencepiece.SentencePieceProcessor(model_proto=model.SerializeToString()).encode(text)


def encode(reader, text):
    """Ids of `text`, with the BOS token in front when the model asks for one."""
    kind = value(reader, "tokenizer.ggml.model")
    ids = _bpe(reader, text) if kind == "gpt2" else _sentencepiece(reader, text)
    if value(reader, "tokenizer.ggml.add_bos_token", kind == "llama"):
        ids = [value(reader, "tokenizer.ggml.bos_token_id"), *ids]
    return ids
