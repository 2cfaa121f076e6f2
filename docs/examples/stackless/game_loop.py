"""A game loop: in each frame the world's tasklets have so much time and no more, however many there are."""

import heapq
import itertools

from martlet import stackless


class Clock:
    """Lets tasklets sleep for some frames."""

    def __init__(self):
        self.frame, self.sleepers, self.order = 0, [], itertools.count()

    def sleep(self, frames):
        channel = stackless.channel()
        heapq.heappush(self.sleepers, (self.frame + frames, next(self.order), channel))
        channel.receive()

    def tick(self):
        self.frame += 1
        while self.sleepers and self.sleepers[0][0] <= self.frame:
            channel = heapq.heappop(self.sleepers)[2]
            channel.preference = 1  # this loop goes on; the tasklet has its turn later
            channel.send(None)


def monster(clock, log, name, pause):
    while True:
        clock.sleep(pause)
        log.append(f"frame {clock.frame}: {name} moves")


def thinks(log):
    """Takes far longer than a frame; nobody has told it to yield."""
    total = 0
    for n in range(100_000):
        total += n
    log.append(f"has thought: {total}")


def main(frames=12, bytecodes_in_a_frame=50_000):
    clock, log, interrupted, late = Clock(), [], 0, None
    tasks = [stackless.tasklet(monster)(clock, log, name, pause) for name, pause in (("the ogre", 2), ("the bat", 3))]
    thinker = stackless.tasklet(thinks)(log)
    for _ in range(frames):
        clock.tick()
        if late is not None:
            late.insert()  # behind those whom the clock has woken
        late = stackless.run(bytecodes_in_a_frame, totaltimeout=True)
        interrupted += late is not None
    if late is not None:
        late.insert()
    stackless.run()
    for one in tasks:
        one.kill()
    print(*log, sep="\n")
    assert interrupted > 2 and not thinker.alive
    assert sum("the bat" in line for line in log) >= 3
    assert sum("the ogre" in line for line in log) >= 4


if __name__ == "__main__":
    main()
