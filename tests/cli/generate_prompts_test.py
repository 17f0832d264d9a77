"""generate --prompts answers each line by itself, in the lines' order, however many run at a time."""

import json
import os
import pathlib
import subprocess
import tempfile
import unittest

from tiny_gguf import runnable

CLI = os.environ.get("ALCOVE_CLI")


class Prompts(unittest.TestCase):
    LINES = [
        {"id": "a", "prompt": "hello", "n": 9},
        {"id": "b", "prompt": "a long one that takes more steps", "n": 3, "temp": 2.0, "seed": 7},
        {"id": "c", "prompt": "x" * 500, "n": 3},
        {"id": "d", "prompt": "hehehehehehe", "n": 12, "speculate": "ngram"},
        {"prompt": "no name", "n": 1, "temp": 2.0, "seed": 8},
    ]

    def setUp(self):
        self.assertTrue(CLI, "ALCOVE_CLI names no program; run this through ctest")
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.model = self.folder / "zeros.gguf"
        self.model.write_bytes(runnable())

    def generate(self, lines, *options):
        prompts = self.folder / "prompts.jsonl"
        prompts.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return subprocess.run([CLI, "generate", self.model, "--prompts", prompts, "--raw", "--device", "cpu",
                               "--threads", "1", *options], capture_output=True, text=True)  # fmt: skip

    def test_answers_stand_in_the_lines_order_however_many_run_at_a_time(self):
        answers = []
        for parallel in ("1", "2", "8"):
            run = self.generate(self.LINES, "--parallel", parallel)
            self.assertEqual(run.returncode, 1, "one prompt is longer than the context")
            self.assertIn("1 of 5 prompts failed", run.stderr)
            answers.append([json.loads(line) for line in run.stdout.splitlines()])
        for got in answers:
            self.assertEqual([line.get("id") for line in got], ["a", "b", "c", "d", None])
            self.assertEqual([line.get("ids") for line in got], [line.get("ids") for line in answers[0]])
            self.assertIn("context", got[2]["error"])
            self.assertEqual([len(got[i]["ids"]) for i in (0, 1, 3, 4)], [9, 3, 12, 1])
            self.assertEqual(got[0]["ids"], [0] * 9)
            self.assertGreater(len(set(got[1]["ids"])), 1)

    def test_refuses_no_lines_at_a_time(self):
        run = self.generate(self.LINES[:1], "--parallel", "0")
        self.assertEqual((run.returncode, run.stdout), (2, ""))


if __name__ == "__main__":
    unittest.main()
