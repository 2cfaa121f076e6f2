#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <new>
#include <utility>

#include <martlet/tasklet/handle.hpp>
#include <martlet/tasklet/task.hpp>

#include "checker/explore.hpp"
#include "checker/mutants.hpp"
#include "checker/var.hpp"
#include "listed.hpp"
#include "sleeper.hpp"

// The end of a tasklet against who joins it, gives it up, looks at it, or holds it by its place in a scope.

namespace base = martlet::base;
namespace detail = martlet::detail;
using namespace martlet::model;

namespace {

// Owns the child, and hears of its end.
class owner final : public detail::scope_base {
 public:
  std::uintptr_t child_began(detail::tasklet&) override { return 0; }
  void child_failed(std::exception_ptr, bool, martlet::site) noexcept override {}
  void child_ended(detail::host&, std::uintptr_t) noexcept override { ++ended; }

  int ended = 0;
};

// A frame made by hand. Its result is plain data, and so is whether it is still there.
struct frame {
  void (*resume)(void*) = nullptr;
  void (*destroy)(void*) = [](void* self) {
    auto& mine = *static_cast<frame*>(self);
    mine.record.set(0);
    mine.result.set(0);
    ++mine.times_destroyed;
    mine.child.word_.store(0, base::release);  // as a frame that is freed
  };
  detail::outcome<var<int>*> child{detail::kind::coroutine};
  var<int> record;  // stands for what a canceller reads of the child
  var<int> result;
  int times_destroyed = 0;
};

// A slot of the frame pool: its lock and its word outlive the frame.
class family {
 public:
  family() : frame_(*std::construct_at(reinterpret_cast<frame*>(slot))) {
    child().begin_as_root({});
    child().host_.store(&seat_, base::relaxed);
    child().word_.store(detail::tasklet::bits(detail::tag::runnable), base::relaxed);
    child().link_ = reinterpret_cast<std::uintptr_t>(static_cast<detail::scope_base*>(&owner_));
  }
  ~family() {
    require(owner_.ended == 1, "the owner hears of the end once");
    require(frame_.times_destroyed == 1, "the frame is destroyed once");
  }

  detail::outcome<var<int>*>& child() { return frame_.child; }
  martlet::handle<var<int>*> handle() { return martlet::handle<var<int>*>(child()); }

  // What the child does.
  void run() {
    frame_.result.set(7);
    child().set_value(&frame_.result);
    detail::finish_root(&child(), nullptr);
    if (seat_.handoff_ != nullptr) {
      crew_.ready(seat_.handoff_, seat_.handoff_->root(), &seat_, detail::turn::next);
    }
  }

  int read_result() { return frame_.result.get(); }
  var<int>& record() { return frame_.record; }
  crew& all() { return crew_; }
  owner& its_owner() { return owner_; }

 private:
  alignas(16) static inline std::byte slot[sizeof(frame)]{};

  crew crew_;
  owner owner_;
  detail::host seat_{&crew_};
  frame& frame_;
};

// Returns   false when the wait was cancelled.
bool join(sleeper& self, martlet::handle<var<int>*> of) {
  try {
    require(wait(self, of.join())->get() == 7, "who joins gets the result");
    return true;
  } catch (const martlet::cancelled&) {
    return false;
  }
}

void joined() {
  family home;
  sleeper self(home.all());
  run_threads({{"joins", [&] { require(join(self, home.handle()), "nobody cancels"); }},
               {"child", [&] { home.run(); }}});
  self.end();
}

void given_up() {
  family home;
  run_threads({{"gives up", [&] { static_cast<void>(home.handle()); }}, {"child", [&] { home.run(); }}});
}

void looked_at() {
  family home;
  run_threads({{"looks",
                [&] {
                  const martlet::handle<var<int>*> child = home.handle();
                  if (child.state() == martlet::status::done) {
                    require(home.read_result() == 7, "who sees the end sees what was done before");
                  }
                }},
               {"child", [&] { home.run(); }}});
}

void joined_or_cancelled() {
  family home;
  sleeper self(home.all());
  run_threads({{"joins", [&] { join(self, home.handle()); }},
               {"child", [&] { home.run(); }},
               {"cancels", [&] { detail::request_cancel(&self); }}});
  self.end();
}

// A canceller that holds the child by its place keeps it from ending, and the frame from going. Its handle is gone, or goes
// meanwhile.
void hold(bool has_handle) {
  family home;
  struct alignas(detail::membership::block_size) {
    detail::scope_base* of;
    detail::membership place;
  } block{&home.its_owner(), {}};
  detail::membership& place = block.place;
  home.child().link_ = reinterpret_cast<std::uintptr_t>(&place) | detail::membership::mark;
  home.child().is_detached_ = !has_handle;
  const auto child = [&] {
    home.record().set(1);
    place.who.store(reinterpret_cast<std::uintptr_t>(&home.child()), base::release);  // as a scope does
    home.run();
  };
  const auto cancels = [&] {
    if (detail::tasklet* who = place.hold()) {
      require(home.record().get() == 1, "who is held is there");
      static_cast<void>(detail::tell_to_stop(who, 0));
      detail::stop_looking(*who);
      place.let_go(who);
    }
  };
  if (has_handle) {
    run_threads({{"child", child}, {"cancels", cancels}, {"gives up", [&] { static_cast<void>(home.handle()); }}});
  } else {
    run_threads({{"child", child}, {"cancels", cancels}});
  }
  require(place.who.load(base::relaxed) == 0, "the place is free");
}

void held() { hold(false); }
void held_and_given_up() { hold(true); }

}  // namespace

TEST_SUITE("join") {
  TEST_CASE("a child ends once, and whoever waits for it goes on with its result") {
    check({
        {"one that joins, a child", joined, 27},
        {"one that gives its handle up, a child", given_up, 20},
        {"one that looks, a child", looked_at, 21},
        {"a child, one that holds it by its place", held, 18},
        {"a child, one that holds it by its place, one that gives its handle up", held_and_given_up, 28'578},
        {"one that joins, a child, a canceller", joined_or_cancelled, 0},
    });
  }

  TEST_CASE("mutants: no order can be weaker") {
    const auto unexplained = unexplained_mutants({joined, given_up, looked_at, held},
                                                 {"wait.cpp", "handle.hpp", "[member.hold]", "[member.enter]"}, {});
    INFO(doctest::toString(unexplained));
    CHECK(unexplained.empty());
  }
}
