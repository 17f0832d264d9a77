"""info, tokenize and detokenize keep to their documented forms: output, defaults, exit status, one line of error."""

import json
import os
import pathlib
import subprocess
import tempfile
import unittest

from tiny_gguf import CONTROL, USER_DEFINED, byte_pair_keys, gguf, llama_keys

CLI = os.environ.get("ALCOVE_CLI")
HE, BOS, END = 256, 257, 258
EXTRA = (("<s>", CONTROL), ("<|im_end|>", CONTROL), ("<tool>", USER_DEFINED))


class Verbs(unittest.TestCase):
    def setUp(self):
        self.assertTrue(CLI, "ALCOVE_CLI names no program; run this through ctest")
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def model(self, keys=None, tensors=(), name="tiny.gguf"):
        path = self.folder / name
        path.write_bytes(gguf(keys or byte_pair_keys(extra=EXTRA, bos_token_id=BOS, add_bos_token=True), tensors))
        return str(path)

    def text(self, text):
        path = self.folder / "text"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)

    def run_cli(self, *arguments):
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder)}
        return subprocess.run([CLI, *arguments], capture_output=True, env=environment)

    def ids(self, model, text, *options):
        run = self.run_cli("tokenize", model, "--file", self.text(text), *options)
        self.assertEqual((run.returncode, run.stderr), (0, b""))
        return json.loads(run.stdout)

    def fails(self, status, *arguments):
        """The one line of error that a failing call prints."""
        run = self.run_cli(*arguments)
        self.assertEqual(run.returncode, status, run.stderr)
        self.assertEqual(run.stdout, b"")
        self.assertEqual(run.stderr.count(b"\n"), 1, run.stderr)
        self.assertTrue(run.stderr.endswith(b"\n"))
        self.assertNotIn(b"this is a bug", run.stderr)
        return run.stderr.decode()


class Tokenize(Verbs):
    def test_adds_bos_and_recognises_special_tokens_by_default(self):
        self.assertEqual(self.ids(self.model(), "he<|im_end|>"), [BOS, HE, END])

    def test_no_special_makes_them_text(self):
        ids = self.ids(self.model(), "<|im_end|>", "--no-special", "--no-bos")
        self.assertEqual(ids, list(b"<|im_end|>"))

    def test_no_special_still_finds_user_defined_tokens(self):
        self.assertEqual(self.ids(self.model(), "<tool>", "--no-special", "--no-bos"), [END + 1])

    def test_no_bos_alone_keeps_special_tokens(self):
        self.assertEqual(self.ids(self.model(), "he<|im_end|>", "--no-bos"), [HE, END])

    def test_without_the_key_the_pre_tokenizer_decides_about_bos(self):
        for pre, adds in (("llama-bpe", True), ("gpt-2", False), ("qwen2", False)):
            model = self.model(byte_pair_keys(pre=pre, extra=EXTRA, bos_token_id=BOS))
            self.assertEqual(self.ids(model, "he"), [BOS, HE] if adds else [HE], pre)

    def test_the_text_is_the_files_bytes_and_nothing_else(self):
        for text in (b"", b"\n", b"a\r\n", b"\0\xff", " \u00e4\U0001f999".encode()):
            self.assertEqual(self.ids(self.model(), text, "--no-bos"), list(text))

    def test_prints_one_json_array_on_one_line(self):
        run = self.run_cli("tokenize", self.model(), "--file", self.text("he!"), "--no-bos")
        self.assertEqual(run.stdout, b"[256,33]\n")

    def test_names_what_is_missing_or_wrong(self):
        text = self.text("a")
        self.assertIn("/no/such.gguf", self.fails(1, "tokenize", "/no/such.gguf", "--file", text))
        self.assertIn("/no/such.txt", self.fails(1, "tokenize", self.model(), "--file", "/no/such.txt"))
        self.assertIn(str(self.folder), self.fails(1, "tokenize", self.model(), "--file", str(self.folder)))
        self.assertIn("klingon", self.fails(1, "tokenize", self.model(byte_pair_keys(pre="klingon")), "--file", text))
        self.assertIn("GGUF", self.fails(1, "tokenize", text, "--file", text))
        self.assertIn("not a regular file", self.fails(1, "tokenize", str(self.folder), "--file", text))
        self.fails(1, "tokenize", "x" * 5000, "--file", text)

    def test_usage_errors_exit_with_2(self):
        self.assertIn("--file", self.fails(2, "tokenize", self.model()))
        self.fails(2, "tokenize")
        self.fails(2, "tokenize", self.model(), "--file", self.text("a"), "--nonsense")
        self.fails(2, "nonsense")
        self.fails(2)


