#include <martlet/base/signal_stack.hpp>

#include <new>

#include <pthread.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

namespace martlet::base {
namespace {

constexpr std::size_t room_for_a_handler = std::size_t{4} << 10;
// Handlers that were there before run on it too, and may want to print a backtrace. Pages not touched cost nothing.
constexpr std::size_t room_for_others = std::size_t{64} << 10;

// What the kernel itself pushes: its size depends on the processor's registers, 11 KiB and more with AMX.
std::size_t frame_bytes() noexcept {
#ifdef AT_MINSIGSTKSZ
  if (const unsigned long told = ::getauxval(AT_MINSIGSTKSZ); told != 0) {
    return told;
  }
#endif
  return std::size_t{4} << 10;
}

// Where a thread keeps what its signal_stacks share; nothing when the process has no key left, and then they do not share.
const pthread_key_t* key_of_threads() noexcept {
  static pthread_key_t key{};
  static const bool is_there = ::pthread_key_create(&key, nullptr) == 0;
  return is_there ? &key : nullptr;
}

}  // namespace

// At the upper end of its memory, above where signals begin.
struct signal_stack::shared {
  void* mapped;
  std::size_t bytes;  // with the guard page below
  stack_t former;
  std::size_t users;
};

std::size_t signal_stack::least_bytes() noexcept { return frame_bytes() + room_for_a_handler; }

signal_stack::signal_stack() noexcept {
  const pthread_key_t* key = key_of_threads();
  if (key != nullptr) {
    mine_ = static_cast<shared*>(::pthread_getspecific(*key));
  }
  if (mine_ != nullptr) {
    ++mine_->users;
    return;
  }
  stack_t former{};
  if (::sigaltstack(nullptr, &former) != 0 ||
      ((former.ss_flags & SS_DISABLE) == 0 && former.ss_size >= least_bytes())) {
    return;
  }
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const std::size_t usable = (frame_bytes() + room_for_others + sizeof(shared) + page - 1) / page * page;
  void* memory =
      ::mmap(nullptr, page + usable, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    return;
  }
  ::mprotect(memory, page, PROT_NONE);  // an overflow of this one must not go unnoticed either
  auto* low = static_cast<std::byte*>(memory) + page;
  stack_t made{};
  made.ss_sp = low;
  made.ss_size = (usable - sizeof(shared)) / 64 * 64;
  if (::sigaltstack(&made, nullptr) != 0) {
    ::munmap(memory, page + usable);
    return;
  }
  mine_ = new (low + made.ss_size) shared{memory, page + usable, former, 1};
  if (key != nullptr) {
    static_cast<void>(::pthread_setspecific(*key, mine_));  // without memory for that they do not share
  }
}

signal_stack::~signal_stack() {
  if (mine_ == nullptr || --mine_->users != 0) {
    return;
  }
  if (const pthread_key_t* key = key_of_threads(); key != nullptr) {
    static_cast<void>(::pthread_setspecific(*key, nullptr));
  }
  const shared last = *mine_;
  stack_t now{};
  const auto* low = static_cast<std::byte*>(last.mapped);
  if (::sigaltstack(nullptr, &now) == 0 && now.ss_sp > low && now.ss_sp < low + last.bytes) {
    stack_t former = last.former;
    former.ss_flags &= SS_DISABLE;  // the only flag that may be given
    ::sigaltstack(&former, nullptr);
  }  // else somebody has put another one in its place since
  ::munmap(last.mapped, last.bytes);
}

}  // namespace martlet::base
