"""What the tests of simulations share."""

import os
import subprocess
import sys
import textwrap

import martlet


def in_a_process(body, hash_seed="0", *options):
    """Runs a program in a process of its own and returns (what it printed, its exit code)."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONHASHSEED"}
    if hash_seed is not None:
        environment["PYTHONHASHSEED"] = hash_seed
    program = subprocess.run(
        [sys.executable, *options, "-c", textwrap.dedent(body)], env=environment, capture_output=True, text=True, timeout=60
    )
    return program.stdout + program.stderr, program.returncode


async def notes(order, name):
    for _ in range(4):
        order.append(name)
        await martlet.ayield()


def notes_blocking(order, name):
    for _ in range(4):
        order.append(name)
        martlet.yield_()


async def notes_in_both_kinds():
    order = []
    async with martlet.scope() as inside:
        for name in "abc":
            inside.spawn(notes, order, name)
        for name in "xyz":
            inside.spawn(notes_blocking, order, name)
    return "".join(order)
