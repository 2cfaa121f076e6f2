"""Lets bench/compare measure small programs of the shell instead of runtimes."""

import contextlib
import io
import json
import pathlib
import sys
import tempfile
import types
import unittest
from unittest import mock

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "bench" / "compare"))
import run  # noqa: E402
import runtimes  # noqa: E402


def from_shell(build, sources):
    return {source.parent.name: runtimes.Program(("sh", source), (source,)) for source in sources}


def not_there(build, sources):
    raise runtimes.Missing("no camel is in the stable")


RUNTIMES = tuple(runtimes.Runtime(name, f"{name}.sh", from_shell, ("echo", f"{name} 1.2"), is_core=name != "slow")
                 for name in ("martlet", "swift", "swallow", "slow", "serial"))


def in_python(version, after):
    """Returns martlet, a peer and serial code on an interpreter."""
    return tuple(runtimes.Runtime(name + after, f"{name.split()[0]}_in_python.sh", from_shell, beside=beside, python=version)
                 for name, beside in (("martlet in Python", "martlet"), ("viper", "martlet in Python" + after),
                                      ("serial in Python", "martlet in Python" + after)))


IN_PYTHON = (*in_python(runtimes.SYSTEM, ""), *in_python("3.99t", " 3.99t"))
CAMEL = runtimes.Runtime("camel", "camel.sh", not_there)


class Compare(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        self.build, self.out = self.root / "release", self.root / "build" / "compare"
        (self.build / "meson-info").mkdir(parents=True)
        (self.build / "bench").mkdir()
        self.log = self.root / "log"
        self.replace(runtimes, HERE=self.root / "workloads", ROOT=self.root, OUT=self.out, RUNTIMES=RUNTIMES)
        self.replace(run.machine, surroundings=lambda tree: dict.fromkeys(
            ("machine", "processors", "kernel", "compiler", "boost", "tbb", "martlet"), "known"))
        self.replace(run.os, sched_getaffinity=lambda process: {0})
        self.drawn = mock.Mock()
        chart = mock.patch.dict(sys.modules, chart=types.SimpleNamespace(draw=self.drawn))
        chart.start()
        self.addCleanup(chart.stop)

    def replace(self, module, **values):
        patch = mock.patch.multiple(module, **values)
        patch.start()
        self.addCleanup(patch.stop)

    def workload(self, name, text='figures = { ns = "ns a wing" }', **programs):
        """Makes a workload; each program notes that it was called, and runs some lines of the shell."""
        folder = runtimes.HERE / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "workload.toml").write_text(f'what = "flaps"\n{text}\n')
        for runtime, lines in programs.items():
            (folder / f"{runtime}.sh").write_text(f'echo {name} {runtime} "$@" >>"{self.log}"\n{lines}\n')

    def client(self, name, lines):
        path = self.build / "bench" / f"compare-{name}-client"
        path.write_text(f"#!/bin/sh\n{lines}\n")
        path.chmod(0o755)

    def compare(self, *words):
        """Returns what was printed, tables and complaints, and the names of the programs that ran."""
        self.log.write_text("")
        printed, complaints = io.StringIO(), io.StringIO()
        with (mock.patch.object(sys, "argv", ["run.py", str(self.build), *words]), contextlib.redirect_stdout(printed),
              contextlib.redirect_stderr(complaints)):
            try:
                run.main()
            except SystemExit as end:
                complaints.write(str(end.code))
        return printed.getvalue(), complaints.getvalue(), self.log.read_text().splitlines()

    def kept(self):
        return json.loads((self.out / "measured.json").read_text())["cases"]

    def values(self, key, runtime):
        return [one[runtime]["ns"] for one in self.kept()[key]["rounds"] if runtime in one]

    def rows(self, text):
        """Returns the cells of the rows for one thread, by runtime: its figures, then the ratio."""
        rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| 1 |")]
        return {name: cells for _, name, *cells in rows}

    def in_turn(self, *figures):
        """Returns lines of the shell that print another figure each time."""
        left = self.root / f"left-{'-'.join(map(str, figures))}"
        left.write_text("".join(f"ns {figure}\n" for figure in figures))
        return f'head -n 1 "{left}"; sed -i 1d "{left}"'


