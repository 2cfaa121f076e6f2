#include "signals.hpp"

#include <cerrno>
#include <chrono>
#include <csignal>
#include <thread>

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "run.hpp"

namespace martlet::python {
namespace {

// CPython writes the numbers of signals, which begin with 1.
constexpr char end_of_watch = 0;

void write_byte(int to, char byte) noexcept {
  while (::write(to, &byte, 1) == -1 && errno == EINTR) {}
}

// Calls signal.set_wakeup_fd, whose C twin is not exported everywhere.
//
// Returns   the descriptor that it replaces, -1 for none; -2 when it did not work.
int set_wakeup_descriptor(int to) {
  const error_set_aside raised;
  const object module = object::take(PyImport_ImportModule("_signal"));
  const object before = object::take(module ? PyObject_CallMethod(module.get(), "set_wakeup_fd", "i", to) : nullptr);
  const long number = before ? PyLong_AsLong(before.get()) : -2;
  PyErr_Clear();
  return static_cast<int>(number);
}

}  // namespace

class signal_watch::watcher {
 public:
  explicit watcher(run& of) : check_{.all = &of} {
    check_.record.is_pinned_ = true;
    if (::pipe2(pipe_, O_CLOEXEC) != 0) {
      return;  // Ctrl-C then has to wait until the main thread runs Python
    }
    ::fcntl(pipe_[1], F_SETFL, O_NONBLOCK);  // written to by a signal handler
    before_ = set_wakeup_descriptor(pipe_[1]);
    if (before_ == -2) {
      return;
    }
    thread_ = std::thread([this] { watch(); });
  }
  watcher(const watcher&) = delete;
  watcher& operator=(const watcher&) = delete;
  ~watcher() {
    if (thread_.joinable()) {
      set_wakeup_descriptor(before_);
      write_byte(pipe_[1], end_of_watch);
      thread_.join();
    }
    if (pipe_[0] != -1) {
      ::close(pipe_[0]);
      ::close(pipe_[1]);
    }
  }

 private:
  // A frame that checks for signals, pinned to the lent worker.
  struct check {
    void (*resume)(void*) = &check::run_handlers;
    void (*destroy)(void*) = nullptr;
    detail::tasklet record{detail::kind::thread, detail::tasklet::on_stack{}};
    run* all = nullptr;
    base::atomic<bool> is_queued{false};

    static void run_handlers(void* frame) {
      auto& self = *static_cast<check*>(frame);
      self.is_queued.store(false, base::release);  // a signal from now on needs another check
      self.all->attach(*self.record.at());
      if (PyErr_CheckSignals() < 0) {
        const object reason = take_error();
        self.all->stop_because(reason.get());
      }
    }
  };

  void watch() noexcept {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
    for (char byte = 0;;) {
      const ssize_t count = ::read(pipe_[0], &byte, 1);
      if (count == -1 && errno == EINTR) {
        continue;
      }
      if (count != 1 || byte == end_of_watch) {
        return;
      }
      if (before_ != -1) {
        write_byte(before_, byte);
      }
      send_check();
    }
  }

  void send_check() noexcept {
    if (check_.is_queued.exchange(true, base::acq_rel)) {
      return;
    }
    while (!check_.all->send_to_lent_worker(check_.record)) {  // the thread is on its way into the loop
      std::this_thread::sleep_for(std::chrono::microseconds(500));
    }
  }

  check check_;
  int pipe_[2] = {-1, -1};
  int before_ = -1;
  std::thread thread_;
};

signal_watch::signal_watch(run& of) {
  const bool is_main_thread = ::syscall(SYS_gettid) == ::getpid();
  if (is_main_thread && PyInterpreterState_Get() == PyInterpreterState_Main()) {
    watcher_ = std::make_unique<watcher>(of);
  }
}

signal_watch::~signal_watch() = default;

void signal_watch::stop() { watcher_.reset(); }

}  // namespace martlet::python
