"""martlet.stackless: derived classes, weak references, slots, and what can be pickled."""

import copy
import pickle
import weakref

import pytest

from alone import chain, refuses, traits
from martlet import stackless

pytestmark = pytest.mark.usefixtures("alone")


class counted(stackless.tasklet):
    made = 0

    def __new__(cls, *args, **kwargs):
        cls.made += 1
        return super().__new__(cls, *args, **kwargs)


class labelled(stackless.tasklet):
    def __init__(self, label, what):
        super().__init__(what)
        self.label = label


class slotted(stackless.tasklet):
    __slots__ = ("label",)


class queue(stackless.channel):
    __slots__ = ("items",)


def add(a, b=1):
    results.append(a + b)


results = []


@pytest.fixture(autouse=True)
def no_results():
    results.clear()
    yield
    results.clear()


def test_a_derived_class_may_have_arguments_and_attributes_of_its_own():
    one = labelled("name", add)
    assert (one.label, one.tempval) == ("name", add)
    assert one(1) is one
    stackless.run()
    assert results == [2]
    before = counted.made
    counted(add)(1)
    counted(add, (1,), {"b": 5}).run()
    stackless.run()
    assert counted.made == before + 2 and sorted(results) == [2, 2, 6]


def test_a_derived_class_may_override_what_it_likes():
    class loud(stackless.tasklet):
        def __call__(self, *args, **kwargs):
            log.append("call")
            return super().__call__(*args, **kwargs)

        def insert(self):
            log.append("insert")
            return super().insert()

    class doubling(stackless.channel):
        def send(self, value):
            super().send(2 * value)

    log = []
    loud(log.append)("ran")
    loud(log.append, ("too",)).insert()
    stackless.run()
    assert log == ["call", "insert", "ran", "too"]
    ch = doubling()
    stackless.tasklet(lambda: log.append(ch.receive()))()
    stackless.run()
    ch.send(4)
    assert log[-1] == 8


def test_slots():
    one = slotted(add)
    one.label = 5
    with pytest.raises(AttributeError):
        one.other = 5
    with pytest.raises(AttributeError):
        stackless.tasklet(add).other = 5
    with pytest.raises(AttributeError):
        stackless.channel().other = 5
    ch = queue()
    ch.items = [1]
    with pytest.raises(AttributeError):
        ch.other = 5
    assert (one.label, ch.items, ch.balance) == (5, [1], 0)


def test_the_tasklet_that_runs_is_the_derived_one():
    seen = []
    one = labelled("name", lambda: seen.append(stackless.getcurrent().label))
    one()
    stackless.run()
    assert seen == ["name"]


@pytest.mark.parametrize("make", [stackless.tasklet, lambda: labelled("a", add), slotted, stackless.channel, queue])
def test_weak_references(make):
    gone = []
    one = make()
    reference = weakref.ref(one, gone.append)
    assert reference() is one
    table = weakref.WeakValueDictionary({1: one})
    del one
    assert reference() is None and gone == [reference] and not table


def test_weak_references_to_the_main_tasklet():
    assert weakref.ref(stackless.getmain())() is stackless.getmain()


def test_a_derived_class_with_del():
    log = []

    class careful(stackless.tasklet):
        def __del__(self):
            log.append("del")
            super_del = getattr(super(), "__del__", None)
            if super_del is not None:
                super_del()

    careful(add)
    assert log == ["del"]
    careful(add)(1)
    stackless.run()
    assert log == ["del", "del"]
    one = careful(stackless.schedule_remove)()
    stackless.run()
    assert one.paused
    one.kill()
    del one
    assert log == ["del"] * 3


def test_tasklets_are_equal_to_themselves_only_and_can_be_keys():
    a, b = stackless.tasklet(), stackless.tasklet()
    assert a == a and a != b and len({a, b, a}) == 2
    assert stackless.channel() != stackless.channel()


def test_who_is_no_tasklet_type_is_refused():
    with pytest.raises(TypeError):
        stackless.tasklet.__new__(int)
    with pytest.raises(TypeError):
        stackless.tasklet.insert(5)
    with pytest.raises(TypeError):
        stackless.channel.send(5, 6)