class Measuring(Compare):
    def test_the_programs_of_a_case_run_in_turn_round_after_round(self):
        self.workload("fly", martlet="echo ns 1", swift="echo ns 2", serial="echo ns 3")
        _, _, ran = self.compare("--quick")
        self.assertEqual(ran, ["fly martlet 1 -", "fly swift 1 -", "fly serial 1 -"] * run.QUICK_ROUNDS)
        _, _, ran = self.compare()
        self.assertEqual(len(ran), 3 * (run.ROUNDS - run.QUICK_ROUNDS))

    def test_each_variant_runs_on_one_thread_and_on_all_processors_and_serial_code_on_one(self):
        self.replace(run.os, sched_getaffinity=lambda process: {0, 1, 2})
        self.workload("fly", 'figures = { ns = "ns" }\nvariants = ["up", "down"]', martlet="echo ns 1", serial="echo ns 1")
        _, _, ran = self.compare("--quick")
        self.assertEqual(set(ran), {"fly martlet 1 up", "fly serial 1 up", "fly martlet 3 up", "fly martlet 1 down",
                                    "fly serial 1 down", "fly martlet 3 down"})

    def test_a_workload_says_how_many_threads_it_is_for_and_is_left_out_where_there_are_fewer(self):
        self.workload("fly", 'figures = { ns = "ns" }\nthreads = [2]', martlet="echo ns 1", serial="echo ns 1")
        self.assertEqual(self.compare("--quick")[2], [])
        self.replace(run.os, sched_getaffinity=lambda process: {0, 1, 2})
        self.assertEqual(set(self.compare("--quick")[2]), {"fly martlet 2 -", "fly serial 2 -"})

    def test_a_client_is_told_the_port_and_the_variant_and_its_figures_count_too(self):
        over = self.root / "over"
        self.client("fly", f'echo rate $(($1 - $2)); touch "{over}"')
        self.workload("fly", 'figures = { us = "us", rate = "rate" }\nvariants = ["64"]\nclient = "client.cpp"',
                      martlet=f'echo port 8000; until test -e "{over}"; do sleep 0.1; done; rm "{over}"; echo us 5')
        self.compare("--quick")
        self.assertEqual(self.kept()["fly 64 1"]["rounds"], [{"martlet": {"us": 5, "rate": 7936}}] * run.QUICK_ROUNDS)

    def test_quick_takes_the_nearest_peers_and_peers_take_those_that_are_named(self):
        self.workload("fly", **dict.fromkeys(("martlet", "swift", "swallow", "slow", "serial"), "echo ns 1"))
        self.assertEqual({line.split()[1] for line in self.compare("--quick")[2]}, {"martlet", "swift", "swallow", "serial"})
        self.assertEqual({line.split()[1] for line in self.compare("--fresh", "--peers", "slow, swift")[2]},
                         {"martlet", "swift", "slow", "serial"})
        self.assertEqual({line.split()[1] for line in self.compare("--fresh", "--peers", "slow", "--peers", "swallow")[2]},
                         {"martlet", "swallow", "slow", "serial"})
        self.assertEqual({line.split()[1] for line in self.compare("--fresh")[2]},
                         {"martlet", "swift", "swallow", "slow", "serial"})

    def test_a_workload_says_on_which_other_pythons_it_is_measured(self):
        self.replace(runtimes, RUNTIMES=IN_PYTHON)
        programs = dict.fromkeys(("martlet_in_python", "viper_in_python"), "echo ns 1")
        self.workload("fly", **programs)
        self.workload("slither", 'figures = { ns = "ns" }\npythons = ["3.99t"]', **programs)
        self.compare()
        self.assertEqual(set(self.kept()["fly - 1"]["programs"]), {"martlet in Python", "viper"})
        self.assertEqual(set(self.kept()["slither - 1"]["programs"]),
                         {"martlet in Python", "viper", "martlet in Python 3.99t", "viper 3.99t"})

    def test_martlet_and_serial_code_of_the_same_python_come_with_a_peer_that_is_named(self):
        self.replace(runtimes, RUNTIMES=(*RUNTIMES, *IN_PYTHON))
        self.workload("slither", 'figures = { ns = "ns" }\npythons = ["3.99t"]', martlet="echo ns 1", swift="echo ns 1",
                      **dict.fromkeys(("martlet_in_python", "viper_in_python", "serial_in_python"), "echo ns 1"))
        self.compare("--peers", "viper")
        self.assertEqual(set(self.kept()["slither - 1"]["programs"]),
                         {"martlet", "martlet in Python", "viper", "serial in Python"})
        self.compare("--fresh", "--peers", "swift")
        self.assertEqual(set(self.kept()["slither - 1"]["programs"]), {"martlet", "swift"})

    def test_serial_code_runs_on_one_thread_in_every_language(self):
        self.replace(run.os, sched_getaffinity=lambda process: {0, 1})
        self.replace(runtimes, RUNTIMES=(*RUNTIMES, *IN_PYTHON))
        self.workload("fly", martlet="echo ns 1", serial="echo ns 1", serial_in_python="echo ns 1")
        self.compare()
        self.assertEqual(set(self.kept()["fly - 1"]["programs"]), {"martlet", "serial", "serial in Python"})
        self.assertEqual(set(self.kept()["fly - 2"]["programs"]), {"martlet"})

    def test_only_takes_the_workloads_that_are_named(self):
        for name in ("dive", "fly", "glide", "perch"):
            self.workload(name, martlet="echo ns 1")
        self.assertEqual({line.split()[0] for line in self.compare("--quick", "--only", "fly,dive", "--only", "perch")[2]},
                         {"dive", "fly", "perch"})


