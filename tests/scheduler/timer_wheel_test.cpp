#include "timer_wheel.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <martlet/tasklet/tasklet.hpp>

#include "scale.hpp"

namespace {

using namespace martlet::detail;
using martlet::testing::scaled;
namespace base = martlet::base;
using base::instant;

// What the wheel readies is marked instead of run.
class notes final : public executor {
 public:
  void ready(tasklet* who, tasklet*, host*, turn) noexcept override {
    fired.push_back(who);
    if (meanwhile) {
      std::exchange(meanwhile, nullptr)();
    }
  }
  tasklet* rotate(tasklet*, tasklet*, host&) noexcept override { return nullptr; }
  std::vector<tasklet*> fired;
  std::function<void()> meanwhile;  // what another thread does while the wheel is unlocked between two timers
};

// A wait for a time whose owner is a record without a frame.
struct waiter {
  explicit waiter(host& at) : record(kind::thread, tasklet::on_stack{}) { record.host_.store(&at, base::relaxed); }

  void arm(timer_wheel& wheel, instant due) {
    const std::lock_guard guard(wheel.lock_);
    node.due = due;
    node.owner = &record;
    record.word_.store(tasklet::parked_on(wheel), base::relaxed);
    wheel.arm(node);
  }
  void disarm(timer_wheel& wheel) {
    const std::lock_guard guard(wheel.lock_);
    wheel.disarm(node);
    record.word_.store(tasklet::bits(tag::runnable), base::relaxed);
  }

