"""The repository keeps its direction, and a planted violation of each kind is found."""
import os
import pathlib
import subprocess
import tempfile
import unittest

import layers

SOURCE = pathlib.Path(os.environ.get("ALCOVE_SOURCE", pathlib.Path(__file__).resolve().parents[2]))
BUILD = os.environ.get("ALCOVE_BUILD")


class Repository(unittest.TestCase):
    def test_every_include_goes_the_right_way(self):
        found, files = layers.check_includes(SOURCE)
        self.assertEqual(found, [])
        self.assertGreater(files, 50)

    def test_no_qt_symbol_below_app(self):
        self.assertTrue(BUILD, "ALCOVE_BUILD names no build folder; run this through ctest")
        for room in ("kernels", "engine"):
            self.assertEqual(layers.check_archive(pathlib.Path(BUILD) / room / f"libalcove_{room}.a"), [])


class PlantedViolation(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        for path in ("kernels/ops.h", "kernels/cuda/plugin_abi.h", "kernels/cuda/launch.cuh", "kernels/cuda/a.h",
                     "engine/model.h", "app/chat.h", "app/cli/cli.h", "app/main.cpp", "ui/window.h"):
            self.plant(path, "")

    def plant(self, path, text):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def violations(self, path, include):
        self.plant(path, f"// a file\n#include {include}\n")
        return layers.check_includes(self.root)[0]

    def test_allowed_edges_pass(self):
        self.assertEqual(self.violations("engine/a.cpp", '"kernels/ops.h"'), [])
        self.assertEqual(self.violations("app/a.cpp", '"engine/model.h"'), [])
        self.assertEqual(self.violations("ui/a.cpp", '"app/chat.h"'), [])
        self.assertEqual(self.violations("kernels/cuda_plugin.cpp", '"kernels/cuda/plugin_abi.h"'), [])
        self.assertEqual(self.violations("kernels/cuda/a.cu", "<cuda_runtime.h>"), [])
        self.assertEqual(self.violations("app/b.cpp", "<QString>"), [])

    def test_upwards_and_skipping_includes_are_found(self):
        for path, include in [("kernels/a.cpp", "engine/model.h"), ("engine/a.cpp", "app/chat.h"),
                              ("app/a.cpp", "ui/window.h"), ("app/a.cpp", "kernels/ops.h"),
                              ("ui/a.cpp", "engine/model.h"), ("ui/a.cpp", "kernels/ops.h"),
                              ("app/a.cpp", "app/cli/cli.h"), ("engine/a.cpp", "tests/a.h")]:
            with self.subTest(path=path, include=include):
                self.plant("tests/a.h", "")
                found = self.violations(path, f'"{include}"')
                self.assertEqual(len(found), 1, found)
                self.assertTrue(found[0].startswith(f"{path}:2: "), found)
                self.plant(path, "")

    def test_qt_below_app_is_found(self):
        for path in ("kernels/a.cpp", "engine/a.cpp", "app/cli/a.cpp"):
            for include in ("<QString>", "<QtCore/QString>", "<qglobal.h>"):
                with self.subTest(path=path, include=include):
                    self.assertEqual(len(self.violations(path, include)), 1)
            self.plant(path, "")

    def test_cuda_headers_outside_their_folder_are_found(self):
        for include in ("<cuda_runtime.h>", "<cublasLt.h>", "<cooperative_groups.h>", '"kernels/cuda/launch.cuh"',
                        '"kernels/cuda/a.h"'):
            with self.subTest(include=include):
                self.assertNotEqual(self.violations("kernels/a.cpp", include), [])
                self.assertNotEqual(self.violations("tests/a.cpp", include), [])

    def test_a_path_that_is_not_from_the_root_is_found(self):
        self.assertEqual(len(self.violations("kernels/a.cpp", '"ops.h"')), 1)

    def test_a_qt_symbol_in_an_archive_is_found(self):
        self.plant("leak.cpp", "class QString; void show(const QString&); void f(const QString& s) { show(s); }\n")
        self.plant("clean.cpp", "struct QkvRows; namespace kernels { int quantise(int x) { return x; } }\n")
        for name, violations in (("leak", 1), ("clean", 0)):
            object_file, archive = self.root / f"{name}.o", self.root / f"lib{name}.a"
            subprocess.run(["c++", "-c", self.root / f"{name}.cpp", "-o", object_file], check=True)
            subprocess.run(["ar", "rc", archive, object_file], check=True)
            self.assertEqual(len(layers.check_archive(archive)), violations)


if __name__ == "__main__":
    unittest.main()