class Keeping(Compare):
    def test_what_was_cut_short_goes_on_where_it_stopped(self):
        calm = self.root / "calm"
        self.workload("dive", martlet="echo ns 1")
        self.workload("fly", martlet=f'test -e "{calm}" || test $(grep -c fly "{self.log}") = 1 || exit 1; echo ns 1',
                      swift=self.in_turn(20, 30, 40))
        _, complaints, _ = self.compare("--quick")
        self.assertIn("compare: fly of martlet, 1 threads: it ended with 1", complaints)
        self.assertEqual(self.values("fly - 1", "swift"), [20])
        calm.touch()
        _, _, ran = self.compare("--quick")
        self.assertEqual(ran, ["fly martlet 1 -", "fly swift 1 -"] * 2)
        self.assertEqual(self.values("fly - 1", "swift"), [20, 30, 40])

    def test_a_case_is_measured_again_when_a_program_of_it_has_changed(self):
        self.workload("dive", martlet="echo ns 1", swift="echo ns 2")
        self.workload("fly", martlet="echo ns 1", swift="echo ns 2")
        self.compare("--quick")
        self.workload("fly", swift="echo ns 3")
        _, _, ran = self.compare("--quick")
        self.assertEqual(ran, ["fly martlet 1 -", "fly swift 1 -"] * run.QUICK_ROUNDS)
        self.assertEqual(self.values("fly - 1", "swift"), [3] * run.QUICK_ROUNDS)

    def test_a_case_is_measured_again_when_a_program_is_new(self):
        self.workload("fly", martlet="echo ns 1")
        self.compare("--quick")
        self.workload("fly", swift="echo ns 3")
        self.assertEqual(len(self.compare("--quick")[2]), 2 * run.QUICK_ROUNDS)

    def test_fewer_peers_and_one_that_is_gone_leave_what_was_measured(self):
        self.workload("fly", martlet="echo ns 1", swift="echo ns 2", swallow="echo ns 3")
        self.compare("--quick")
        self.assertEqual(self.compare("--quick", "--peers", "swallow")[2], [])
        (runtimes.HERE / "fly" / "swift.sh").unlink()
        self.assertEqual(self.compare("--quick")[2], [])
        self.assertEqual(self.values("fly - 1", "swift"), [2] * run.QUICK_ROUNDS)

    def test_fresh_forgets_what_is_measured_now_and_nothing_else(self):
        self.workload("dive", martlet=self.in_turn(1, 2, 3, 4))
        self.workload("fly", martlet=self.in_turn(5, 6, 7, 8, 9, 10))
        self.compare("--quick")
        self.compare("--quick", "--fresh", "--only", "fly")
        self.assertEqual(self.values("dive - 1", "martlet"), [1, 2, 3])
        self.assertEqual(self.values("fly - 1", "martlet"), [8, 9, 10])

    def test_a_wrong_name_is_told_with_those_there_are_and_nothing_is_lost(self):
        self.workload("dive", martlet="echo ns 1")
        self.workload("fly", martlet="echo ns 1")
        self.compare("--quick")
        before = (self.out / "measured.json").read_bytes()
        for words, sentence in ((("--only", "fly,swim"), "compare: there is no workload 'swim'; there are dive, fly."),
                                (("--peers", "swift,duck"), "compare: there is no runtime 'duck'; there are martlet, swift, "
                                                            "swallow, slow, serial.")):
            printed, complaints, ran = self.compare("--fresh", *words)
            self.assertEqual((printed, complaints, ran), ("", sentence, []))
        self.assertEqual((self.out / "measured.json").read_bytes(), before)