  tasklet record;
  timer_node node;
};

constexpr instant tick = instant{1} << 16;

struct rig {
  notes out;
  host here{&out};
  core_slot<timer_wheel> wheel;
  instant start = base::now() + 60'000'000'000;  // ahead of the clock, at which an empty wheel looks
};

TEST_SUITE("timer_wheel") {
  TEST_CASE("a timer fires once, never before its time, and at most a tick after the wheel is asked") {
    rig r;
    for (const instant wait : {instant{0}, instant{1}, tick - 1, tick, tick + 1, 255 * tick, 256 * tick, 257 * tick,
                               65'536 * tick - 1, 65'536 * tick, 65'536 * tick + 1, 20'000'000 * tick}) {
      waiter w(r.here);
      const instant due = r.start + wait;
      w.arm(*r.wheel, due);
      CHECK(r.wheel->next() != base::never);
      r.wheel->fire(due - 1, &r.here);
      CHECK(r.out.fired.empty());
      r.wheel->fire(due + tick, &r.here);
      REQUIRE(r.out.fired.size() == 1);
      CHECK(w.node.owner == nullptr);
      r.wheel->fire(due + 2 * tick, &r.here);
      CHECK(r.out.fired.size() == 1);
      CHECK(r.wheel->next() == base::never);
      r.out.fired.clear();
      r.start = due + 3 * tick;
    }
  }

  TEST_CASE("a timer that was taken out does not fire, and twice out is once out") {
    rig r;
    waiter w(r.here);
    w.arm(*r.wheel, r.start + 100 * tick);
    w.disarm(*r.wheel);
    w.disarm(*r.wheel);
    CHECK(r.wheel->next() == base::never);
    CHECK(r.wheel->fire(r.start + 200 * tick, &r.here) == 0);
    w.arm(*r.wheel, r.start + 300 * tick);
    CHECK(r.wheel->fire(r.start + 400 * tick, &r.here) == 1);
  }

  TEST_CASE("one whose wait somebody else has claimed is passed by") {
    rig r;
    waiter w(r.here);
    w.arm(*r.wheel, r.start + tick);
    w.record.word_.store(tasklet::bits(tag::runnable), base::relaxed);
    CHECK(r.wheel->fire(r.start + 10 * tick, &r.here) == 0);
    CHECK(w.node.owner == &w.record);
    CHECK(r.wheel->next() == base::never);
  }

  TEST_CASE("timers of one tick come in the order in which they were set, near and far, also when the last have left") {
    for (const instant wait : {instant{10}, 300 * tick, 70'000 * tick}) {
      for (const std::size_t left : {0U, 4U}) {
        rig r;
        std::vector<std::unique_ptr<waiter>> all;
        std::vector<tasklet*> expected;
        for (int i = 0; i < 11; ++i) {
          all.push_back(std::make_unique<waiter>(r.here));
          all.back()->arm(*r.wheel, r.start + wait);
          expected.push_back(&all.back()->record);
        }
        for (std::size_t i = 0; i < left; ++i) {
          all[all.size() - 1 - i]->disarm(*r.wheel);
          expected.pop_back();
        }
        CHECK(r.wheel->fire(r.start + wait + tick, &r.here) == expected.size());
        CHECK(r.out.fired == expected);
      }
    }
  }

  TEST_CASE("one that leaves from the middle takes no other with it") {
    rig r;
    std::vector<std::unique_ptr<waiter>> all;
    for (int i = 0; i < 9; ++i) {
      all.push_back(std::make_unique<waiter>(r.here));
      all.back()->arm(*r.wheel, r.start + 100 * tick);
    }
    for (const std::size_t gone : {1U, 5U, 2U}) {  // the second list becomes empty
      all[gone]->disarm(*r.wheel);
    }
    CHECK(r.wheel->fire(r.start + 200 * tick, &r.here) == 6);
    CHECK(r.wheel->next() == base::never);
  }

  TEST_CASE("the far future is as good as any other time") {
    rig r;
    std::vector<std::unique_ptr<waiter>> all;
    for (const instant due : {base::never, base::never - 1, base::never - tick, base::never - 2 * tick, base::never / 2,
                              r.start + (instant{1} << 58)}) {
      all.push_back(std::make_unique<waiter>(r.here));
      all.back()->arm(*r.wheel, due);
      CHECK(r.wheel->next() > r.start);  // or its worker would never sleep
    }
    CHECK(r.wheel->fire(r.start + (instant{1} << 50), &r.here) == 0);
    CHECK(r.wheel->next() > r.start + (instant{1} << 50));
    for (auto& w : all) {
      w->disarm(*r.wheel);
    }
    CHECK(r.wheel->next() == base::never);
  }

  TEST_CASE("it agrees with a sorted list over random times, fires and removals") {
    std::mt19937_64 random(20240607);
    rig r;
    std::vector<std::unique_ptr<waiter>> waiters;
    for (int i = 0; i < 300; ++i) {
      waiters.push_back(std::make_unique<waiter>(r.here));
    }
    std::multimap<instant, waiter*> model;
    instant now = r.start;
    const auto free_one = [&]() -> waiter* {
      for (auto& w : waiters) {
        if (std::none_of(model.begin(), model.end(), [&](const auto& entry) { return entry.second == w.get(); })) {
          return w.get();
        }
      }
      return nullptr;
    };
    int wrong = 0;
    int fired = 0;
    for (int step = 0; step < scaled(60'000); ++step) {
      const auto what = random() % 10;
      if (what < 5) {
        if (waiter* w = free_one()) {
          const instant due = now + static_cast<instant>(random() >> (14 + random() % 45)) - 1000;
          w->arm(*r.wheel, due);
          model.emplace(std::max(due, now), w);  // what has passed already comes with the next tick
        }
      } else if (what < 7 && !model.empty()) {
        auto entry = std::next(model.begin(), static_cast<std::ptrdiff_t>(random() % model.size()));
        entry->second->disarm(*r.wheel);
        model.erase(entry);
      } else {
        // By a little, over the edges of the inner wheels, or right to the next timer.
        now = what == 9 && r.wheel->next() != base::never
                  ? std::max(now, r.wheel->next())
                  : now + static_cast<instant>(random() >> (30 + random() % 30));
        r.out.fired.clear();
        r.wheel->fire(now, &r.here);
        for (tasklet* who : r.out.fired) {
          auto entry =
              std::find_if(model.begin(), model.end(), [&](const auto& e) { return &e.second->record == who; });
          wrong += entry == model.end() || entry->first > now ? 1 : 0;  // unknown, or early
          if (entry != model.end()) {
            model.erase(entry);
          }
          ++fired;
        }
        wrong += !model.empty() && model.begin()->first + tick <= now ? 1 : 0;  // late by more than a tick
      }
      if (!model.empty() && model.begin()->first < base::never - tick) {
        wrong += r.wheel->next() > std::max(model.begin()->first + tick, now + tick) ? 1 : 0;  // it would be overslept
      }
    }
    CHECK(wrong == 0);
    CHECK(fired > 0);
    for (const auto& [due, w] : model) {
      w->disarm(*r.wheel);
    }
  }

  TEST_CASE("very many whose time comes round together move inward before it, some with each tick") {
    rig r;
    constexpr instant outer_slot = 256 * tick;
    const instant begins = (r.start / outer_slot + 2) * outer_slot;
    std::vector<std::unique_ptr<waiter>> all;
    for (int i = 0; i < 2'000; ++i) {
      all.push_back(std::make_unique<waiter>(r.here));
      all.back()->arm(*r.wheel, begins + i * tick / 10);
    }
    const auto outside = [&] {
      return std::count_if(all.begin(), all.end(), [](const auto& one) { return one->node.level != 0; });
    };
    instant now = begins - outer_slot - tick;
    r.wheel->fire(now, &r.here);
    CHECK(outside() == 2'000);
    for (int left = 2'000 - 256; left > -256; left -= 256) {
      now += tick;
      r.wheel->fire(now, &r.here);
      CHECK(outside() == std::max(left, 0));
    }
    for (; r.out.fired.size() < all.size(); now += tick) {
      r.wheel->fire(now, &r.here);
      CHECK(static_cast<std::ptrdiff_t>(r.out.fired.size()) ==
            std::count_if(all.begin(), all.end(), [&](const auto& one) { return one->node.due < now; }));
    }
  }

  TEST_CASE("a timer that is armed while others fire late is not early, whatever slot it shares") {
    constexpr instant tick = 1 << 16;
    for (int late = 3; late < 130; ++late) {
      const core_slot<timer_wheel> wheel;
      notes heard;
      host here(&heard);
      waiter first(here);
      waiter second(here);
      const instant start = base::now();
      first.arm(*wheel, start + tick);
      const auto fires = static_cast<std::uint64_t>(wheel->next()) >> 16;
      const instant now = start + late * tick;
      // The next time whose slot is the one that is being emptied.
      const instant due =
          static_cast<instant>(((static_cast<std::uint64_t>(now) >> 16) & ~std::uint64_t{511}) + 512 + (fires & 511))
          << 16;
      heard.meanwhile = [&] { second.arm(*wheel, due - 1); };
      while (base::now() < now) {}
      wheel->fire(now, &here);
      REQUIRE(due > now);
      CHECK(heard.fired.size() == 1);
      second.disarm(*wheel);
    }
  }
}

}  // namespace
