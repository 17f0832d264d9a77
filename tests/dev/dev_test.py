"""./dev does each thing once, names what it installs, and ends with one clear line when something fails.

It runs in a copy of its own, with stand-ins for the system's programs first in PATH: they record how they were called.
"""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ.get("ALCOVE_SOURCE", pathlib.Path(__file__).resolve().parents[2]))
VERBS = "setup build run test bench lint format fuzz clean".split()

STAND_INS = {
    # Installed is what the file `installed` lists, a name a line.
    "dpkg-query": 'grep -qx -- "${@: -1}" "$SANDBOX/installed" && printf installed || exit 1',
    "apt-get": '''echo "apt-get $*" >> "$SANDBOX/calls"
        [ -e "$SANDBOX/apt-fails" ] && { echo "E: Failed to fetch some/package  Could not resolve host" >&2; exit 100; }
        case $1 in install)
            for option; do case $option in APT::Status-Fd=*) fd=${option#*=} ;; esac; done
            printf '%s\\n' dlstatus:1:1.0:x dlstatus:2:57.5:x pmstatus:libx:amd64:4:x >&$fd
            # Like the real one: what is installed writes to standard output, without the descriptor of the status lines.
            (eval "exec $fd>&-"; echo 'Setting up libx') || exit 100
            [ -e "$SANDBOX/dpkg-fails" ] && {
                echo "dpkg: error processing package libx (--configure):" >&2
                echo "E: Sub-process /usr/bin/dpkg returned an error code (1)" >&2; exit 100; }
            echo pmstatus:libx:100.0:x >&$fd
            shift; for name; do case $name in -*|*=*) ;; *) echo "$name" >> "$SANDBOX/installed" ;; esac; done ;;
        esac
        exit 0''',
    "apt-cache": 'case $2 in libqt6svg6-dev) exit 100 ;; esac',
    "sudo": 'echo "sudo $*" >> "$SANDBOX/calls"; exec "$@"',
    "id": 'echo 1000',
    "df": 'echo Avail; cat "$SANDBOX/free" 2>/dev/null || echo 99000000',
    "ccache": ":",
    "nproc": "echo 2",
    "cmake": '''echo "cmake $*" >> "$SANDBOX/calls"
        [ -e "$SANDBOX/cmake-fails" ] && { echo "error: no space left on device" >&2; exit 1; }
        case $1 in
            --preset) mkdir -p build/$2 && touch build/$2/build.ninja ;;
            --build) mkdir -p "$2/bin"
                for program in alcove alcove-cli; do
                    printf '#!/bin/sh\\necho "%s $*"\\n' $program > "$2/bin/$program"; chmod +x "$2/bin/$program"
                done
                echo "ninja: no work to do." ;;
        esac''',
}
FETCH = """
import os, pathlib, sys
pathlib.Path(os.environ["SANDBOX"], "calls").open("a").write("fetch_model " + sys.argv[1] + "\\n")
if pathlib.Path(os.environ["SANDBOX"], "fetch-fails").exists(): sys.exit("fetch_model: pip could not fetch")
print("/models/smol.gguf")
"""