class LeavingOut(Compare):
    def test_a_runtime_that_is_not_there_is_named_with_the_reason(self):
        self.replace(runtimes, RUNTIMES=(*RUNTIMES, CAMEL))
        self.workload("fly", martlet="echo ns 1", camel="echo ns 2")
        _, complaints, ran = self.compare()
        self.assertIn("compare: camel is left out: no camel is in the stable\n", complaints)
        self.assertIn("Left out: camel (no camel is in the stable).", (self.out / "README.md").read_text())
        self.assertEqual(set(ran), {"fly martlet 1 -"})

    def test_a_runtime_without_a_program_for_the_workloads_is_not_looked_for(self):
        self.replace(runtimes, RUNTIMES=(*RUNTIMES, CAMEL))
        self.workload("fly", martlet="echo ns 1")
        self.assertNotIn("camel", self.compare()[1])

    def test_a_variant_that_does_not_exist_for_a_runtime_is_asked_for_once_and_no_failure(self):
        self.workload("fly", 'figures = { ns = "ns" }\nvariants = ["up", "down"]', martlet="echo ns 1",
                      swift='test "$2" = down || exit 3; echo ns 2')
        _, complaints, ran = self.compare("--quick")
        self.assertEqual([line for line in ran if "swift" in line], ["fly swift 1 up"] + ["fly swift 1 down"] * 3)
        self.assertNotIn("eft out", complaints + (self.out / "README.md").read_text())
        self.assertEqual(self.values("fly down 1", "swift"), [2] * 3)

    def refused(self, lines, why, text='figures = { ns = "ns" }'):
        """Checks that a program is left out and the others go on."""
        self.workload("fly", text, martlet="echo ns 1", swift=lines, swallow="echo ns 3")
        _, complaints, ran = self.compare("--quick")
        self.assertIn(f"compare: fly of swift is left out: {why}\n", complaints)
        self.assertIn(f"Left out here: swift: {why}.\n", (self.out / "README.md").read_text())
        self.assertEqual([line.split()[1] for line in ran], ["martlet", "swift"] + ["swallow", "martlet"] * 2 + ["swallow"])

    def test_a_program_that_fails_is_named_with_what_it_said(self):
        self.refused("echo ns 2; echo the wind was too strong >&2; exit 1", "it ended with 1: the wind was too strong")

    def test_a_program_that_takes_too_long_is_ended(self):
        self.replace(run, LIMIT_S=2)
        self.refused("exec sleep 60", "it took more than 2 s")

    def test_a_program_that_prints_something_else_is_named_with_it(self):
        self.refused("echo ns 2; echo and much more", "it printed 'and much more', which is no figure")

    def test_a_program_that_lacks_a_figure_is_named_with_it(self):
        self.refused("echo feathers 2", "it printed no ns")

    def test_martlet_s_own_failure_ends_everything_and_keeps_what_was_measured(self):
        self.workload("dive", martlet="echo ns 1")
        self.workload("fly", martlet="exit 1", swift="echo ns 2")
        _, complaints, ran = self.compare("--quick")
        self.assertEqual(ran[-1], "fly martlet 1 -")
        self.assertTrue(complaints.endswith("compare: fly of martlet, 1 threads: it ended with 1: "))
        self.assertEqual(self.values("dive - 1", "martlet"), [1] * 3)

    def test_so_does_that_of_martlet_in_another_language(self):
        self.replace(runtimes, RUNTIMES=IN_PYTHON)
        self.workload("fly", martlet_in_python="exit 1", viper_in_python="echo ns 2")
        _, complaints, ran = self.compare()
        self.assertEqual(ran, ["fly martlet_in_python 1 -"])
        self.assertTrue(complaints.endswith("compare: fly of martlet in Python, 1 threads: it ended with 1: "))

    def test_a_client_that_fails_is_its_server_s_failure(self):
        self.client("fly", "echo the wind was too strong >&2; exit 1")
        self.workload("fly", 'figures = { ns = "ns" }\nclient = "client.cpp"', martlet="echo port 1; exec sleep 60")
        self.assertIn("fly of martlet, 1 threads: its client ended with 1: the wind was too strong", self.compare("--quick")[1])

    def test_a_server_that_names_no_port_is_ended(self):
        self.replace(run, LIMIT_S=2)
        self.workload("fly", 'figures = { ns = "ns" }\nclient = "client.cpp"', martlet="exec sleep 60")
        self.assertIn("fly of martlet, 1 threads: it took more than 2 s", self.compare("--quick")[1])


