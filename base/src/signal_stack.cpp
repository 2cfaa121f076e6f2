#include <martlet/base/signal_stack.hpp>

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

}  // namespace

std::size_t signal_stack::least_bytes() noexcept { return frame_bytes() + room_for_a_handler; }

signal_stack::signal_stack() noexcept {
  if (::sigaltstack(nullptr, &former_) != 0 ||
      ((former_.ss_flags & SS_DISABLE) == 0 && former_.ss_size >= least_bytes())) {
    return;
  }
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const std::size_t usable = (frame_bytes() + room_for_others + page - 1) / page * page;
  void* memory =
      ::mmap(nullptr, page + usable, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    return;
  }
  ::mprotect(memory, page, PROT_NONE);  // an overflow of this one must not go unnoticed either
  stack_t mine{};
  mine.ss_sp = static_cast<std::byte*>(memory) + page;
  mine.ss_size = usable;
  if (::sigaltstack(&mine, nullptr) != 0) {
    ::munmap(memory, page + usable);
    return;
  }
  mapped_ = memory;
  bytes_ = page + usable;
}

signal_stack::~signal_stack() {
  if (mapped_ == nullptr) {
    return;
  }
  stack_t now{};
  const auto* low = static_cast<std::byte*>(mapped_);
  if (::sigaltstack(nullptr, &now) == 0 && now.ss_sp > low && now.ss_sp < low + bytes_) {
    former_.ss_flags &= SS_DISABLE;  // the only flag that may be given
    ::sigaltstack(&former_, nullptr);
  }  // else somebody has put another one in its place since
  ::munmap(mapped_, bytes_);
}

}  // namespace martlet::base
