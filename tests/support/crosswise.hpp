#pragma once

#include <chrono>
#include <optional>
#include <random>
#include <variant>
#include <vector>

#include <martlet/channel.hpp>
#include <martlet/scheduler.hpp>

#include "counted.hpp"
#include "crew.hpp"

/// Selects crosswise against senders, limits, cancels and a close, with every message accounted for.
namespace martlet::testing {

struct crosswise_result {
  long offered = 0;  // by senders
  long kept = 0;     // came back to the sender: limit, cancel or close
  long arrived = 0;
  bool is_balanced = false;
};

/// Runs `senders` of each kind, which each offer `each` messages to one of two channels, against as many receivers.
class crosswise {
 public:
  crosswise(scheduler& pool, std::size_t room, int senders, int each)
      : pool_(pool), one_(room), two_(room), senders_(senders), each_(each) {}

  crosswise_result run() {
    crew receivers(pool_);
    crew senders(pool_);
    std::vector<handle<>> hurried;
    for (int i = 0; i < senders_; ++i) {
      for (const actor kind : all_actors) {
        receivers.add(kind, [this]() -> task<> { co_await receive_all(); }, [this] { receive_all_blocking(); });
        senders.add(
            kind, [this, i]() -> task<> { co_await send_all(static_cast<unsigned>(i)); },
            [this, i] { send_all_blocking(static_cast<unsigned>(i)); });
      }
    }
    // Those that are cancelled while they select; what they got they keep.
    for (int i = 0; i < each_ / 4; ++i) {
      hurried.push_back(pool_.spawn([this]() -> task<> {
        for (;;) {
          note(co_await select(one_.receive(), two_.receive(), sleep_for(std::chrono::seconds(60))));
        }
      }));
      hurried.push_back(pool_.spawn([this] {
        for (;;) {
          note(martlet::await(select(two_.receive(), one_.receive())));
        }
      }));
      if (hurried.size() > 20) {
        stop(hurried);
      }
    }
    stop(hurried);
    senders.join();
    one_.close();
    two_.close();
    receivers.join();
    return {offered_, kept_, arrived_, values_.is_balanced() && one_.balance() == 0 && two_.balance() == 0};
  }

 private:
  static void stop(std::vector<handle<>>& all) {
    for (auto& h : all) {
      h.cancel();
      try {
        martlet::await(h.join());
      } catch (const cancelled&) {}
    }
    all.clear();
  }

  // Returns   whether a channel was found closed.
  template <class Choice>
  bool note(const Choice& first) {
    const auto* got = first.index() == 0 ? &std::get<0>(first) : first.index() == 1 ? &std::get<1>(first) : nullptr;
    if (got == nullptr) {
      return false;
    }
    arrived_ += got->has_value() ? 1 : 0;
    return !got->has_value();
  }

  task<> receive_all() {
    // With the co_await in the loop's condition g++ 12 lays the frame out wrongly: the tasklet never comes back.
    for (bool is_over = false; !is_over;) {
      const auto first = co_await select(one_.receive(), two_.receive(), sleep_for(std::chrono::microseconds(100)));
      is_over = note(first);
    }
    co_await drain();
  }
  void receive_all_blocking() {
    while (!note(martlet::await(select(one_.receive(), two_.receive(), sleep_for(std::chrono::microseconds(100)))))) {}
    for (auto* c : {&one_, &two_}) {
      while (auto got = martlet::await(c->receive())) {
        ++arrived_;
      }
    }
  }
  // Not in a loop over {&one_, &two_}: g++ 12 keeps that array on the stack, and it is gone after the first wait.
  task<> drain() {
    while (auto got = co_await one_.receive()) {
      ++arrived_;
    }
    while (auto got = co_await two_.receive()) {
      ++arrived_;
    }
  }

  // Each third message has a limit; each third goes to whichever channel takes it.
  task<> send_all(unsigned seed) {
    std::minstd_rand random(seed + 1);
    for (int i = 0; i < each_; ++i) {
      ++offered_;
      if (i % 3 == 0) {
        auto send = within(std::chrono::microseconds(random() % 200), one_.send(counted(values_, i)));
        try {
          co_await send;
        } catch (const deadline_passed&) {
          kept_ += send.inner().value().value() == i ? 1 : 0;
        }
      } else if (i % 3 == 1) {
        co_await select(one_.send(counted(values_, i)), two_.send(counted(values_, i)));
      } else {
        co_await two_.send(counted(values_, i));
      }
    }
  }
  void send_all_blocking(unsigned seed) {
    std::minstd_rand random(seed + 1);
    for (int i = 0; i < each_; ++i) {
      ++offered_;
      if (i % 3 == 0) {
        auto send = within(std::chrono::microseconds(random() % 200), two_.send(counted(values_, i)));
        try {
          martlet::await(send);
        } catch (const deadline_passed&) {
          kept_ += send.inner().value().value() == i ? 1 : 0;
        }
      } else if (i % 3 == 1) {
        martlet::await(select(two_.send(counted(values_, i)), one_.send(counted(values_, i))));
      } else {
        martlet::await(one_.send(counted(values_, i)));
      }
    }
  }

  scheduler& pool_;
  tally values_;
  channel<counted> one_;
  channel<counted> two_;
  const int senders_;
  const int each_;
  base::atomic<long> offered_{0}, kept_{0}, arrived_{0};
};

}  // namespace martlet::testing
