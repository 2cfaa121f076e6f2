"""Counts primes on all cores, in interpreters of their own."""

import martlet


def count_primes(limit):
    return sum(all(n % d for d in range(2, int(n**0.5) + 1)) for n in range(2, limit))


def main():
    return sum(martlet.map(count_primes, range(1000, 1100), isolated=True))


if __name__ == "__main__":
    print(martlet.run(main))