class Detokenize(Verbs):
    def test_prints_the_bytes_and_nothing_added(self):
        run = self.run_cli("detokenize", self.model(), "--ids", "[256, 0, 255]")
        self.assertEqual((run.returncode, run.stdout, run.stderr), (0, b"he\0\xff", b""))

    def test_shows_special_tokens_as_text(self):
        run = self.run_cli("detokenize", self.model(), "--ids", f"[{BOS},{HE},{END}]")
        self.assertEqual(run.stdout, b"<s>he<|im_end|>")

    def test_undoes_tokenize(self):
        model = self.model()
        for text in ("", "he\n\n", " \u00e4\U0001f999<|im_end|>\r\n"):
            ids = self.ids(model, text, "--no-bos")
            run = self.run_cli("detokenize", model, "--ids", json.dumps(ids))
            self.assertEqual(run.stdout.decode(), text)

    def test_refuses_what_is_no_array_of_ids(self):
        for ids in ("1,2", "[1.5]", '["a"]', "{}", "[[1]]", "", "[1", "[true]"):
            self.assertIn("--ids", self.fails(2, "detokenize", self.model(), "--ids", ids))

    def test_names_an_id_outside_the_vocabulary(self):
        for bad in ("260", "-1", "4294967296", "18446744073709551615"):
            self.assertIn(bad, self.fails(1, "detokenize", self.model(), "--ids", f"[1,{bad}]"))


class Info(Verbs):
    KEYS = [
        "architecture", "name", "parameters", "file_bytes", "quantisation", "context_length", "vocabulary", "tokenizer",
        "layers", "attention", "kv_bytes_per_token", "needed_bytes", "chat_template",
    ]  # fmt: skip
    TENSORS = [("token_embd.weight", (32, 260)), ("output_norm.weight", (32,))]

    def info(self, model, *options):
        run = self.run_cli("info", model, "--json", *options)
        self.assertEqual((run.returncode, run.stderr), (0, b""))
        self.assertEqual(run.stdout.count(b"\n"), 1)
        return json.loads(run.stdout)

    def llama(self, **changes):
        keys = {**byte_pair_keys(extra=EXTRA), **llama_keys(260), **changes}
        return self.model(keys, self.TENSORS)

    def test_json_has_every_key(self):
        model = self.llama()
        info = self.info(model)
        self.assertEqual(sorted(info), sorted(self.KEYS))
        self.assertEqual(info["architecture"], "llama")
        self.assertEqual(info["name"], "Tiny")
        self.assertEqual(info["parameters"], 32 * 260 + 32)
        self.assertEqual(info["file_bytes"], os.path.getsize(model))
        self.assertEqual(info["quantisation"], {"F32": 4 * (32 * 260 + 32)})
        self.assertEqual((info["context_length"], info["vocabulary"], info["layers"]), (64, 260, 2))
        self.assertEqual(info["tokenizer"], "gpt2")
        self.assertEqual(info["attention"], "gqa")
        self.assertEqual(info["kv_bytes_per_token"], 2 * 2 * 2 * 8 * 2)  # layers, K and V, heads, dimension, f16
        self.assertIs(info["chat_template"], False)

    def test_attention_follows_from_the_heads(self):
        for kv_heads, name in ((4, "mha"), (2, "gqa"), (1, "mqa")):
            self.assertEqual(self.info(self.llama(**{"llama.attention.head_count_kv": kv_heads}))["attention"], name)

    def test_a_longer_context_needs_more_bytes(self):
        model = self.llama()
        need = [self.info(model, "--context", str(tokens))["needed_bytes"] for tokens in (64, 1024)]
        self.assertGreaterEqual(need[1] - need[0], (1024 - 64) * 128)
        self.assertEqual(self.info(model)["needed_bytes"], need[0], "the model's own context is the default")

    def test_sees_a_chat_template(self):
        self.assertIs(self.info(self.llama(**{"tokenizer.chat_template": "{{ 1 }}"}))["chat_template"], True)

    def test_the_table_shows_the_same_without_json(self):
        run = self.run_cli("info", self.llama())
        self.assertEqual(run.returncode, 0)
        self.assertEqual([line.split()[0] for line in run.stdout.decode().splitlines()], self.KEYS)

    def test_a_name_that_is_not_utf8_harms_nothing(self):
        self.assertEqual(self.info(self.llama(**{"general.name": b"T\xff"}))["name"], "T\ufffd")
        self.assertEqual(self.run_cli("info", self.llama(**{"general.name": b"T\xff"})).returncode, 0)

    def test_names_what_cannot_run(self):
        self.assertIn("mamba", self.fails(1, "info", self.llama(**{"general.architecture": "mamba"})))
        self.fails(2, "info", self.llama(), "--context", "0")
        self.fails(2, "info")


class Help(Verbs):
    def test_every_verb_explains_itself(self):
        for verb in ("info", "tokenize", "detokenize", "template", "generate", "chat", "score", "bench", "serve-trace"):
            run = self.run_cli(verb, "--help")
            self.assertEqual((run.returncode, run.stderr), (0, b""), verb)
            self.assertIn(b"Usage", run.stdout)


if __name__ == "__main__":
    unittest.main()
