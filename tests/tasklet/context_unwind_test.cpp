#include <martlet/tasklet/context.hpp>

#include <array>
#include <stdexcept>

#include <execinfo.h>
#include <unwind.h>

#include <doctest/doctest.h>

#include "flow.hpp"
#include "in_child.hpp"

namespace {

using namespace martlet::detail;
using namespace martlet::testing;

struct unwound {
  int frames = 0;
  _Unwind_Reason_Code code = _URC_NO_REASON;
};

unwound unwind() {
  unwound result;
  result.code = _Unwind_Backtrace(
      [](_Unwind_Context*, void* count) {
        return ++*static_cast<int*>(count) < 1000 ? _URC_NO_REASON : _URC_NORMAL_STOP;
      },
      &result.frames);
  return result;
}

TEST_SUITE("context") {
  TEST_CASE_TEMPLATE("an unwinder that starts in a flow ends at its first function", Context, MARTLET_TEST_BACKENDS) {
    unwound first;
    unwound moved;
    int listed = 0;
    flow<Context> f([&](auto& self) {
      nest(10, [&] {
        first = unwind();
        std::array<void*, 200> frames;
        listed = backtrace(frames.data(), static_cast<int>(frames.size()));
        self.suspend();
        moved = unwind();
      });
    });
    f.resume();
    f.resume_elsewhere();
    CHECK(first.code == _URC_END_OF_STACK);
    CHECK(first.frames > 10);
    CHECK(first.frames < 100);
    CHECK(moved.code == _URC_END_OF_STACK);
    CHECK(moved.frames == first.frames);
    CHECK(listed > 10);
    CHECK(listed < 100);
  }

  TEST_CASE_TEMPLATE("an exception that leaves the entry terminates", Context, MARTLET_TEST_BACKENDS) {
    const auto end = in_child([] {
      flow<Context> f([](auto&) { throw std::runtime_error("nobody catches this"); });
      try {
        f.resume();
      } catch (...) {}
    });
    CHECK(end.was_aborted());
    CHECK(end.said("terminate called"));
    CHECK(end.said("nobody catches this"));
  }

  TEST_CASE_TEMPLATE("an entry that returns is told to finish instead", Context, MARTLET_TEST_BACKENDS) {
    const auto end = in_child([] {
      Context context;
      context.prepare(pool.take(), [](void*) {}, nullptr);
      carrier here;
      context.resume(here);
    });
    CHECK(end.was_aborted());
    CHECK(end.said("has to end with context::finish"));
  }

#if MARTLET_ASAN
  TEST_CASE_TEMPLATE("ASan sees an overrun inside a flow that has moved", Context, MARTLET_TEST_BACKENDS) {
    const auto end = in_child([] {
      flow<Context> f([](auto& self) {
        char few[8] = {};
        volatile char* at = few;
        self.suspend();
        asm volatile("" : "+r"(at));  // UBSan would know the array's size, and speak first
        at[sizeof few] = 1;
      });
      f.resume();
      f.resume_elsewhere();
    });
    CHECK(!end.exited_with(0));
    CHECK(end.said("stack-buffer-overflow"));
  }
#endif
}

}  // namespace
