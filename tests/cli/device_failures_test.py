"""A card that is not there, too old, full or lost: one line that says so and offers the CPU, and the CPU goes on."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from tiny_gguf import runnable

CLI, BUILD = os.environ.get("ALCOVE_CLI"), os.environ.get("ALCOVE_BUILD")


class DeviceFailures(unittest.TestCase):
    def setUp(self):
        self.assertTrue(CLI and BUILD, "ALCOVE_CLI and ALCOVE_BUILD are not set; run this through ctest")
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.cli = self.folder / "alcove-cli"
        shutil.copy(CLI, self.cli)
        self.model = self.folder / "tiny.gguf"
        self.model.write_bytes(runnable())

    def plug_in(self, content=None):
        path = self.folder / "libalcove_cuda.so"
        if content is None:
            shutil.copy(pathlib.Path(BUILD) / "tests/libfake_cuda_plugin.so", path)
        else:
            path.write_bytes(content)

    def generate(self, *options, card="", tokens=3):
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "ALCOVE_FAKE_CARD": card}
        return subprocess.run([self.cli, "generate", self.model, "--raw", "--prompt", "he", "-n", str(tokens), "--threads",
                               "1", "--context", "64", "--ignore-eos", "--stats", self.folder / "stats.json", *options],
                              capture_output=True, env=environment, text=True, errors="replace")

    def fails(self, *parts, card="", options=()):
        run = self.generate("--device", "cuda", *options, card=card)
        self.assertEqual(run.returncode, 1, run.stderr)
        self.assertEqual(run.stderr.count("\n"), 1, run.stderr)
        self.assertNotIn("this is a bug", run.stderr)
        for part in parts:
            self.assertIn(part, run.stderr)

    def goes_on(self, card="", device="cpu: "):
        run = self.generate(card=card)
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        stats = json.loads((self.folder / "stats.json").read_text())
        self.assertEqual(stats["new_tokens"], 3)
        self.assertTrue(stats["device"].startswith(device), stats["device"])
        return stats

    def test_no_plug_in(self):
        self.fails("libalcove_cuda.so", "--device cpu")
        self.goes_on()

    def test_a_damaged_plug_in(self):
        self.plug_in(b"not a library")
        self.fails("cannot be opened", "--device cpu")
        self.goes_on()

    def test_a_plug_in_of_another_version(self):
        self.plug_in()
        self.fails("another version", "--device cpu", card="other-version")
        self.goes_on(card="other-version")

    def test_a_driver_that_is_too_old(self):
        self.plug_in()
        self.fails("CUDA 11.4", "update the driver", "--device cpu", card="old-driver")
        self.goes_on(card="old-driver")

    def test_a_card_with_no_room_to_begin(self):
        for card in ("full", "dead"):
            self.plug_in()
            self.fails("--device cuda", "--device cpu", card=card)
            self.goes_on(card=card)

    def test_a_model_too_large_for_the_card(self):
        self.plug_in()
        self.fails("MiB of weights", "are free", "--device cpu", card="small")

    def test_memory_taken_by_another_program_while_loading(self):
        self.plug_in()
        self.fails("MiB free", "--device cpu", card="filled")

    def test_a_card_lost_while_loading_and_while_answering(self):
        self.plug_in()
        for calls in (3, 40, 700):
            with self.subTest(calls=calls):
                run = self.generate("--device", "cuda", card=f"lost-{calls}", tokens=50)
                self.assertEqual(run.returncode, 1, run.stdout)
                self.assertIn("device lost", run.stderr)
                self.assertIn("the CPU", run.stderr)
                self.assertNotIn("this is a bug", run.stderr)

    def test_the_figures_tell_the_plan_and_the_peak(self):
        self.plug_in()
        stats = self.goes_on(device="cuda: Pretend Card")
        self.assertGreater(stats["planned_device_bytes"], 0)
        self.assertAlmostEqual(stats["peak_device_bytes"] / stats["planned_device_bytes"], 1, delta=0.05)


if __name__ == "__main__":
    unittest.main()
