"""Channels of martlet.stackless: who goes on when a value has passed."""

import pytest

from alone import chain, refuses
from martlet import stackless

pytestmark = pytest.mark.usefixtures("alone")


def play(script, preference, schedule_all):
    """Runs a sender S, a receiver R and others in the order of the script, and returns what they did, in order."""
    ch = stackless.channel()
    ch.preference, ch.schedule_all = preference, schedule_all
    log = []

    def sends():
        log.append("S<")
        ch.send(None)
        log.append("S>")

    def receives():
        log.append("R<")
        ch.receive()
        log.append("R>")

    for name in script:
        if name in "SR":
            stackless.tasklet({"S": sends, "R": receives}[name])()
        else:
            stackless.tasklet(log.append)(name)
    stackless.run()
    assert ch.balance == 0
    return " ".join(log)


@pytest.mark.parametrize(
    "script, preference, schedule_all, expected",
    [
        # the sender comes second
        ("RSxy", -1, False, "R< S< R> x y S>"),
        ("RSxy", 0, False, "R< S< S> x y R>"),
        ("RSxy", 1, False, "R< S< S> x y R>"),
        ("RSxy", -1, True, "R< S< x y R> S>"),
        ("RSxy", 0, True, "R< S< x y R> S>"),
        ("RSxy", 1, True, "R< S< x y R> S>"),
        # the receiver comes second
        ("SRxy", -1, False, "S< R< R> x y S>"),
        ("SRxy", 0, False, "S< R< R> x y S>"),
        ("SRxy", 1, False, "S< R< S> x y R>"),
        ("SRxy", -1, True, "S< R< x y S> R>"),
        ("SRxy", 0, True, "S< R< x y S> R>"),
        ("SRxy", 1, True, "S< R< x y S> R>"),
        # several pairs
        ("RRSSx", -1, False, "R< R< S< R> S< R> x S> S>"),
        ("RRSSx", 1, False, "R< R< S< S> S< S> x R> R>"),
        ("RRSSx", 0, True, "R< R< S< S< x R> S> R> S>"),
        ("SSRRx", -1, False, "S< S< R< R> R< R> x S> S>"),
        ("SSRRx", 1, False, "S< S< R< S> R< S> x R> R>"),
    ],
)
def test_who_goes_on(script, preference, schedule_all, expected):
    assert play(script, preference, schedule_all) == expected


def test_integers_are_clipped_and_others_refused():
    ch = stackless.channel()
    for value, kept in (5, 1), (-5, -1), (0, 0), (True, 1), (False, 0), (10**30, 1), (-(10**30), -1), (1, 1), (-1, -1):
        ch.preference = value
        assert ch.preference == kept and type(ch.preference) is int
    for value in (1.0, "1", None, [1]):
        with pytest.raises(TypeError, match="^preference must be set to an integer$"):
            ch.preference = value
    assert ch.preference == -1
    for value, kept in (5, 1), (-1, 1), (0, 0), (True, 1), (False, 0):
        ch.schedule_all = value
        assert ch.schedule_all == kept
    for value in (1.0, "1", None):
        with pytest.raises(TypeError, match="^preference must be set to a bool or integer$"):
            ch.schedule_all = value
    for name in ("preference", "schedule_all"):
        with pytest.raises((TypeError, AttributeError)):
            delattr(ch, name)


def test_a_preferred_receiver_comes_right_behind_the_sender():
    ch = stackless.channel()
    order = []

    def receives():
        ch.receive()
        order.append(chain_of_names())

    def chain_of_names():
        names = []
        first = one = stackless.current
        while True:
            names.append(one.name if hasattr(one, "name") else "main")
            one = one.next
            if one is first:
                return names

    class task(stackless.tasklet):
        pass

    for name in "RXY":
        one = task(receives if name == "R" else stackless.schedule)
        one.name = name
        one(*([] if name == "R" else [None]))
    stackless.schedule()
    assert [one.name for one in (ch.queue, stackless.current.next, stackless.current.next.next)] == ["R", "X", "Y"]
    ch.send(None)
    assert order == [["R", "X", "Y", "main"]]
    stackless.run()
    assert chain() == ["main"]


def test_schedule_all_lets_the_caller_yield_even_when_the_other_side_waits():
    ch, log = stackless.channel(), []
    ch.schedule_all = True
    for n in range(3):
        stackless.tasklet(lambda n=n: log.append((n, ch.receive())))()
    stackless.run()
    stackless.tasklet(log.append)("other")
    ch.send("a")
    assert log == ["other", (0, "a")]
    ch.send("b")
    assert log[2:] == [(1, "b")]
    ch.send("c")


def test_both_change_while_somebody_waits():
    ch, log = stackless.channel(), []
    stackless.tasklet(lambda: log.append(ch.receive()))()
    stackless.run()
    ch.preference = 1
    ch.send(1)
    assert log == []
    stackless.run()
    assert log == [1]
    refuses(RuntimeError, "Deadlock: the last runnable tasklet cannot be blocked.", ch.send, 2)
