"""A pipeline of Python tasklets over all cores: numbers go in, the longest Collatz sequence comes out.

A function cuts the numbers into pieces, coroutines on every core work on them, and the main tasklet keeps the best. All of
them meet in two channels. The same pipeline runs on one worker and on one per core, and says what that gained here.
"""

import os
import platform
import sys
import time

import martlet

NUMBERS = 120_000
PIECE = 400  # about two milliseconds of work: much more than a channel costs


def cut(pieces):
    """Sends the pieces. A plain function: it just blocks while the channel is full."""
    for first in range(1, NUMBERS, PIECE):
        pieces.send(range(first, min(first + PIECE, NUMBERS)))
    pieces.close()


def longest(numbers):
    """Returns (steps, number) for the number with the longest sequence."""
    best_steps = best_number = 0
    for number in numbers:
        steps, n = 0, number
        while n != 1:
            n = 3 * n + 1 if n & 1 else n >> 1
            steps += 1
        if steps > best_steps:
            best_steps, best_number = steps, number
    return best_steps, best_number


async def work(pieces, results):
    """Takes pieces until there are none; between two of them it may move to another core."""
    async for piece in pieces:
        await results.asend(longest(piece))


async def pipeline(workers):
    pieces, results = martlet.channel(2 * workers), martlet.channel(2 * workers)

    async def work_on_all():
        async with martlet.scope() as inside:
            inside.spawn(cut, pieces)
            for _ in range(2 * workers):
                inside.spawn(work, pieces, results)
        results.close()

    whole = martlet.spawn(work_on_all)
    best, count = (0, 0), 0
    async for result in results:
        best, count = max(best, result), count + 1
    await whole
    return best, count


def measure(counts, times=3):
    """Runs the pipeline in turn with each number of workers; returns {workers: (seconds, cores it got, what came out)}.

    The best of a few times counts: on a machine that others use too, the rest is their doing.
    """
    best = {}
    for workers in counts * times:
        begin, begin_of_cpu = time.perf_counter(), time.process_time()
        result = martlet.run(pipeline, workers, workers=workers)
        seconds, of_cpu = time.perf_counter() - begin, time.process_time() - begin_of_cpu
        if workers not in best or seconds < best[workers][0]:
            best[workers] = seconds, of_cpu / seconds, result
    return best


def main():
    cores = len(os.sched_getaffinity(0))
    has_lock = getattr(sys, "_is_gil_enabled", lambda: True)()
    print(f"CPython {platform.python_version()}, {'with' if has_lock else 'without'} a global lock, {cores} cores")
    best = measure([1, cores] if cores > 1 else [1])
    one, _, result = best[1]
    (steps, number), pieces = result
    print(f"the longest sequence below {NUMBERS:,} begins with {number:,} and has {steps} steps; {pieces} pieces")
    print(f"  1 worker   {one:6.3f} s")
    if cores == 1:
        print("one core: a second worker would gain nothing")
        return
    all_cores, got, again = best[cores]
    print(f"  {cores} workers  {all_cores:6.3f} s, on {got:.2f} cores")
    if again != result:
        sys.exit(f"pipeline: {cores} workers found {again}, one found {result}")
    if has_lock:
        print(f"no speed-up ({one / all_cores:.2f}, where what differs from 1 is chance): the global lock of this interpreter lets")
        print("one thread at a time run Python; a free-threaded one (3.13t or newer) uses all cores")
        return
    print(f"speed-up {one / all_cores:.2f} on {cores} cores")
    if got < 0.9 * cores:
        print(f"the pipeline got {got:.2f} of {cores} cores: the machine is busy with something else")


if __name__ == "__main__":
    main()
