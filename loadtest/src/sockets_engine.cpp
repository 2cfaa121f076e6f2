#include "sockets_engine.hpp"

#include "recorder.hpp"
#include "response_reader.hpp"
#include "schedule.hpp"
#include "wire.hpp"

#include <martlet/base/atomic.hpp>
#include <martlet/base/clock.hpp>
#include <martlet/base/current.hpp>
#include <martlet/base/processors.hpp>
#include <martlet/channel.hpp>
#include <martlet/net.hpp>
#include <martlet/scheduler.hpp>

#include <sys/socket.h>
#include <algorithm>
#include <array>
#include <cerrno>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

namespace martlet::loadtest {
namespace {

using std::chrono::nanoseconds;

// After so many nanoseconds a server may have closed a connection that it promised to keep.
constexpr base::instant long_idle = 1'000'000'000;
constexpr std::size_t first_bytes = 1'024;  // most answers fit; the frame of a waiting request holds no more
constexpr std::size_t more_bytes = std::size_t{16} * 1'024;
constexpr int burst = 32;  // requests begun in a row before others on the worker have their turn

std::chrono::steady_clock::time_point at(base::instant moment) {
  return std::chrono::steady_clock::time_point(nanoseconds(moment));
}

std::uint64_t between(base::instant from, base::instant to) {
  return to > from ? static_cast<std::uint64_t>(to - from) : 0;
}

bool is_local(const std::error_code& error) {
  for (const int number : {EMFILE, ENFILE, ENOBUFS, ENOMEM, EADDRNOTAVAIL, EADDRINUSE, EACCES, EPERM})
    if (error == std::error_code(number, std::system_category())) return true;
  return false;
}

/// What a user keeps between two requests.
struct connection {
  net::stream stream;
  base::instant last_used = 0;
};

/// Tells whether the server has ended a connection that nobody waited at. A server does that to idle ones as it likes; a
/// request written there would be lost through no fault of its own.
bool is_stale(const connection& idle) {
  char byte;
  const auto got = ::recv(idle.stream.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return got >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK);  // bytes that nobody asked for are no good either
}

struct arrival {
  base::instant intended;
  std::size_t step;
};

}  // namespace

class sockets_engine::users {
 public:
  users(const scenario& what, const numeric_address& server, int workers)
      : what_(what), server_(net::endpoint::parse(server.text())), chooser_(what) {
    for (const auto& step : what.requests)
      requests_.push_back({to_wire(step, what.server, what.connection.keep_alive), step.method == "HEAD"});
    if (const auto* constant = std::get_if<constant_rate_model>(&what.model))
      late_after_ = constant->late_after.count();

    scheduler_options options;
    options.workers = workers == 0 ? static_cast<int>(base::usable_processors()) : workers;
    // The server may be on this machine: what we spin away is missing there. How late that makes us is in the report.
    options.spin = std::chrono::microseconds(2);
    for (int i = 0; i != options.workers; ++i) workers_.emplace_back(what.requests.size());
    options.on_worker_start = [this] {
      // relaxed: each worker takes a place of its own, and looks for what it wrote there itself.
      workers_[entered_.fetch_add(1, base::relaxed)].thread.store(base::current(), base::relaxed);
    };
    // Whoever is in the middle of something when a run is stopped has not failed. All else is thrown by `finish`.
    options.on_unhandled = [](const std::exception_ptr&, site) {};
    pool_.emplace(std::move(options));
  }

  void start(std::function<void()> on_end) {
    on_end_ = std::move(on_end);
    start_ = base::now();
    end_of_starts_ = base::never;
    if (const auto* closed = std::get_if<closed_model>(&what_.model)) {
      if (closed->duration) end_of_starts_ = base::after(start_, *closed->duration);
      root_ = pool_->spawn(all_users(*closed));
    } else {
      root_ = pool_->spawn(all_arrivals(std::get<constant_rate_model>(what_.model)));
    }
  }

  void stop() {
    root_ = {};
    pool_.reset();  // cancels every tasklet, and waits
  }

  void finish() {
    if (pool_ && root_) pool_->block_on(std::move(root_));
  }

