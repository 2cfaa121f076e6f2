#pragma once

#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <martlet/base/atomic.hpp>
#include <martlet/channel/event.hpp>
#include <martlet/scheduler.hpp>

#include "attempt.hpp"
#include "crew.hpp"
#include "dice.hpp"
#include "history.hpp"

namespace martlet::testing {

/// What each actor of a history is and does.
struct script {
  actor kind = actor::coroutine;
  std::vector<call> calls;
};

inline std::string text_of(const std::vector<script>& all) {
  std::string text = "actors:";
  for (std::size_t i = 0; i < all.size(); ++i) {
    const actor kind = all[i].kind;
    text += " " + std::to_string(i) +
            (kind == actor::coroutine ? " a coroutine,"
             : kind == actor::fiber   ? " a fiber,"
                                      : " a thread,");
  }
  return text + " " + std::to_string(all.size()) + " the driver";
}

/// Draws some tasklets of both kinds, and a plain thread as the last.
template <class Subject>
std::vector<script> draw_scripts(dice& random, Subject& subject) {
  std::vector<script> all(static_cast<std::size_t>(random.between(2, 4)) + 1);
  for (script& one : all) {
    one.kind = &one == &all.back() ? actor::thread : random.one_of({actor::coroutine, actor::fiber});
    const auto count = static_cast<std::size_t>(random.between(3, 6));
    while (one.calls.size() < count) {
      for (call& what : subject.draw(random)) {
        what.pause = random.one_in(2) ? random.below(300) : 0;
        one.calls.push_back(std::move(what));
      }
    }
  }
  return all;
}

/// Has actors act on a subject, all at once, and a driver that cancels some, sees some wait, and ends what waits for
/// good.
template <class Subject>
class actors {
 public:
  /// Takes     `title`, for the report when a history does not end.
  actors(scheduler& pool, Subject& subject, const std::vector<script>& scripts, dice& random, std::string title)
      : pool_(pool), subject_(subject), scripts_(scripts), random_(random), title_(std::move(title)) {
    for (std::size_t i = 0; i <= scripts.size(); ++i) {  // the driver's is the last
      diaries_.emplace_back(static_cast<int>(i), time_);
    }
  }

  history run() {
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < scripts_.size(); ++i) {
      switch (scripts_[i].kind) {
        case actor::coroutine: tasklets_.push_back(pool_.spawn(act_in_coroutine(i))); break;
        case actor::fiber: tasklets_.push_back(pool_.spawn([this, i] { act(i); })); break;
        case actor::thread: threads.emplace_back([this, i] { act(i); }); break;
      }
    }
    is_cancelled_.resize(tasklets_.size());
    begin_.set();
    drive();
    for (auto& h : tasklets_) {
      martlet::await(h.join());
    }
    for (auto& t : threads) {
      t.join();
    }
    subject_.finish([this](const call& what) { return drive_now(what); });
    return merged(diaries_);
  }

 private:
  void act(std::size_t i) {
    {
      const shield until_it_begins;  // a cancel that comes before ends the first call
      martlet::await(begin_.wait());
    }
    const int self = static_cast<int>(i);
    for (const call& what : scripts_[i].calls) {
      dawdle(what.pause);
      if (!subject_.is_possible(self, what)) {
        continue;
      }
      diaries_[i].begin(what);
      diaries_[i].end(may_wait(what.what)
                          ? subject_.with_operation(what,
                                                    [&](auto op) { return attempt_here(std::move(op), told_to(self)); })
                          : subject_.do_now(self, what));
    }
    --acting_;
  }

  task<> act_in_coroutine(std::size_t i) {
    {
      const shield until_it_begins;
      co_await begin_.wait();
    }
    const int self = static_cast<int>(i);
    for (const call& what : scripts_[i].calls) {
      dawdle(what.pause);
      if (!subject_.is_possible(self, what)) {
        continue;
      }
      diaries_[i].begin(what);
      result got;
      if (may_wait(what.what)) {
        got = co_await subject_.with_operation(what, [&](auto op) {
          return attempt_in_coroutine(std::move(op), told_to(self));
        });
      } else {
        got = subject_.do_now(self, what);
      }
      diaries_[i].end(got);
    }
    --acting_;
  }

  auto told_to(int self) {
    return [this, self](auto got) { return subject_.told(self, std::move(got)); };
  }

  // Until somebody else begins or ends a call, so that the next one meets it.
  void dawdle(int turns) const {
    const unsigned before = time_.last();
    for (int i = 0; i < turns && time_.last() == before; ++i) {
      base::cpu_pause();
    }
    if (turns % 4 == 1) {
      std::this_thread::yield();  // where there are fewer processors than workers, others come to act in between
    }
  }

  // Until all have come to their ends. When nothing has moved for a while all may wait for each other, or a thread has no
  // processor: so the while grows.
  void drive() {
    const auto too_late = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    for (int still = 0; acting_ != 0;) {
      interfere();
      const unsigned before = time_.last();
      std::this_thread::sleep_for(std::chrono::microseconds(20));
      still = time_.last() == before ? still + 1 : 0;
      if (still == patience << rescues_ && rescues_ != most_rescues) {
        const std::vector<call> rescue = subject_.rescue(rescues_);
        for (const call& what : rescue) {
          drive_now(what);
        }
        rescues_ += rescue.empty() ? 0 : 1;
        still = 0;
      }
      if (std::chrono::steady_clock::now() > too_late) {  // nobody writes into a diary any more
        std::fprintf(stderr, "%s\nsomebody waits for good:\n%s", title_.c_str(), text_of(merged(diaries_)).c_str());
        std::abort();
      }
    }
  }

  void interfere() {
    const auto whom = static_cast<std::size_t>(random_.below(static_cast<int>(tasklets_.size())));
    if (is_cancelled_[whom]) {
      return;  // what is seen of such a one means nothing: he may be on his way out
    }
    if (cancels_left_ != 0 && random_.one_in(6)) {
      --cancels_left_;
      dawdle(200);
      is_cancelled_[whom] = true;
      diary& own = diaries_.back();
      own.begin({verb::cancel, {}, static_cast<int>(whom), {}, 0});
      tasklets_[whom].cancel();
      own.end({ending::done, 0, 0});
    } else if (looks_left_ != 0) {
      see(whom);
    }
  }

  // A tasklet that is blocked has come to its wait and is not served yet. Others cannot tell when somebody comes.
  void see(std::size_t whom) {
    diary& own = diaries_.back();
    own.begin({verb::see_wait, {}, static_cast<int>(whom), {}, 0});
    if (tasklets_[whom].state() == status::blocked) {
      --looks_left_;
      own.end({ending::done, 0, 0});
    } else {
      own.forget();
    }
  }

  result drive_now(const call& what) {
    diary& own = diaries_.back();
    own.begin(what);
    const result got = subject_.do_now(own.actor(), what);
    own.end(got);
    return got;
  }

  static constexpr int patience = 5;
  static constexpr int most_rescues = 10;

  scheduler& pool_;
  Subject& subject_;
  const std::vector<script>& scripts_;
  dice& random_;
  const std::string title_;
  moments time_;
  event begin_;
  std::vector<diary> diaries_;
  std::vector<handle<>> tasklets_;  // of the first actors
  std::vector<bool> is_cancelled_;
  int cancels_left_ = random_.below(3);
  int looks_left_ = 8;
  int rescues_ = 0;
  base::atomic<int> acting_{static_cast<int>(scripts_.size())};
};

}  // namespace martlet::testing
