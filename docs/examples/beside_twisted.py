"""Tasklets inside of a Twisted program: the reactor polls martlet's guest as it polls a socket."""

import martlet


class Driver:
    """What a reactor reads from: an IReadDescriptor."""

    def __init__(self, guest):
        self.fileno = guest.fileno
        self.doRead = guest.poll

    def logPrefix(self):
        return "martlet"

    def connectionLost(self, reason):
        pass


def main():
    from twisted.internet import defer, reactor

    guest = martlet.guest()
    driver = Driver(guest)
    reactor.addReader(driver)

    def count(n):  # a plain function, which blocks its tasklet only
        martlet.sleep(0.01)
        return n + 1

    def deferred(handle):
        result = defer.Deferred()
        handle.add_done_callback(lambda ended: reactor.callFromThread(settle, result, ended))
        return result

    def settle(result, ended):
        try:
            result.callback(ended.result())
        except Exception as error:
            result.errback(error)

    def stop(answer):
        reactor.removeReader(driver)
        guest.close()
        reactor.stop()
        answers.append(answer)

    answers = []
    deferred(martlet.spawn(count, 41)).addCallback(stop)
    reactor.run()
    assert answers == [42]


if __name__ == "__main__":
    main()