# pickling


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("make", [lambda: stackless.tasklet(add, (1,), {"b": 2}), lambda: stackless.tasklet(add)(1, b=2)])
def test_a_tasklet_that_has_not_started_can_be_pickled(make, protocol):
    one = make()
    one.set_ignore_nesting(True)
    again = pickle.loads(pickle.dumps(one, protocol))
    assert type(again) is stackless.tasklet and again is not one
    assert traits(again) == {"alive", "paused", "restorable", "ignore_nesting"}
    again.run()
    one.run()
    assert results == [3, 3]


def test_reduce_gives_a_class_no_arguments_and_a_state():
    one = stackless.tasklet(add, (1,))
    for made in one.__reduce__(), one.__reduce_ex__(2):
        assert made[0] is stackless.tasklet and made[1] == () and type(made[2]) is tuple
        again = made[0](*made[1])
        assert again.__setstate__(made[2]) is again
        again.run()
    with pytest.raises(TypeError, match="__reduce_ex__ argument should be an integer"):
        one.__reduce_ex__("2")
    assert results == [2, 2]
    one.kill()


def test_a_dead_tasklet_can_be_pickled_with_its_function():
    again = pickle.loads(pickle.dumps(stackless.tasklet(add)))
    assert traits(again) == {"restorable"} and again.tempval is add
    again(1)
    stackless.run()
    assert results == [2]
    empty = pickle.loads(pickle.dumps(stackless.tasklet()))
    assert traits(empty) == {"restorable"} and empty.tempval is None


def test_a_tasklet_can_be_copied():
    one = stackless.tasklet(add, (1,))
    for again in copy.copy(one), copy.deepcopy(one):
        again.run()
    one.run()
    assert results == [2, 2, 2]


def test_the_current_tasklet_cannot_be_pickled():
    refuses(RuntimeError, "You cannot __reduce__ the tasklet which is current.", stackless.getcurrent().__reduce__)
    refuses(RuntimeError, "You cannot __reduce__ the tasklet which is current.", stackless.getcurrent().__reduce_ex__, 2)


def test_a_tasklet_that_has_started_is_refused_with_a_sentence():
    one = stackless.tasklet(lambda: stackless.schedule_remove())()
    stackless.run()
    with pytest.raises(RuntimeError, match="a tasklet that has started cannot be pickled"):
        pickle.dumps(one)
    assert one.paused
    one.kill()


def test_setstate_of_one_that_is_alive_is_refused():
    one = stackless.tasklet(add, (1,))
    state = one.__reduce__()[2]
    refuses(RuntimeError, "tasklet is alive", one.__setstate__, state)
    one.kill()
    for wrong in (), (1,), ("a",) * 12:
        with pytest.raises(TypeError):
            one.__setstate__(wrong)
    assert not one.alive


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_channel_can_be_pickled(protocol):
    ch = stackless.channel()
    ch.preference, ch.schedule_all = 1, True
    ch.close()
    again = pickle.loads(pickle.dumps(ch, protocol))
    assert (again.preference, again.schedule_all, again.closing, again.balance) == (1, 1, True, 0)
    ch.open()
    ch.preference = -1
    again = pickle.loads(pickle.dumps(ch, protocol))
    assert (again.preference, again.closing) == (-1, False)


def test_the_reduction_of_a_channel_names_who_waits():
    ch = stackless.channel()
    tasks = [stackless.tasklet(ch.receive)() for _ in range(2)]
    stackless.run()
    made = ch.__reduce__()
    assert made[:2] == (stackless.channel, ()) and made[2][0] == -2 and made[2][2] == tasks
    with pytest.raises((TypeError, ValueError)):
        ch.__setstate__((1,))
    for one in tasks:
        one.kill()
    assert chain() == ["main"] and ch.balance == 0


def test_the_state_of_a_channel_lets_tasklets_wait_there():
    ch = stackless.channel()
    one = stackless.tasklet(add, (1,))
    assert ch.__setstate__((1, 0, [one])) is ch
    assert (ch.balance, one.blocked, one._channel) == (1, True, ch)
    one.tempval = "value"
    assert ch.receive() == "value"
    stackless.run()
    assert ch.balance == 0 and results == [2]
