#include <martlet/python/run_here.hpp>

#include <exception>
#include <mutex>

#include <martlet/python/error.hpp>
#include <martlet/tasklet/await.hpp>

#include "embedding.hpp"
#include "signals.hpp"

namespace martlet::python {

/// Stands for the main tasklet, on whose behalf the run counts one from the beginning; at its end the others are stopped.
class run::cpp_main {
 public:
  explicit cpp_main(run& of) : run_(of) {
    detail::tasklet* self = detail::running_tasklet();
    bool is_too_late = false;
    {
      const std::lock_guard guard(of.lock_);
      of.cpp_main_ = self;
      is_too_late = of.stopping_;
    }
    if (is_too_late) {
      detail::request_cancel(self);
    }
  }
  cpp_main(const cpp_main&) = delete;
  cpp_main& operator=(const cpp_main&) = delete;
  ~cpp_main() {
    {
      const std::lock_guard guard(run_.lock_);
      run_.cpp_main_ = nullptr;
    }
    detail::host& here = *detail::current_host();
    run_.attach(here);
    run_.stop_all();
    run_.dismiss(here);
  }

 private:
  run& run_;
};

task<> run::as_main(task<> main) {
  const cpp_main counted(*this);
  co_await std::move(main);
}

namespace {

std::exception_ptr failure_of(martlet::handle<> ended) {
  try {
    martlet::await(std::move(ended));
  } catch (...) {
    return std::current_exception();
  }
  return nullptr;
}

struct under_way {
  module_state& state;
  const std::shared_ptr<run>& all;
  ~under_way() { end_run(state, all); }
};

}  // namespace

void run::execute(task<> main) {
  martlet::handle<> end = begin();
  martlet::handle<> whole;
  try {
    whole = pool_->spawn(as_main(std::move(main)));
  } catch (...) {
    abandon();
    throw;
  }
  {
    signal_watch signals(*this);
    run_to_the_end(std::move(end));
    signals.stop();
  }
  std::exception_ptr failure;
  Py_BEGIN_ALLOW_THREADS failure = failure_of(std::move(whole));
  Py_END_ALLOW_THREADS end_pool();
  if (raise_reason()) {
    throw_raised();
  }
  if (failure != nullptr) {
    std::rethrow_exception(failure);
  }
}

void run_main(task<> main, unsigned workers) {
  module_state& state = installed("run_here");
  const auto asked = reference::take(workers == 0 ? Py_NewRef(Py_None) : PyLong_FromUnsignedLong(workers));
  const unsigned count = read_workers(asked.get());
  if (count == 0) {
    throw_raised();
  }
  const auto all = std::make_shared<run>(state, count);
  if (!may_run_here(state, "run_here()") || !begin_run(state, all, "run_here()")) {
    throw_raised();
  }
  const under_way until_the_end{state, all};
  all->execute(std::move(main));
}

}  // namespace martlet::python
