#include "checker.hpp"

#include <cstddef>
#include <initializer_list>
#include <vector>

#include <doctest/doctest.h>

#include "channel_specification.hpp"
#include "condition_specification.hpp"
#include "gate_specification.hpp"
#include "mutex_specification.hpp"
#include "semaphore_specification.hpp"

namespace {

using namespace martlet::testing;

constexpr result done{ending::done, 0, 0};
constexpr result empty{ending::empty, 0, 0};
constexpr result would_wait{ending::would_wait, 0, 0};
constexpr result stopped{ending::cancelled, 0, 0};
constexpr result late{ending::deadline_passed, 0, 0};
result got(int value, std::size_t which = 0) { return {ending::done, which, value}; }

call on_channel(verb what, int value = 0) {
  const bool is_send = what == verb::send || what == verb::try_send;
  return {what, {{is_send ? verb::send : verb::receive, 0, value}}, 0, {}, 0};
}
call send(int value) { return on_channel(verb::send, value); }
const call receive = on_channel(verb::receive);
const call try_receive = on_channel(verb::try_receive);
const call close = on_channel(verb::close);
const call either = {verb::select, {{verb::receive, 0, 0}, {verb::receive, 1, 0}}, 0, {}, 0};
call other_send(int value) { return {verb::send, {{verb::send, 1, value}}, 0, {}, 0}; }
call see(int actor) { return plain(verb::see_wait, actor); }
call cancel(int actor) { return plain(verb::cancel, actor); }
call within_limit(call what) {
  what.limit = 1;
  return what;
}

constexpr int driver = 9;

bool explains(std::size_t room, const history& all) {
  return check(channel_specification({room, room}), all).is_allowed;
}
bool mutex_explains(const history& all) { return check(mutex_specification(), all).is_allowed; }
bool semaphore_explains(int units, const history& all) { return check(semaphore_specification(units), all).is_allowed; }

bool gate_explains(int shut_by, const history& all) { return check(gate_specification(shut_by), all).is_allowed; }
bool condition_explains(const history& all) { return check(condition_specification(), all).is_allowed; }

TEST_SUITE("checker") {
  TEST_CASE("a rendezvous is one step of two operations, which have to overlap") {
    CHECK(explains(0, {{0, send(1), 1, 4, done}, {1, receive, 2, 3, got(1)}}));
    CHECK_FALSE(explains(0, {{0, send(1), 1, 2, done}, {1, receive, 3, 4, got(1)}}));
    CHECK_FALSE(explains(0, {{0, send(1), 1, 2, done}}));
  }

  TEST_CASE("a buffer holds what it has room for, and no more") {
    CHECK(explains(1, {{0, send(1), 1, 2, done}, {1, receive, 3, 4, got(1)}}));
    CHECK_FALSE(explains(1, {{0, send(1), 1, 2, done}, {0, send(2), 3, 4, done}, {1, receive, 5, 6, got(1)}}));
    CHECK(explains(2, {{0, send(1), 1, 2, done}, {0, send(2), 3, 4, done}, {1, receive, 5, 6, got(1)}}));
  }

  TEST_CASE("values come in the order in which they were sent, once each") {
    CHECK_FALSE(explains(
        2,
        {{0, send(1), 1, 2, done}, {0, send(2), 3, 4, done}, {1, receive, 5, 6, got(2)}, {1, receive, 7, 8, got(1)}}));
    CHECK(explains(
        2,
        {{0, send(1), 1, 4, done}, {2, send(2), 2, 3, done}, {1, receive, 5, 6, got(2)}, {1, receive, 7, 8, got(1)}}));
    CHECK_FALSE(explains(2, {{0, send(1), 1, 2, done}, {1, receive, 3, 4, got(1)}, {1, receive, 5, 6, got(1)}}));
    CHECK_FALSE(explains(2, {{0, send(1), 1, 2, done}, {1, receive, 3, 4, got(2)}}));
  }

  TEST_CASE("a closed channel gives what is left in it and then nothing") {
    CHECK(explains(1, {{0, send(1), 1, 2, done},
                       {0, close, 3, 4, done},
                       {1, try_receive, 5, 6, got(1)},
                       {1, try_receive, 7, 8, empty}}));
    CHECK_FALSE(explains(1, {{0, send(1), 1, 2, done}, {0, close, 3, 4, done}, {1, try_receive, 5, 6, empty}}));
    CHECK_FALSE(explains(1, {{0, close, 1, 2, done}, {0, send(1), 3, 4, done}}));
    CHECK(explains(1, {{0, close, 1, 2, done}, {0, send(1), 3, 4, {ending::closed, 0, 1}}}));
  }

  TEST_CASE("what was cancelled did not happen, and who sent has the value") {
    const operation cancels{driver, cancel(0), 2, 3, done};
    CHECK(explains(0, {{0, send(1), 1, 4, {ending::cancelled, 0, 1}}, cancels}));
    CHECK_FALSE(explains(0, {{0, send(1), 1, 4, stopped}, cancels}));
    CHECK_FALSE(explains(0, {{0, send(1), 1, 4, {ending::cancelled, 0, 1}}, cancels, {1, receive, 5, 6, got(1)}}));
    CHECK_FALSE(explains(0, {{0, receive, 1, 4, stopped}}));
  }

  TEST_CASE("after a cancel every wait is cancelled; one on its way may be done") {
    const operation cancels{driver, cancel(1), 4, 6, done};
    CHECK(explains(1, {{0, send(1), 1, 2, done}, cancels, {1, receive, 7, 8, stopped}}));
    CHECK_FALSE(explains(1, {{0, send(1), 1, 2, done}, cancels, {1, receive, 7, 8, got(1)}}));
    CHECK(explains(1, {{0, send(1), 7, 8, done}, cancels, {1, receive, 3, 9, got(1)}}));
    CHECK_FALSE(
        explains(1, {{driver, see(1), 1, 2, done}, {0, send(1), 7, 8, done}, cancels, {1, receive, 0, 9, got(1)}}));
    CHECK(explains(1, {cancels, {1, within_limit(receive), 3, 9, late}}));
    CHECK_FALSE(explains(1, {cancels, {1, within_limit(receive), 7, 9, late}}));
  }

  TEST_CASE("a limit ends a wait only where there was one") {
    CHECK(explains(1, {{1, within_limit(receive), 1, 2, late}}));
    CHECK_FALSE(explains(1, {{1, receive, 1, 2, late}}));
    CHECK_FALSE(explains(1, {{0, send(1), 1, 2, done}, {1, within_limit(receive), 3, 4, late}}));
  }

  TEST_CASE("who was seen to wait is served before who came later") {
    const operation first{1, receive, 1, 11, got(2)};
    const operation second{2, receive, 4, 10, got(1)};
    const operation sends[] = {{0, send(1), 5, 6, done}, {0, send(2), 7, 8, done}};
    CHECK(explains(0, {first, second, sends[0], sends[1]}));
    CHECK_FALSE(explains(0, {first, {driver, see(1), 2, 3, done}, second, sends[0], sends[1]}));
    CHECK_FALSE(explains(0, {{driver, see(1), 2, 3, done}, {1, on_channel(verb::try_receive), 1, 4, would_wait}}));
  }

  TEST_CASE("a select does one of its cases, and leaves all others alone") {
    const operation selects{1, either, 1, 10, got(1)};
    CHECK(explains(0, {selects, {0, send(1), 2, 3, done}}));
    CHECK_FALSE(explains(0, {selects, {0, send(1), 2, 3, done}, {2, other_send(2), 4, 5, done}}));
    CHECK(explains(1, {selects, {0, send(1), 2, 3, done}, {2, other_send(2), 4, 5, done}}));
    CHECK_FALSE(explains(0, {{1, either, 1, 10, got(1, 1)}, {0, send(1), 2, 3, done}}));
  }

  // A history of channel_histories, MARTLET_LINEAR_SEED=55343, cut down: the send falls into the close.
  TEST_CASE("a close ends those who wait one by one, and all of them before it returns") {
    const operation first{1, either, 1, 20, empty}, second{2, either, 3, 21, got(6, 1)};
    const operation wait[] = {{driver, see(1), 2, 3, done}, {driver, see(2), 4, 5, done}};
    const operation closes{driver, close, 6, 9, done};
    CHECK(explains(0, {first, second, wait[0], wait[1], closes, {0, other_send(6), 7, 8, done}}));
    CHECK_FALSE(explains(0, {first, second, wait[0], wait[1], closes, {0, other_send(6), 10, 11, done}}));
    CHECK_FALSE(explains(0, {first, second, wait[0], wait[1], closes}));
    CHECK_FALSE(explains(0, {{1, receive, 1, 20, empty}, {driver, close, 21, 22, done}}));
    CHECK(explains(0, {{1, receive, 1, 20, empty}, wait[0], closes}));
    CHECK_FALSE(explains(1, {{1, receive, 1, 20, got(7)}, wait[0], closes, {0, send(7), 10, 11, done}}));
  }

  TEST_CASE("a mutex has one owner, and he alone unlocks it") {
    const operation locks{0, plain(verb::lock), 1, 2, done};
    const operation unlocks{0, plain(verb::unlock), 5, 6, done};
    CHECK(mutex_explains({locks, {1, plain(verb::lock), 3, 7, done}, unlocks}));
    CHECK_FALSE(mutex_explains({locks, {1, plain(verb::lock), 3, 4, done}, unlocks}));
    CHECK_FALSE(mutex_explains({locks, {1, plain(verb::unlock), 3, 4, done}}));
    CHECK(mutex_explains({locks, unlocks, {1, plain(verb::try_lock), 7, 8, done}}));
    CHECK_FALSE(mutex_explains({locks, unlocks, {1, plain(verb::try_lock), 7, 8, would_wait}}));
  }

  TEST_CASE("nobody overtakes at a mutex") {
    const operation owner[] = {{0, plain(verb::lock), 1, 2, done}, {0, plain(verb::unlock), 9, 10, done}};
    const operation first{1, plain(verb::lock), 3, 14, done};
    const operation second[] = {{2, plain(verb::lock), 6, 11, done}, {2, plain(verb::unlock), 12, 13, done}};
    const operation sees{driver, see(1), 4, 5, done};
    CHECK(mutex_explains({owner[0], owner[1], first, second[0], second[1]}));
    CHECK_FALSE(mutex_explains({owner[0], owner[1], first, second[0], second[1], sees}));
    CHECK(mutex_explains({owner[0], owner[1], {1, within_limit(first.what), 3, 14, late}, second[0], second[1], sees}));
  }

  TEST_CASE("a semaphore gives no more units than it has") {
    CHECK(semaphore_explains(2, {{0, plain(verb::acquire, 1), 1, 2, done}, {1, plain(verb::acquire, 1), 3, 4, done}}));
    CHECK_FALSE(semaphore_explains(1, {{0, plain(verb::acquire, 1), 1, 2, done},
                                       {1, plain(verb::acquire, 1), 3, 4, done}}));
    CHECK_FALSE(semaphore_explains(2, {{0, plain(verb::acquire, 1), 1, 2, done},
                                       {0, plain(verb::available), 3, 4, got(2)}}));
  }

  // A history of lock_histories, MARTLET_LINEAR_SEED=294, cut down: the release has served actor 1, whom the cancel finds done,
  // and has not come to actor 0 yet.
  TEST_CASE("a release serves those who wait one by one, and all of them before it returns") {
    const operation owner{2, plain(verb::acquire, 8), 1, 2, done};
    const operation first{1, plain(verb::acquire, 1), 3, 20, done}, second{0, plain(verb::acquire, 1), 6, 21, done};
    const operation wait[] = {{driver, see(1), 4, 5, done}, {driver, see(0), 7, 8, done}};
    const operation releases{2, plain(verb::release, 8), 9, 14, done}, cancels{driver, cancel(1), 10, 11, done};
    CHECK(semaphore_explains(
        8, {owner, first, second, wait[0], wait[1], releases, cancels, {driver, see(0), 12, 13, done}}));
    CHECK_FALSE(semaphore_explains(
        8, {owner, first, second, wait[0], wait[1], releases, cancels, {driver, see(0), 15, 16, done}}));
    CHECK_FALSE(semaphore_explains(8,
                                   {owner, first, second, wait[0], wait[1], cancels, {driver, see(0), 12, 13, done}}));
  }

  TEST_CASE("a small request does not overtake a large one that was seen to wait") {
    const operation sees{driver, see(0), 2, 3, done};
    const operation small{1, plain(verb::try_acquire, 1), 4, 5, done};
    const operation refused{1, plain(verb::try_acquire, 1), 4, 5, would_wait};
    const operation large{0, plain(verb::acquire, 3), 1, 9, done};
    CHECK(semaphore_explains(1, {large, small, {2, plain(verb::release, 3), 6, 7, done}}));
    CHECK_FALSE(semaphore_explains(1, {large, sees, small, {2, plain(verb::release, 3), 6, 7, done}}));
    CHECK(semaphore_explains(1, {large, sees, refused, {2, plain(verb::release, 2), 6, 7, done}}));
    CHECK_FALSE(semaphore_explains(1, {refused}));
  }

  TEST_CASE("a request that was cancelled stands in the way until it has returned, no longer") {
    const operation large{0, plain(verb::acquire, 3), 1, 8, stopped};
    const operation cancels{driver, cancel(0), 2, 3, done};
    CHECK(semaphore_explains(1, {large, cancels, {1, plain(verb::try_acquire, 1), 4, 5, would_wait}}));
    CHECK_FALSE(semaphore_explains(1, {large, cancels, {1, plain(verb::try_acquire, 1), 9, 10, would_wait}}));
  }

  TEST_CASE("a recursive mutex is free when it was unlocked as often as it was locked") {
    const operation locks[] = {{0, plain(verb::lock), 1, 2, done}, {0, plain(verb::try_lock), 3, 4, done}};
    const operation unlocks[] = {{0, plain(verb::unlock), 5, 6, done}, {0, plain(verb::unlock), 9, 10, done}};
    const operation early{1, plain(verb::try_lock), 7, 8, done};
    const operation late{1, plain(verb::try_lock), 11, 12, done};
    CHECK(mutex_explains({locks[0], locks[1], unlocks[0], unlocks[1], late}));
    CHECK_FALSE(mutex_explains({locks[0], locks[1], unlocks[0], early}));
  }

  TEST_CASE("a gate lets go on whoever waits when it opens, and nobody else") {
    const operation waits{0, plain(verb::wait), 1, 9, done};
    const operation opens{1, plain(verb::set, 0), 4, 5, done};
    const operation shuts{1, plain(verb::set, 1), 6, 7, done};
    const operation sees{driver, see(0), 2, 3, done};
    CHECK(gate_explains(1, {waits, sees, opens, shuts}));
    CHECK_FALSE(gate_explains(1, {waits}));
    CHECK_FALSE(gate_explains(1, {{0, plain(verb::wait), 8, 9, done}, opens, shuts}));
    CHECK_FALSE(gate_explains(0, {waits, sees}));
    CHECK(gate_explains(2, {waits, {1, plain(verb::add, -1), 2, 3, done}, {1, plain(verb::add, -1), 4, 5, done}}));
    CHECK_FALSE(gate_explains(2, {waits, {1, plain(verb::add, -1), 2, 3, done}}));
    CHECK_FALSE(gate_explains(2, {{1, plain(verb::add, -1), 2, 3, done}, {1, plain(verb::count), 4, 5, got(2)}}));
  }

  // Found in a history of a wait group, seed 1405.
  TEST_CASE("who is let go may be seen to wait until the one that lets all go has returned, no longer") {
    const operation first{0, plain(verb::wait), 1, 11, done}, second{1, plain(verb::wait), 2, 16, done};
    const operation waits{driver, see(0), 3, 4, done}, opens{2, plain(verb::add, -1), 5, 10, done};
    const operation comes_late{driver, cancel(0), 6, 7, done}, sees{driver, see(1), 8, 9, done};
    const operation sees_later{driver, see(1), 14, 15, done};
    CHECK(gate_explains(1, {first, second, waits, opens, comes_late, sees}));
    CHECK_FALSE(gate_explains(1, {first, second, waits, opens, comes_late, sees_later}));
    CHECK_FALSE(gate_explains(2, {first, second, waits, opens, comes_late, sees}));
  }

  TEST_CASE("a wait for a notice lets go of the mutex and has it again at its end") {
    const operation locks{0, plain(verb::lock), 1, 2, done};
    const operation waits{0, plain(verb::wait), 3, 20, done};
    const operation other[] = {{1, plain(verb::lock), 4, 5, done}, {1, plain(verb::unlock), 10, 11, done}};
    const operation notice{1, plain(verb::notify_one), 6, 7, done};
    CHECK(condition_explains({locks, waits, other[0], notice, other[1]}));
    CHECK_FALSE(condition_explains({locks, waits, other[0], other[1]}));
    CHECK_FALSE(condition_explains({locks, waits, other[0], notice}));
    CHECK_FALSE(condition_explains({waits, notice}));
    CHECK_FALSE(condition_explains({locks, waits, {1, plain(verb::notify_one), 1, 2, done}}));
  }

  TEST_CASE("one notice is for one, who has waited longest; however a wait ends, its actor has the mutex") {
    const operation first[] = {{0, plain(verb::lock), 1, 2, done}, {0, plain(verb::wait), 3, 30, done}};
    const operation second[] = {{1, plain(verb::lock), 4, 5, done}, {1, plain(verb::wait), 6, 31, done}};
    const operation one{2, plain(verb::notify_one), 20, 21, done};
    const operation all{2, plain(verb::notify_all), 20, 21, done};
    const operation unlocks{0, plain(verb::unlock), 32, 33, done};
    const operation takes{2, plain(verb::try_lock), 7, 8, done};
    const operation gives{2, plain(verb::unlock), 9, 10, done};
    const operation stops{driver, cancel(1), 22, 23, done};
    operation stopped_second = second[1];
    stopped_second.got = stopped;
    stopped_second.responded = operation::never - 1;
    operation second_after = second[1];
    second_after.responded = operation::never - 1;
    const history both = {first[0], first[1], second[0], takes, gives, unlocks};
    const auto with = [&](std::initializer_list<operation> more) {
      history whole = both;
      whole.insert(whole.end(), more);
      return condition_explains(whole);
    };
    CHECK(with({second_after, all}));
    CHECK_FALSE(with({second_after, one}));
    CHECK(with({stopped_second, one, stops}));
    CHECK_FALSE(with({stopped_second, stops}));
  }

  TEST_CASE("what was looked at once is not looked at again") {
    history all;
    for (int i = 0; i < 16; ++i) {  // all at once: 16! orders, of sets there are 65,536
      all.push_back({i, plain(verb::release, 1), 1, 100, done});
    }
    all.push_back({16, plain(verb::available), 101, 102, got(15)});
    const verdict found = check(semaphore_specification(0), all);
    CHECK_FALSE(found.is_allowed);
    CHECK(found.positions == (1U << 16));
  }
}

}  // namespace
