// A test that looks for a race: two withdrawals that both look before either takes. Leaves with 0 when the broken account is
// caught, the fixed one is not, and a day passes in no time.

#include <chrono>
#include <iostream>
#include <stdexcept>

#include <martlet/martlet.hpp>

using namespace std::chrono_literals;

// [account]
class account {
 public:
  explicit account(int balance) : balance_(balance) {}

  martlet::task<bool> withdraw(int amount) {
    if (balance_ < amount) {
      co_return false;
    }
    co_await audit_.send(amount);  // others run while this waits
    balance_ -= amount;
    co_return true;
  }

  int balance() const { return balance_; }
  martlet::channel<int>& audit() { return audit_; }

 private:
  int balance_;
  martlet::channel<int> audit_{8};
};
// [end]

// [program]
void withdraw_twice(martlet::scheduler& pool) {
  account mine(100);
  martlet::scope both(pool);
  both.spawn(mine.withdraw(80));
  both.spawn(mine.withdraw(80));
  both.join();
  if (mine.balance() < 0) {
    throw std::runtime_error("the balance is " + std::to_string(mine.balance()));
  }
}
// [end]

// [fixed]
class careful_account {
 public:
  explicit careful_account(int balance) : balance_(balance) {}

  martlet::task<bool> withdraw(int amount) {
    const auto alone = co_await lock_.acquire();
    if (balance_ < amount) {
      co_return false;
    }
    co_await audit_.send(amount);
    balance_ -= amount;
    co_return true;
  }

  int balance() const { return balance_; }

 private:
  martlet::mutex lock_;
  int balance_;
  martlet::channel<int> audit_{8};
};
// [end]

void withdraw_twice_carefully(martlet::scheduler& pool) {
  careful_account mine(100);
  martlet::scope both(pool);
  both.spawn(mine.withdraw(80));
  both.spawn(mine.withdraw(80));
  both.join();
  if (mine.balance() != 20) {
    throw std::runtime_error("the balance is " + std::to_string(mine.balance()));
  }
}

// [explore]
bool finds_the_race() {
  const martlet::exploration found = martlet::explore(withdraw_twice, {.schedules = 1000});
  return found.failed && found.failed->what == "the balance is -60";
}
// [end]

// [replay]
void see_it_again(const std::string& recorded) {
  martlet::simulation sim(martlet::schedule::parse(recorded));
  withdraw_twice(sim);  // throws as it did when the schedule was found
}
// [end]

// [day]
martlet::task<int> count_hours() {
  int hours = 0;
  for (; hours < 24; ++hours) {
    co_await martlet::sleep_for(1h);
  }
  co_return hours;
}

int a_day_in_no_time() {
  martlet::simulation sim(42);
  return sim.block_on(count_hours());
}
// [end]

// [deadlock]
std::string who_waits_for_whom() {
  martlet::mutex left;
  martlet::mutex right;
  const auto take = [](martlet::mutex& first, martlet::mutex& second) -> martlet::task<> {
    const auto one = co_await first.acquire();
    const auto other = co_await second.acquire();
  };
  for (std::uint64_t seed = 1;; ++seed) {
    martlet::simulation sim(seed);
    try {
      martlet::scope both(sim);
      both.spawn(take(left, right));
      both.spawn(take(right, left));
      both.join();
    } catch (const martlet::deadlock& e) {
      return e.what();
    }
  }
}
// [end]

int main() {
  const martlet::exploration found = martlet::explore(withdraw_twice, {.schedules = 1000});
  bool is_seen_again = false;
  try {
    see_it_again(found.failed.value().shrunk.text());
  } catch (const std::runtime_error& e) {
    is_seen_again = e.what() == found.failed->what;
  }
  const bool is_well = finds_the_race() && is_seen_again && a_day_in_no_time() == 24 &&
                       !martlet::explore(withdraw_twice_carefully, {.schedules = 1000}).failed;
  std::cout << who_waits_for_whom();
  return is_well ? 0 : 1;
}
