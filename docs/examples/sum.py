"""Both kinds of tasklet in one channel: a coroutine adds up what a function sends."""

import martlet


def produce(numbers):               # a plain function: it may block anywhere
    for n in range(10):
        numbers.send(n)
    numbers.close()


async def main():                   # a coroutine: after each await it may go on on another thread
    numbers = martlet.channel()
    martlet.spawn(produce, numbers)
    total = 0
    async for n in numbers:         # ends when the channel is closed and empty
        total += n
    return total


if __name__ == "__main__":
    total = martlet.run(main)
    print(total)
    assert total == 45
