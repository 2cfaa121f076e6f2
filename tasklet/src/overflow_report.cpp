#include <martlet/tasklet/overflow_report.hpp>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <mutex>
#include <string_view>

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <martlet/base/fork.hpp>
#include <martlet/base/spin_lock.hpp>
#include <martlet/tasklet/extras.hpp>
#include <martlet/tasklet/fiber.hpp>
#include <martlet/tasklet/host.hpp>

// Everything below `on_fault` runs inside a signal handler: no allocation, no lock, no function that may take one.
namespace martlet::detail {
namespace {

// Who handled a signal before us. Atomic because it may be written again while a handler reads it on another thread.
struct former_action {
  bool is_replaced = false;  // under the lock of `report_overflows`
  base::atomic<void (*)(int)> plain{SIG_DFL};
  base::atomic<void (*)(int, siginfo_t*, void*)> informed{nullptr};  // instead of `plain`
  base::atomic<bool> once{false};                                    // SA_RESETHAND
};

constinit std::array<former_action, 2> former_actions;
constinit base::spin_lock installing;
constinit base::fork_hook report_hook{.order = 15,
                                      .before = []() noexcept { installing.lock(); },
                                      .in_parent = []() noexcept { installing.unlock(); },
                                      .in_child = []() noexcept { installing.unlock(); }};
constinit base::atomic<const void*> last_reported{nullptr};

former_action& former(int signal) noexcept { return former_actions[signal == SIGSEGV ? 0 : 1]; }

// A block of text that is written with one system call, so that it stays whole when several threads die at once.
class block {
 public:
  block& operator<<(std::string_view text) noexcept {
    const std::size_t taken = text.copy(text_.data() + length_, text_.size() - length_);
    length_ += taken;
    return *this;
  }
  block& operator<<(std::size_t number) noexcept {
    char digits[24];
    return *this << std::string_view(digits,
                                     static_cast<std::size_t>(std::to_chars(digits, std::end(digits), number).ptr -
                                                              digits));
  }
  void write() const noexcept { [[maybe_unused]] const auto n = ::write(STDERR_FILENO, text_.data(), length_); }

