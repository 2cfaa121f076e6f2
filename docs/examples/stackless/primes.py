"""Tasklets that compute, spread over four threads: on a free-threaded interpreter they use four cores."""

from martlet import stackless

LAST = 4000
PIECES = 16


def is_prime(number):
    return number > 1 and all(number % divisor for divisor in range(2, int(number**0.5) + 1))


def main():
    counts = stackless.QueueChannel()

    def count(first, last):
        counts.send(sum(is_prime(number) for number in range(first, last)))

    stackless.spread(4)
    for first in range(0, LAST, LAST // PIECES):
        stackless.tasklet(count)(first, first + LAST // PIECES)
    stackless.run()  # returns when all of them are done

    total = sum(counts.receive() for _ in range(PIECES))
    stackless.spread(1)
    assert total == 550
    print(total, "primes below", LAST)


if __name__ == "__main__":
    main()