class Tables(Compare):
    def test_a_figure_is_the_median_of_its_rounds_with_the_lowest_and_the_highest(self):
        self.workload("fly", martlet=self.in_turn(30, 10, 14), swift=self.in_turn(7, 2000, 70))
        printed, _, _ = self.compare("--quick")
        self.assertIn("| threads | runtime | ns a wing | to martlet |", printed)
        self.assertEqual(self.rows(printed), {"martlet": ["14 (10 .. 30)", "1.00"], "swift": ["70 (7 .. 2,000)", "5.00"]})

    def test_the_ratio_is_that_of_the_first_figure_and_empty_without_martlet(self):
        text = 'figures = { ns = "ns", rate = "wings a second" }\nmore_is_better = ["rate"]'
        self.workload("dive", text, swift="echo ns 2; echo rate 1")
        self.workload("fly", text, martlet="echo ns 4; echo rate 1", swift="echo ns 2; echo rate 8")
        printed, _, _ = self.compare("--quick", "--only", "fly")
        self.assertIn("| ns | wings a second (more is better) | to martlet |", printed)
        self.assertEqual(self.rows(printed)["swift"], ["2 (2 .. 2)", "8 (8 .. 8)", "0.50"])
        self.assertEqual(self.rows(self.compare("--quick", "--only", "dive")[0]), {"swift": ["2 (2 .. 2)", "1 (1 .. 1)", ""]})

    def test_in_another_language_the_ratio_is_that_to_martlet_there(self):
        self.replace(runtimes, RUNTIMES=(*RUNTIMES, *IN_PYTHON))
        self.workload("fly", martlet="echo ns 1", swift="echo ns 2", martlet_in_python="echo ns 10", viper_in_python="echo ns 25")
        rows = self.rows(self.compare()[0])
        self.assertEqual({name: cells[-1] for name, cells in rows.items()},
                         {"martlet": "1.00", "swift": "2.00", "martlet in Python": "10.00", "viper": "2.50 to martlet in Python"})

    def test_the_document_has_all_that_was_measured_and_the_versions_of_it(self):
        self.workload("dive", martlet="echo ns 1", slow="echo ns 1")
        self.workload("fly", martlet="echo ns 1", swift="echo ns 1", swallow="exit 1")
        self.compare("--only", "dive")
        printed, _, _ = self.compare("--only", "fly")
        document = (self.out / "README.md").read_text()
        self.assertNotIn("## dive", printed)
        self.assertIn("## dive\n\nFlaps.\n", document)
        self.assertIn("## fly\n\nFlaps.\n", document)
        self.assertIn("\nmartlet 1.2; slow 1.2; swift 1.2.\n", document)
        workloads, cases, *_ = self.drawn.call_args.args
        self.assertEqual([workload.name for workload in workloads], ["dive", "fly"])
        self.assertEqual([case["workload"] for case in cases], ["dive", "fly"])


if __name__ == "__main__":
    unittest.main()