  tally counts() const {
    tally sum;
    for (const auto& worker : workers_) worker.counts.add_to(sum);
    return sum;
  }

  std::uint64_t open_connections() const {
    std::int64_t open = 0;
    for (const auto& worker : workers_) open += worker.counts.open_connections();
    return open > 0 ? static_cast<std::uint64_t>(open) : 0;
  }

  unsigned workers() const { return pool_ ? pool_->worker_count() : 0; }

 private:
  struct prepared_request {
    std::string bytes;
    bool is_head;
  };

  struct seat {
    explicit seat(std::size_t steps) : counts(steps) {}
    base::atomic<void*> thread{nullptr};
    recorder counts;
  };

  /// Tells the monitor, however the tasklet ends that holds it.
  struct end_teller {
    explicit end_teller(std::function<void()>& whom) : tell(whom) {}
    end_teller(const end_teller&) = delete;
    end_teller& operator=(const end_teller&) = delete;
    ~end_teller() { tell(); }
    std::function<void()>& tell;
  };

  /// Gives the recorder of the worker that runs the caller: use it before the next wait and no longer.
  recorder& here() {
    void* const thread = base::current();
    for (auto& worker : workers_)
      if (worker.thread.load(base::relaxed) == thread) return worker.counts;
    std::terminate();  // users run on the pool's own workers only
  }

  task<> all_users(const closed_model& model) {
    const end_teller end(on_end_);
    co_await in_scope([this, &model](scope& children) -> task<> {
      for (std::uint64_t id = 0; id != model.users; ++id) {
        const auto begin = begin_of_user(model, start_, id);
        if (begin > base::now()) co_await sleep_until(at(begin));
        if (id % burst == burst - 1) co_await yield();
        children.spawn(user(model, id, begin));
      }
    });
  }

  task<> user(const closed_model& model, std::uint64_t id, base::instant intended) {
    user_random random(what_.seed, id);
    connection link;
    const auto most = requests_of_user(model, what_, id);
    try {
      for (std::uint64_t sent = 0; sent != most && intended < end_of_starts_; ++sent) {
        if (sent != 0) co_await sleep_until(at(intended));
        co_await exchange(link, chooser_.choose(sent, random), intended);
        intended = base::after(link.last_used, model.think_time.draw(random));
      }
    } catch (const cancelled&) {
      // The run was stopped, which is no failure.
    }
    close(link);
  }

  task<> all_arrivals(const constant_rate_model& model) {
    const end_teller end(on_end_);
    // Users wait here for something to do; only when none does is one more begun, so that the fewest connections serve.
    channel<arrival> idle;
    co_await in_scope([this, &model, &idle](scope& children) -> task<> {
      const arrival_times times(model, what_, start_);
      std::uint64_t begun = 0;
      for (std::uint64_t number = 0; number != times.count(); ++number) {
        user_random random(what_.seed, number);
        arrival next{times.at(number), chooser_.choose(number, random)};
        if (next.intended > base::now()) co_await sleep_until(at(next.intended));
        else if (number % burst == burst - 1) co_await yield();  // late: let those begin that are begun
        if (idle.try_send(next) == try_status::done) continue;
        if (begun == model.max_in_flight) {
          here().dropped(1);
          continue;
        }
        ++begun;
        children.spawn(worker_of_arrivals(idle, next));
      }
      idle.close();
    });
  }

  task<> worker_of_arrivals(channel<arrival>& idle, arrival first) {
    connection link;
    std::optional<arrival> next = first;
    try {
      while (next) {
        co_await exchange(link, next->step, next->intended);
        next = co_await idle.receive();
      }
    } catch (const cancelled&) {}
    close(link);
  }

