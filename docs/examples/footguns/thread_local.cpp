// A thread_local and errno over a wait. Each wait of this program goes on on another thread (migrate_always).
#include <cerrno>
#include <string>

#include <fcntl.h>

#include <martlet/martlet.hpp>

#include "holds.hpp"

namespace broken {

// [broken]
thread_local std::string user;  // whose request is served here

std::string serve(std::string name, martlet::channel<std::string>& log) {
  user = std::move(name);
  martlet::await(log.send("began"));
  return user;  // of the thread that it runs on by now, or of the one that it ran on
}
// [end]

// [broken-errno]
int open_and_log(const char* path, martlet::channel<std::string>& log) {
  const int file = ::open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) {
    martlet::await(log.send(path));
    return -errno;  // another thread's
  }
  return file;
}
// [end]

}  // namespace broken

namespace fixed {

// [fixed]
martlet::tasklet_local<std::string> user;

std::string serve(std::string name, martlet::channel<std::string>& log) {
  *user = std::move(name);
  martlet::await(log.send("began"));
  return *user;
}
// [end]

// [fixed-errno]
int open_and_log(const char* path, martlet::channel<std::string>& log) {
  const int file = ::open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) {
    const int error = errno;  // before anything waits
    martlet::await(log.send(path));
    return -error;
  }
  return file;
}
// [end]

}  // namespace fixed

namespace library {

thread_local int open_calls = 0;

// asm: or the compiler may take the address that it had before a wait.
[[gnu::noinline]] int* context() {
  asm volatile("");
  return &open_calls;
}
void begin() { ++*context(); }
void end() { --*context(); }

}  // namespace library

namespace broken {

// [broken-library]
void use_library() {
  library::begin();  // notes something in a thread_local of its own
  martlet::await(martlet::yield());
  library::end();  // looks for it on another thread
}
// [end]

}  // namespace broken

namespace fixed {

// [fixed-library]
void use_library() {
  martlet::pin here;  // this tasklet stays on this worker until the end of the block
  library::begin();
  martlet::await(martlet::yield());
  library::end();
}
// [end]

}  // namespace fixed

int main() {
  bool good = true;
  {
    martlet::scheduler pool({.workers = 2, .migrate_always = true});
    martlet::channel<std::string> log(16);
    good &= holds(pool.block_on(pool.spawn([&] { return fixed::serve("alice", log); })) == "alice", "its own value");
    good &= holds(pool.block_on(pool.spawn([&] { return fixed::open_and_log("/nowhere/at/all", log); })) == -ENOENT,
                  "errno was read before the wait");
    static_cast<void>(pool.block_on(pool.spawn([&] { return broken::serve("bob", log); })));
    static_cast<void>(pool.block_on(pool.spawn([&] { return broken::open_and_log("/nowhere/at/all", log); })));
  }
  const auto is_balanced = [](void (*use)()) {
    martlet::base::atomic<int> wrong{0};
    {
      martlet::scheduler pool({.workers = 2, .migrate_always = true, .on_worker_stop = [&] {
                                 wrong += *library::context() == 0 ? 0 : 1;
                               }});
      pool.block_on(pool.spawn(use));
    }
    return wrong == 0;
  };
  good &= holds(is_balanced(fixed::use_library), "a pinned tasklet finds the library's thread again");
  good &= holds(!is_balanced(broken::use_library), "one that is not pinned does not");
  return good ? 0 : 1;
}