class Dev(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.sandbox = pathlib.Path(temporary.name)
        self.copy = self.sandbox / "copy"
        (self.copy / "packaging").mkdir(parents=True)
        shutil.copy(SOURCE / "dev", self.copy)
        shutil.copy(SOURCE / "packaging" / "packages.sh", self.copy / "packaging")
        (self.copy / "packaging" / "fetch_model.py").write_text(FETCH)
        (self.sandbox / "bin").mkdir()
        for name, body in STAND_INS.items():
            program = self.sandbox / "bin" / name
            program.write_text(f"#!/usr/bin/env bash\n{body}\n")
            program.chmod(0o755)
        self.install_all()

    def packages(self, *groups):
        text = (SOURCE / "packaging" / "packages.sh").read_text()
        listed = []
        for group in groups or ("run", "test", "tools"):
            listed += re.search(rf"^packages_{group}='(.*?)'", text, re.M | re.S)[1].split()
        return listed

    def install_all(self, but=()):
        names = [entry.split("|")[0] for entry in self.packages()]
        (self.sandbox / "installed").write_text("".join(f"{name}\n" for name in names if name not in but))

    def dev(self, *arguments, display=""):
        environment = {**os.environ, "SANDBOX": str(self.sandbox), "DISPLAY": display,
                       "PATH": f"{self.sandbox / 'bin'}:{os.environ['PATH']}", "XDG_DATA_HOME": "/data"}
        environment.pop("WAYLAND_DISPLAY", None)
        calls = self.sandbox / "calls"
        calls.write_text("")
        result = subprocess.run([self.copy / "dev", *arguments], env=environment, text=True, capture_output=True,
                                stdin=subprocess.DEVNULL, timeout=120, check=False)
        return result, calls.read_text().splitlines()

    def test_every_verb_explains_itself(self):
        overview = self.dev("--help")[0].stdout
        for verb in VERBS:
            result, calls = self.dev(verb, "--help")
            self.assertEqual((result.returncode, calls), (0, []), verb)
            self.assertTrue(result.stdout.startswith(f"Usage: ./dev {verb}"), verb)
            self.assertIn(f"\n  {verb} ", overview)

    def test_what_it_does_not_know_is_a_usage_error(self):
        for arguments in (["frobnicate"], [], ["run", "--frobnicate"], ["run", "--prompt"], ["setup", "everything"]):
            result, calls = self.dev(*arguments)
            self.assertEqual((result.returncode, calls, result.stdout), (2, [], ""), arguments)
            self.assertNotEqual(result.stderr, "")

    def test_nothing_is_installed_when_all_is_there(self):
        result, calls = self.dev("setup")
        self.assertEqual((result.returncode, calls, result.stdout, result.stderr), (0, [], "", ""))

    def test_missing_packages_are_named_and_installed_with_sudo(self):
        self.install_all(but=("cmake", "libpcre2-dev"))
        result, calls = self.dev("setup")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("installing with sudo apt-get: cmake libpcre2-dev", result.stderr)
        [install] = [call for call in calls if call.startswith("apt-get install")]
        self.assertTrue(install.endswith(" cmake libpcre2-dev"), install)
        self.assertTrue(all(calls[i - 1].startswith("sudo ") for i, c in enumerate(calls) if c.startswith("apt-get")))
        self.assertEqual(self.dev("setup")[1], [])

    def test_installing_shows_how_far_it_is_and_packages_can_speak(self):
        self.install_all(but=("cmake",))
        result, _ = self.dev("setup")
        self.assertEqual((result.returncode, result.stdout), (0, ""), result.stderr)
        self.assertEqual(result.stderr.splitlines()[1:],
                         ["dev: downloading packages: 0 %", "dev: downloading packages: 50 %",
                          "dev: installing packages: 0 %", "dev: installing packages: 100 %"])
        self.assertIn("Setting up libx", (self.copy / "build" / "setup.log").read_text())

    def test_of_two_names_the_known_one_is_installed_and_either_one_serves(self):
        self.install_all(but=("qt6-svg-dev",))
        result, calls = self.dev("setup", "run")
        self.assertIn("apt-get: qt6-svg-dev (or libqt6svg6-dev)\n", result.stderr)
        self.assertTrue(any(call.endswith(" qt6-svg-dev") for call in calls), calls)
        self.install_all(but=("qt6-svg-dev",))
        with (self.sandbox / "installed").open("a") as installed:
            installed.write("libqt6svg6-dev\n")
        self.assertEqual(self.dev("setup", "run")[1], [])

    def test_a_failing_mirror_ends_in_one_clear_line(self):
        self.install_all(but=("cmake",))
        (self.sandbox / "apt-fails").touch()
        result, calls = self.dev("run", "--prompt", "hello")
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        last = result.stderr.splitlines()[-1]
        self.assertRegex(last, "^dev: apt-get could not .*Could not resolve host.*check the network")
        self.assertEqual([call for call in calls if call.startswith(("cmake", "fetch"))], [])

    def test_the_package_that_cannot_be_set_up_is_named(self):
        self.install_all(but=("cmake",))
        (self.sandbox / "dpkg-fails").touch()
        result, _ = self.dev("setup")
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stderr.splitlines()[-1], "^dev: apt-get could not install .*error processing package libx")

    def test_a_full_disk_is_said_before_anything_is_built(self):
        (self.sandbox / "free").write_text("20000\n")
        result, calls = self.dev("run", "--prompt", "hello")
        self.assertEqual((result.returncode, result.stdout, calls), (1, "", []))
        self.assertRegex(result.stderr.splitlines()[-1], "^dev: .* has 19 MB free and building needs")

    def test_a_disk_that_fills_up_under_the_build_is_named(self):
        release = self.copy / "build" / "release"
        release.mkdir(parents=True)
        (release / "build.ninja").touch()
        (self.sandbox / "cmake-fails").touch()
        (self.sandbox / "free").write_text("20000\n")
        result, calls = self.dev("run", "--prompt", "hello")
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        self.assertRegex(result.stderr.splitlines()[-1], r"^dev: the disk that holds .*/copy/build is full \(19 MB free\)")
        self.assertFalse(any(call.startswith("fetch") for call in calls))
        (self.sandbox / "free").unlink()
        self.assertIn("the build of 'release' failed", self.dev("run")[0].stderr.splitlines()[-1])

    def test_a_failing_build_starts_nothing(self):
        (self.sandbox / "cmake-fails").touch()
        result, calls = self.dev("run", "--prompt", "hello")
        self.assertNotEqual(result.returncode, 0)
        self.assertEqual(result.stdout, "")
        self.assertTrue(result.stderr.splitlines()[-1].startswith("dev: cmake could not configure"), result.stderr)
        self.assertFalse(any(call.startswith("fetch") for call in calls))

    def test_a_model_that_cannot_be_fetched_starts_nothing(self):
        (self.sandbox / "fetch-fails").touch()
        result, _ = self.dev("run", "--prompt", "hello")
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        self.assertEqual(result.stderr.splitlines()[-1], "fetch_model: pip could not fetch")

    def test_a_prompt_prints_the_answer_alone(self):
        result, calls = self.dev("run", "--prompt", "Say 'hi' & go")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertTrue(result.stdout.startswith("alcove-cli generate /models/smol.gguf --prompt Say 'hi' & go --temp 0.7"),
                        result.stdout)
        self.assertIn("fetch_model /data/alcove/models", calls)
        result, _ = self.dev("run", "--prompt", "Hi", "--", "--temp", "0")
        self.assertEqual(result.stdout, "alcove-cli generate /models/smol.gguf --prompt Hi --temp 0\n")

    def test_a_second_run_configures_nothing_again(self):
        first = self.dev("run", "--prompt", "a")[1]
        second = self.dev("run", "--prompt", "a")[1]
        self.assertTrue(any(call.startswith("cmake --preset") for call in first))
        self.assertFalse(any(call.startswith(("cmake --preset", "apt-get", "sudo")) for call in second), second)

    def test_without_a_display_it_says_so_and_chats_in_the_terminal(self):
        result, _ = self.dev("run")
        self.assertIn("no display", result.stderr)
        self.assertTrue(result.stdout.startswith("alcove-cli chat /models/smol.gguf --temp 0.7"), result.stdout)

    def test_with_a_display_it_opens_the_window(self):
        result, _ = self.dev("run", "--", "--new-window", display=":7")
        self.assertEqual(result.stdout, "alcove --new-window\n")

    def test_tests_of_real_models_name_the_folder_they_miss(self):
        environment_models = os.environ.get("ALCOVE_MODELS")
        os.environ["ALCOVE_MODELS"] = "/nowhere"
        try:
            result, calls = self.dev("test", "--models")
        finally:
            os.environ.pop("ALCOVE_MODELS")
            if environment_models is not None:
                os.environ["ALCOVE_MODELS"] = environment_models
        self.assertEqual((result.returncode, calls), (1, []))
        self.assertIn("/nowhere/smollm2.gguf", result.stderr)


if __name__ == "__main__":
    unittest.main()
