"""The direction of the house: who may include whom, and what no object below app/ may refer to.

    layers.py SOURCE_ROOT [BUILD_ROOT]    prints each violation on a line; exit 1 if there is one

ARCHITECTURE.md ("Rooms") says the same in words. With BUILD_ROOT the symbols of the archives of kernels and engine
are read as well (nm), since a Qt type can also arrive through somebody else's header.
"""
import pathlib
import re
import subprocess
import sys

# A file of the room on the left may include files of the rooms on the right, and of no other.
EDGES = {
    "kernels": {"kernels"},
    "engine": {"engine", "kernels"},
    "app": {"app", "engine"},
    "ui": {"ui", "app"},
    "cli": {"cli", "engine", "kernels"},
    "main": {"main", "ui", "app", "engine"},
    "tests": {"tests", "main", "cli", "ui", "app", "engine", "kernels"},
}
WITHOUT_QT = {"kernels", "engine", "cli"}
# The one header of the CUDA folder that others may read: the plug-in's plain C++ interface.
CUDA_DOOR = "kernels/cuda/plugin_abi.h"

SOURCES = {".h", ".cpp", ".inc", ".cu", ".cuh"}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
CUDA_HEADER = re.compile(r"^(cuda|cublas|curand|cudnn|nvml|nvrtc|cub/|thrust/|cooperative_groups|mma\.h|device_)|\.cuh$")
QT_HEADER = re.compile(r"^Q[A-Z]|^Qt[A-Z/]|^q[a-z]+\.h$")
QT_SYMBOL = re.compile(r"\bQ[A-Z][a-z]\w*|\bQt::|\bqt_\w+|\bqRegister\w+|\bq_\w+")


def room_of(path):
    """The room of a path relative to the root; None outside every room."""
    parts = pathlib.PurePosixPath(path).parts
    if parts[:2] == ("app", "cli") or parts == ("app", "cli_main.cpp"):
        return "cli"
    if parts == ("app", "main.cpp"):
        return "main"
    return parts[0] if parts[0] in EDGES else None


def is_cuda_code(path):
    return path.startswith("kernels/cuda/") or path.endswith((".cu", ".cuh"))


def judge(path, quoted, target, exists):
    """The reasons why the file `path` may not include `target`; empty if it may."""
    room = room_of(path)
    if QT_HEADER.search(target) and room in WITHOUT_QT:
        yield f"{room} is built without Qt and may not include <{target}>"
    if CUDA_HEADER.search(target) and not is_cuda_code(path):
        yield f"<{target}> is CUDA's and stays inside kernels/cuda/"
    if not quoted or target.endswith(".moc"):
        return
    if not exists:
        yield f'"{target}" is no path from the root of the repository'
        return
    other = room_of(target)
    if other not in EDGES[room]:
        yield f'{room} may not include "{target}": its rooms are {", ".join(sorted(EDGES[room]))}'
    if target.startswith("kernels/cuda/") and target != CUDA_DOOR and not is_cuda_code(path):
        yield f'"{target}" stays inside kernels/cuda/; its door is {CUDA_DOOR}'


def check_includes(root):
    """Violations of the sources below `root`, and how many files were read."""
    root = pathlib.Path(root)
    found, files = [], 0
    for folder in ("kernels", "engine", "app", "ui", "tests"):
        for file in sorted((root / folder).rglob("*")):
            if file.suffix not in SOURCES:
                continue
            files += 1
            path = file.relative_to(root).as_posix()
            for number, line in enumerate(file.read_text(errors="replace").splitlines(), 1):
                match = INCLUDE.match(line)
                if match:
                    quoted, target = match[1] == '"', match[2]
                    for reason in judge(path, quoted, target, (root / target).is_file()):
                        found.append(f"{path}:{number}: {reason}")
    return found, files


def check_archive(archive):
    """Qt symbols, defined or wanted, in one static library."""
    names = subprocess.run(["nm", "-C", str(archive)], check=True, capture_output=True, text=True).stdout
    if not names.strip():
        return [f"{archive}: no symbols at all; is it the right file?"]
    hits = sorted({m[0] for line in names.splitlines() if (m := QT_SYMBOL.search(line))})
    return [f"{archive}: refers to Qt ({', '.join(hits[:5])}), which only app and ui may"] if hits else []


def main(arguments):
    found, files = check_includes(arguments[0])
    if files == 0:
        found.append(f"{arguments[0]}: no sources there")
    if len(arguments) > 1:
        for room in ("kernels", "engine"):
            found += check_archive(pathlib.Path(arguments[1]) / room / f"libalcove_{room}.a")
    print("\n".join(found) if found else f"layers: {files} files, every include goes the right way")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
