#include <martlet/base/signals.hpp>

#include <initializer_list>

namespace martlet::base {

signals_blocked::signals_blocked() noexcept {
  sigset_t asynchronous;
  sigfillset(&asynchronous);
  for (const int left : {SIGPROF, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT}) {
    sigdelset(&asynchronous, left);
  }
  pthread_sigmask(SIG_BLOCK, &asynchronous, &before_);
}

signals_blocked::~signals_blocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

}  // namespace martlet::base
