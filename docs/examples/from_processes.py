"""A pool of processes, and the same with tasklets."""

import concurrent.futures
import sys

import martlet


def count_primes(limit):
    return sum(all(n % d for d in range(2, int(n**0.5) + 1)) for n in range(2, limit))


def with_processes(limits):
    with concurrent.futures.ProcessPoolExecutor() as pool:
        return list(pool.map(count_primes, limits))


def with_tasklets(limits):
    with martlet.Executor() as pool:
        return list(pool.map(count_primes, limits))


def with_isolated_tasklets(limits):
    with martlet.Executor(isolated=True) as pool:
        return list(pool.map(count_primes, limits))


if __name__ == "__main__":
    limits = [100, 200, 300]
    assert with_processes(limits) == with_tasklets(limits) == [25, 46, 62]
    if sys.version_info >= (3, 14):
        assert with_isolated_tasklets(limits) == [25, 46, 62]
