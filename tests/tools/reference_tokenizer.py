"""Text to ids from a GGUF's own vocabulary, by other people's tokenizers: the `tokenizers` package for byte-level
BPE, `sentencepiece` for SentencePiece vocabularies. No special tokens and no normaliser; user-defined tokens are
found in every text. Needs: pip install gguf tokenizers sentencepiece.
"""

# How each family's tokenizer.json cuts words: regular expressions applied one after another, and whether
# GPT-2's expression comes last.
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LETTERS_OF_DEEPSEEK = (
    "\\s?[A-Za-z\u00B5\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u01BA\u01BC-\u01BF\u01C4-\u0293\u0295-\u02AF\u0370-\u0373"
    "\u0376\u0377\u037B-\u037D\u037F\u0386\u0388-\u038A\u038C\u038E-\u03A1\u03A3-\u03F5\u03F7-\u0481\u048A-\u052F"
    "\u0531-\u0556\u10A0-\u10C5\u13A0-\u13F5\u13F8-\u13FD\u1C90-\u1CBA\u1CBD-\u1CBF\u1D00-\u1D2B\u1D6B-\u1D77"
    "\u1D79-\u1D9A\u1E00-\u1F15\u1F18-\u1F1D\u1F20-\u1F45\u1F48-\u1F4D\u1F50-\u1F57\u1F59\u1F5B\u1F5D"
    "\u1F5F-\u1F7D\u1F80-\u1FB4\u1FB6-\u1FBC\u1FBE\u1FC2-\u1FC4\u1FC6-\u1FCC\u1FD0-\u1FD3\u1FD6-\u1FDB"
    "\u1FE0-\u1FEC\u1FF2-\u1FF4\u1FF6-\u1FFC\u2102\u2107\u210A-\u2113\u2115\u2119-\u211D\u2124\u2126\u2128"
    "\u212A-\u212D\u212F-\u2134\u2139\u213C-\u213F\u2145-\u2149\u214E\u2183\u2184\u2C00-\u2C7B\u2C7E-\u2CE4"
    "\u2CEB-\u2CEE\u2CF2\u2CF3\uA640-\uA66D\uA680-\uA69B\uA722-\uA76F\uA771-\uA787\uA78B-\uA78E\uAB70-\uABBF"
    "\uFB00-\uFB06\uFB13-\uFB17\uFF21-\uFF3A\uFF41-\uFF5A\U00010400-\U0001044F\U000104B0-\U000104D3"
    "\U000104D8-\U000104FB\U00010C80-\U00010CB2\U00010CC0-\U00010CF2\U000118A0-\U000118DF\U0001E900-\U0001E943]+"
)
PUNCTUATION_OF_DEEPSEEK = "\\s?[!-/:-~\uFF01-\uFF0F\uFF1A-\uFF5E\u2018-\u201F\u3000-\u3002]+"
CJK_OF_DEEPSEEK = "[\u4E00-\u9FA5\u0800-\u4E00\uAC00-\uD7FF]+"
LETTERS_BY_CASE = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+CONTRACTION"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*CONTRACTION"
)
CONTRACTION = "(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
TAIL_WITH_SLASH = r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
TAIL = TAIL_WITH_SLASH.replace("/", "")
GPT4O = LETTERS_BY_CASE.replace("CONTRACTION", CONTRACTION) + r"|\p{N}{1,3}" + TAIL_WITH_SLASH
KIMI = (
    r"[\p{Han}]+|" + GPT4O.replace("/", "").replace(r"\p{M}]", r"\p{M}&&[^\p{Han}]]")
)
QWEN2 = LLAMA3.replace("{1,3}", "")
DEEPSEEK3 = [
    r"\p{N}{1,3}",
    "[\u4E00-\u9FA5\u3040-\u309F\u30A0-\u30FF]+",
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+",
]
BLOOM = " ?[^(\\s|.,!?\u2026\u3002\uFF0C\u3001\u0964\u06D4\u060C)]+"
ASIAN_SCRIPTS = "[\u4E00-\u9FFF\u3400-\u4DBF\u8C48-\uFAFF\u3040-\u309F\u30A0-\u30FF\uFF65-\uFF9F\u2F00-\u2FDF\u0E40-\u0E7F\u0E80-\u0EFF\u1780-\u17FF\u1000-\u109F\uAA60-\uAA7F\uA9E0-\uA9FF\uAC00-\uD7AF\u1100-\u11FF]+"
YOUTU_SCRIPTS = "[\uAC00-\uD7A3\u3131-\u318E]+|[\uFF01\u2026\u201C\u201D\u2018\u2019\u2014\uFF1A\uFF1B\uFF0C\u3001-\u303F\uFE30-\uFE4F]+|[\u3105-\u312F]+|[\u4E00-\u9FA5\u3040-\u309F\u30A0-\u30FF]+"
PUNCTUATION = r"[\p{P}$+<=>^`|~]+"  # the step "Punctuation", contiguous
SPLITS = {
    "gpt-2": ([], True),
    "smollm": ([r"\p{N}"], True),
    "llama-bpe": ([LLAMA3], False),
    "qwen2": ([QWEN2], False),
    "qwen35": ([QWEN2.replace(r"?\p{L}+", r"?[\p{L}\p{M}]+").replace(r"[^\s\p{L}\p{N}]", r"[^\s\p{L}\p{M}\p{N}]")], False),
    "deepseek-llm": (
        [r"[\r\n]", LETTERS_OF_DEEPSEEK, PUNCTUATION_OF_DEEPSEEK, r"\s+$", CJK_OF_DEEPSEEK, r"\p{N}"],
        False,
    ),
    "deepseek-coder": ([r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", CJK_OF_DEEPSEEK, r"\p{N}"], False),
    "deepseek-v3": (DEEPSEEK3, False),
    "falcon": ([PUNCTUATION, GPT2, "[0-9][0-9][0-9]"], False),
    "bloom": ([BLOOM], False),
    "viking": ([BLOOM, r"\p{N}"], False),
    "tekken": ([LETTERS_BY_CASE.replace("CONTRACTION", "") + r"|\p{N}" + TAIL_WITH_SLASH], False),
    "gpt-4o": ([GPT4O], False),
    "tiny_aya": ([r"\d{1,3}(?=(?:\d{3})*\b)", GPT4O], False),
    "kimi-k2": ([KIMI], False),
    "superbpe": ([r"\p{N}+", r"(?=(\d{3})+(?!\d))"], False),
    "afmoe": ([r"\p{N}{1,3}(?=(?:\p{N}{3})*(?!\p{N}))", ASIAN_SCRIPTS, DEEPSEEK3[2]], False),
    "youtu": ([YOUTU_SCRIPTS, GPT4O.replace("{1,3}", "")], False),
    "jais-2": (
        [
            LLAMA3.split(r"|\s+(?!")[0]
            + "".join(rf"|\s{{{n}}}(?!\S)" for n in (512, 256, 128, 64, 32, 16, 8, 4))
            + r"|\s{1,2}(?!\S)|\s{1}"
        ],
        False,
    ),
    "bailingmoe": (
        [
            r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+",
        ],
        False,
    ),
    "seed-coder": ([QWEN2.replace(r"\p{N}]+[\r\n]*", r"\p{N}\r\n]+").replace(r"|\p{N}|", r"|\p{N}{1}|")], False),
    "exaone-moe": (
        [
            QWEN2.replace(r"?\p{L}+", r"?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+")
            .replace(r"+[\r\n]*", r"+[\r\n/]?")
            .replace(r"\s*[\r\n]+", r"\s*[\r\n]"),
        ],
        False,
    ),
    "minicpm5": ([r"\p{N}{1,3}", LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}+")], False),
    "ufakzeka": ([QWEN2.split("|", 7)[7]], False),
    "laguna": ([r"[^\n]+|[\n]+", QWEN2], False),
    "": ([r"[\p{P}$+<=>^~|]+", GPT2, r"\p{N}+", "[0-9][0-9][0-9]"], False),
    "chameleon": (
        [
            "<sentinel:[0-9]+>",
            "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z",
            r"([\t\n]|    |  )",
            r"\p{N}",
            r"[\p{P}!-/:-@\[-`{-~]",
        ],
        True,
    ),
}
WHOLE_WORDS_FIRST = {"llama-bpe"}  # "ignore_merges"
USER_DEFINED = 4


def value(reader, key, default=None):
    field = reader.get_field(key)
    return default if field is None else field.contents()


def word_splits(pre):
    """The `tokenizers` pre-tokenizers that cut words as `pre` does."""
    from tokenizers import Regex, pre_tokenizers

    patterns, gpt2_last = SPLITS[pre]
    return [pre_tokenizers.Split(Regex(p), "isolated") for p in patterns + ([GPT2] if gpt2_last else [])]


def byte_pair_reference(reader):
    """A `tokenizers.Tokenizer` of the file's tokens, merges and pre-tokenizer."""
    from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers

    pre = value(reader, "tokenizer.ggml.pre")
    if pre not in SPLITS:
        raise SystemExit(f"no split pattern for pre-tokenizer '{pre}' here (there are: {', '.join(SPLITS)})")
    tokens = value(reader, "tokenizer.ggml.tokens")
    merges = [tuple(merge.split(" ", 1)) for merge in value(reader, "tokenizer.ggml.merges")]
    vocabulary = {token: i for i, token in enumerate(tokens)}
    model = models.BPE(vocab=vocabulary, merges=merges, ignore_merges=pre in WHOLE_WORDS_FIRST)
    tokenizer = Tokenizer(model)
    steps = word_splits(pre) + [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(steps)
    types = value(reader, "tokenizer.ggml.token_type", [])
    tokenizer.add_tokens(
        [AddedToken(token, normalized=False) for token, kind in zip(tokens, types) if kind == USER_DEFINED]
    )
    return tokenizer


def sentencepiece_reference(reader):
    """A `sentencepiece.SentencePieceProcessor` of the file's tokens, scores and types."""
    import sentencepiece
    from sentencepiece import sentencepiece_model_pb2 as proto

    model = proto.ModelProto()
    types = value(reader, "tokenizer.ggml.token_type")
    scores = value(reader, "tokenizer.ggml.scores")
    for token, score, kind in zip(value(reader, "tokenizer.ggml.tokens"), scores, types):
        piece = token.replace(" ", "\u2581") if kind == USER_DEFINED else token
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
    return sentencepiece.SentencePieceProcessor(model_proto=model.SerializeToString())


def reference(reader):
    """Two functions over lists: texts to ids without BOS, and ids to texts."""
    if value(reader, "tokenizer.ggml.model") == "gpt2":
        from tokenizers import decoders

        tokenizer = byte_pair_reference(reader)
        tokenizer.decoder = decoders.ByteLevel()
        return (
            lambda texts: [row.ids for row in tokenizer.encode_batch(texts, add_special_tokens=False)],
            lambda rows: tokenizer.decode_batch(rows, skip_special_tokens=False),
        )
    processor = sentencepiece_reference(reader)
    return lambda texts: [processor.encode(text) for text in texts], lambda rows: [processor.decode(ids) for ids in rows]


def encode(reader, text):
    """Ids of `text`, with the BOS token in front when the model asks for one."""
    ids = reference(reader)[0]([text])[0]
    kind = value(reader, "tokenizer.ggml.model")
    if value(reader, "tokenizer.ggml.add_bos_token", kind == "llama"):
        ids = [value(reader, "tokenizer.ggml.bos_token_id"), *ids]
    return ids
