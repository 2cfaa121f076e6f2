#pragma once

#include <thread>

namespace martlet::testing {

/// Returns   the thread that runs this line, asked for anew: compilers keep what `std::this_thread::get_id()` said
///           before a wait, as they may, for it is declared constant on a thread.
[[gnu::noinline]] inline std::thread::id thread_now() {
  std::thread::id id = std::this_thread::get_id();
  asm volatile("" : "+m"(id)::"memory");
  return id;
}

}  // namespace martlet::testing
