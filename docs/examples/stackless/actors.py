"""Actors: each is a tasklet with a mailbox, and they know of each other nothing but that."""

from martlet import stackless


class Actor:
    def __init__(self):
        self.mailbox = stackless.channel()
        stackless.tasklet(self.work)()

    def work(self):
        while True:
            method, *arguments = self.mailbox.receive()
            getattr(self, method)(*arguments)

    def tell(self, *message):
        """Sends a message from a tasklet of its own, so that nobody waits for anybody who is waiting."""
        stackless.tasklet(self.mailbox.send)(message)


class Robot(Actor):
    def __init__(self, world, name, place, step):
        self.world, self.name, self.place, self.step = world, name, place, step
        super().__init__()
        world.tell("join", self)

    def tick(self, size):
        self.place = (self.place + self.step) % size
        self.world.tell("moved", self, self.place)

    def bumped(self, other):
        print(f"{self.name} bumps into {other}")
        self.step = -self.step

    def leave(self):
        print(f"{self.name} leaves at {self.place}")
        raise TaskletExit


class World(Actor):
    def __init__(self, size, ticks):
        self.size, self.ticks, self.places, self.left = size, ticks, {}, 0
        super().__init__()

    def join(self, robot):
        self.places[robot] = robot.place

    def start(self):
        self.left = len(self.places)
        for robot in self.places:
            robot.tell("tick", self.size)

    def moved(self, robot, place):
        for other, where in self.places.items():
            if other is not robot and where == place:
                robot.tell("bumped", other.name)
        self.places[robot] = place
        self.left -= 1
        if self.left == 0:
            self.ticks -= 1
            if self.ticks:
                self.start()
            else:
                for one in self.places:
                    one.tell("leave")
                raise TaskletExit


def main():
    world = World(size=10, ticks=6)
    Robot(world, "Ada", 0, 1)
    Robot(world, "Bert", 8, -1)
    stackless.run()
    world.tell("start")
    stackless.run()
    assert world.ticks == 0 and stackless.runcount == 1


if __name__ == "__main__":
    main()