 private:
  std::array<char, 2048> text_;
  std::size_t length_ = 0;
};

std::size_t thread_number() noexcept { return static_cast<std::size_t>(::syscall(SYS_gettid)); }

// Says which tasklet it was: all that is known of one belongs here.
void add_tasklet(block& text, tasklet& who) noexcept {
  if (const extras* named = extras_of(who); named != nullptr && named->name[0] != '\0') {
    text << "Its name is '" << std::string_view(named->name.data(), ::strnlen(named->name.data(), named->name.size()))
         << "'. ";
  }
  text << (who.kind_ == kind::python ? "It is a Python function" : "It was spawned at ");
  if (who.kind_ != kind::python) {
    const std::string_view file = who.site_.file();
    if (file.empty()) {
      text << "an unknown place";
    } else {
      text << file.substr(file.size() > 1000 ? file.size() - 1000 : 0) << ":" << std::size_t{who.site_.line()};
    }
  }
}

void report_own(const host& here, tasklet& who, const stack& overflowed) noexcept {
  const std::size_t bytes = stack_pool::size_of(overflowed);
  block text;
  text << "martlet: a tasklet's stack overflowed: it has " << bytes << " bytes.\n  ";
  add_tasklet(text, who);
  text << " and ran on " << (here.is_lent_ ? "a lent thread, worker " : "worker ") << std::size_t{here.index_}
       << " (thread " << thread_number() << ").\n  ";
  if (who.kind_ == kind::python) {
    text << "Let it recurse less through C.\n";
  } else if (bytes < stack_pool::largest_bytes) {
    text << "Give it more where it is spawned, martlet::fiber_options{.stack_size = " << 2 * bytes
         << "}, or let it recurse less and keep large arrays on the heap.\n";
  } else {
    text << "No stack is larger: let it recurse less and keep large arrays on the heap, or run it on a thread.\n";
  }
  text.write();
}

// A coroutine runs on its worker's own stack; so does what a fiber awaits, once that has waited.
void report_worker(const host& here) noexcept {
  block text;
  text << "martlet: the stack of a worker's thread overflowed: it has "
       << static_cast<std::size_t>(static_cast<const std::byte*>(here.stack_.high) -
                                   static_cast<const std::byte*>(here.stack_.low))
       << " bytes.\n  ";
  if (tasklet* who = here.current_.load(base::relaxed); who != nullptr) {
    add_tasklet(text, *who);
    text << " and ran on ";
  } else {
    text << "No tasklet ran on ";
  }
  text
      << "worker " << std::size_t{here.index_} << " (thread " << thread_number()
      << ").\n  Let it recurse less and keep large arrays on the heap, or spawn a function with a larger stack of its own; "
         "threads get what `ulimit -s` says.\n";
  text.write();
}

void report_foreign(bool is_taken) noexcept {
  block text;
  text << "martlet: thread " << thread_number() << " touched the guard page below "
       << (is_taken ? "the stack of a tasklet that it does not run.\n" : "a stack whose tasklet has ended.\n")
       << "  Look for a pointer or a reference into a tasklet's local variables that is used outside of it.\n";
  text.write();
}

bool runs_on(const host& here, const stack& which) noexcept {
  tasklet* who = here.current_.load(base::relaxed);  // this thread's own
  return who != nullptr && (who->kind_ == kind::python ||
                            (who->kind_ == kind::fiber && fiber_core::of(*who).memory.record == which.record));
}

void report(const void* address) noexcept {
  const auto hit = stacks().guard_of(address);
  const host* here = current_host();
  const bool is_workers = here != nullptr && here->stack_.overflows_at(address);
  if ((!hit && !is_workers) || (here != nullptr && !here->reports_overflow_)) {
    return;
  }
  // A handler of somebody else's that returns has the instruction fault again, for ever; once is enough to say it.
  if (last_reported.exchange(address, base::relaxed) == address) {
    return;
  }
  if (is_workers) {
    report_worker(*here);
  } else if (here != nullptr && hit->is_taken && runs_on(*here, hit->of)) {
    report_own(*here, *here->current_.load(base::relaxed), hit->of);
  } else {
    report_foreign(hit->is_taken);
  }
}

// A fault of this thread's, and not a signal that somebody sent: it comes again when the handler returns.
bool is_fault(const siginfo_t& info) noexcept { return info.si_code > 0; }

void pass_on(int signal, siginfo_t* info, void* context) noexcept {
  former_action& before = former(signal);
  const auto informed = before.informed.load(base::acquire);  // [fault.former]
  const auto plain = before.plain.load(base::relaxed);
  if (before.once.load(base::relaxed)) {
    before.plain.store(SIG_DFL, base::relaxed);  // this thread's turn comes first, and then the process dies
    before.informed.store(nullptr, base::relaxed);
  }
  if (informed != nullptr) {
    informed(signal, info, context);
  } else if (plain != SIG_DFL && plain != SIG_IGN) {
    plain(signal);
  } else if (plain == SIG_DFL || is_fault(*info)) {  // nobody can ignore a fault
    struct sigaction fate = {};
    fate.sa_handler = SIG_DFL;
    ::sigaction(signal, &fate, nullptr);
    if (!is_fault(*info)) {
      ::raise(signal);  // blocked until we return
    }
  }
}

void on_fault(int signal, siginfo_t* info, void* context) {
  const int error = errno;
  if (is_fault(*info)) {
    report(info->si_addr);
  }
  pass_on(signal, info, context);
  errno = error;
}

void take_over(int signal) noexcept {
  struct sigaction now = {};
  if (::sigaction(signal, nullptr, &now) != 0) {
    return;
  }
  const bool is_informed = (now.sa_flags & SA_SIGINFO) != 0;
  const bool is_default = !is_informed && now.sa_handler == SIG_DFL;
  former_action& before = former(signal);
  if ((is_informed && now.sa_sigaction == &on_fault) || (before.is_replaced && !is_default)) {
    return;
  }
  before.is_replaced = true;
  before.plain.store(is_informed ? SIG_DFL : now.sa_handler, base::relaxed);
  before.once.store((now.sa_flags & static_cast<int>(SA_RESETHAND)) != 0, base::relaxed);
  before.informed.store(is_informed ? now.sa_sigaction : nullptr, base::release);  // [fault.former]
  // The former handler's mask and its wish about its own signal are ours, so it runs as it would without us.
  struct sigaction ours = {};
  ours.sa_sigaction = &on_fault;
  ours.sa_mask = now.sa_mask;
  ours.sa_flags = SA_SIGINFO | SA_ONSTACK | (now.sa_flags & (SA_NODEFER | SA_RESTART));
  ::sigaction(signal, &ours, nullptr);
}

}  // namespace

void report_overflows() noexcept {
  base::register_fork_hook(report_hook);
  const std::lock_guard guard(installing);
  take_over(SIGSEGV);
  take_over(SIGBUS);
}

}  // namespace martlet::detail
