"""Plays the game of docs/examples/stackless_host.cpp, and looks at what is said in which frame.

Takes the path of its program.
"""

import os
import subprocess
import sys
import unittest

SAID = """\
frame 1: the guard hears steps
frame 1: the merchant sells apple for 3
frame 1: the philosopher thinks about the steps
frame 2: the merchant has failed: KeyError('pear')
frame 3: the guard hears a silence
frame 4: the philosopher is stopped
frame 5: the guard goes home
1 is runnable: the game
"""


class StacklessHost(unittest.TestCase):
    def play(self, **environment):
        return subprocess.run([PROGRAM], capture_output=True, text=True, env=os.environ | environment, timeout=60)

    def test_a_script_that_fails_and_one_that_does_not_end_are_stopped_and_the_game_goes_on(self):
        end = self.play()
        self.assertEqual((end.stdout, end.stderr, end.returncode), (SAID, "", 0))

    def test_it_is_the_same_each_time(self):
        self.assertEqual({self.play(PYTHONHASHSEED=str(seed)).stdout for seed in range(5)}, {SAID})

    def test_what_python_raises_in_the_games_own_calls_is_told(self):
        end = self.play(PYTHONPATH=os.environ["PYTHONPATH"].split(":")[0])  # where martlet is, and the scripts are not
        self.assertEqual(end.returncode, 2)
        self.assertIn("ModuleNotFoundError: No module named 'stackless_host'", end.stderr)
        self.assertIn("stackless_host: the game cannot go on", end.stderr)


PROGRAM = sys.argv.pop(1)
unittest.main()