  /// Sends one request and reads its answer. All that happens is counted; only `cancelled` is thrown.
  task<> exchange(connection& link, std::size_t step, base::instant intended) {
    const auto begun = base::now();
    here().started(between(intended, begun));
    if (link.stream.is_open() && begun - link.last_used > long_idle && is_stale(link)) close(link);
    if (!link.stream.is_open() && !co_await open(link, step, intended)) {
      link.last_used = base::now();
      co_return;
    }

    const auto sent_at = base::now();
    if (late_after_ && sent_at - intended > *late_after_) here().late();
    const auto& request = requests_[step];
    bool keeps_alive = false;
    try {
      response_reader answer;
      answer.begin(request.is_head);
      co_await within(what_.connection.timeout, link.stream.write_all(std::as_bytes(std::span(request.bytes))));
      here().sent(request.bytes.size());
      const auto state = co_await read(link, answer, base::after(sent_at, what_.connection.timeout));
      const auto answered_at = base::now();
      if (state == response_reader::state::complete) {
        const auto status = answer.status();
        here().answered(step, status, what_.requests[step].expects(status), between(intended, answered_at),
                        between(sent_at, answered_at));
        keeps_alive = what_.connection.keep_alive && answer.keeps_alive();
      } else {
        here().failed(step, state == response_reader::state::malformed ? failure::protocol : failure::closed);
      }
    } catch (const deadline_passed&) {
      const auto now = base::now();
      here().timed_out(step, between(intended, now), between(sent_at, now));
    } catch (const std::system_error& error) {
      here().failed(step, is_local(error.code()) ? failure::local : failure::reset);
    }
    if (!keeps_alive) close(link);
    link.last_used = base::now();
  }

  task<response_reader::state> read(connection& link, response_reader& answer, base::instant deadline) {
    std::array<std::byte, first_bytes> first;
    std::unique_ptr<std::byte[]> more;
    std::span<std::byte> buffer = first;
    for (;;) {
      const auto got = co_await within(nanoseconds(deadline - base::now()), link.stream.read_some(buffer));
      if (got == 0) co_return answer.finish();
      here().received(got);
      const auto state = answer.feed(buffer.first(got));
      if (state != response_reader::state::incomplete) co_return state;
      if (more == nullptr) {
        more = std::make_unique_for_overwrite<std::byte[]>(more_bytes);
        buffer = {more.get(), more_bytes};
      }
    }
  }

  task<bool> open(connection& link, std::size_t step, base::instant intended) {
    const auto begun = base::now();
    try {
      link.stream = co_await within(what_.connection.connect_timeout, net::connect(server_));
      here().connected(between(begun, base::now()));
      co_return true;
    } catch (const deadline_passed&) {
      here().connect_timed_out(step, between(intended, base::now()));
    } catch (const std::system_error& error) {
      here().failed(step, is_local(error.code()) ? failure::local : failure::connect);
    }
    co_return false;
  }

  void close(connection& link) {
    if (!link.stream.is_open()) return;
    link.stream.close();
    here().disconnected();
  }

  const scenario& what_;
  const net::endpoint server_;
  const request_chooser chooser_;
  std::vector<prepared_request> requests_;
  std::optional<base::instant> late_after_;
  base::instant start_ = 0;
  base::instant end_of_starts_ = base::never;
  std::function<void()> on_end_;
  std::deque<seat> workers_;
  base::atomic<std::size_t> entered_{0};
  std::optional<scheduler> pool_;  // after all that its tasklets use
  handle<> root_;
};

sockets_engine::sockets_engine(const scenario& what, const numeric_address& server, int workers)
    : users_(std::make_unique<users>(what, server, workers)) {}
sockets_engine::~sockets_engine() = default;
void sockets_engine::start(std::function<void()> on_end) { users_->start(std::move(on_end)); }
void sockets_engine::stop() { users_->stop(); }
void sockets_engine::finish() { users_->finish(); }
tally sockets_engine::counts() const { return users_->counts(); }
std::uint64_t sockets_engine::open_connections() const { return users_->open_connections(); }
unsigned sockets_engine::workers() const { return users_->workers(); }

std::uint64_t sockets_engine::descriptors_for(const scenario& what, int workers) {
  constexpr std::uint64_t standing = 32;   // files, signals, libraries
  constexpr std::uint64_t per_worker = 4;  // its reactor
  const auto count = workers > 0 ? static_cast<std::uint64_t>(workers) : std::uint64_t{base::usable_processors()};
  return what.most_in_flight() + count * per_worker + standing;
}

}  // namespace martlet::loadtest
