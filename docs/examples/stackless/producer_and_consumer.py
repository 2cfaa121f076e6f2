"""Producers make, consumers use, and a channel is all that is between them."""

from martlet import stackless


class Producer:
    def __init__(self, name, goods, shelf):
        self.name, self.goods, self.shelf = name, goods, shelf
        stackless.tasklet(self.work)()

    def work(self):
        for number in range(self.goods):
            self.shelf.send(f"{self.name} {number}")  # waits until somebody takes it
        print(self.name, "is done")


class Consumer:
    def __init__(self, name, shelf):
        self.name, self.shelf, self.used = name, shelf, []
        stackless.tasklet(self.work)()

    def work(self):
        for thing in self.shelf:
            self.used.append(thing)
            stackless.schedule()
        print(self.name, "goes home")


def main():
    shelf = stackless.channel()
    producers = [Producer(name, 5, shelf) for name in ("apples", "pears", "plums")]
    consumers = [Consumer(name, shelf) for name in ("Ann", "Bob")]
    stackless.run()

    for _ in consumers:
        shelf.send_exception(StopIteration)  # ends their loops
    stackless.run()
    assert sum(len(one.used) for one in consumers) == sum(one.goods for one in producers)
    for one in consumers:
        print(one.name, "used", ", ".join(one.used))


if __name__ == "__main__":
    main()
