"""A ring of 100,000 tasklets: each passes a number on to the next one, and adds one to it."""

from martlet import stackless

TASKLETS = 100_000


def pass_on(source, target):
    target.send(source.receive() + 1)


def main():
    first = source = stackless.channel()
    for _ in range(TASKLETS):
        target = stackless.channel()
        stackless.tasklet(pass_on)(source, target)
        source = target
    stackless.run()  # until all of them wait

    first.send(0)
    print("came back as", source.receive())
    stackless.run()


if __name__ == "__main__":
    main()
