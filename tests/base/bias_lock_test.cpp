#include <martlet/base/bias_lock.hpp>

#include <optional>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <martlet/base/asymmetric_fence.hpp>

#include "scale.hpp"

namespace {

namespace base = martlet::base;
using martlet::testing::scaled;

// As on a kernel that refuses membarrier.
class without_asymmetric_fences {
 public:
  without_asymmetric_fences() { base::detail::fences_are_asymmetric = false; }
  without_asymmetric_fences(const without_asymmetric_fences&) = delete;
  without_asymmetric_fences& operator=(const without_asymmetric_fences&) = delete;
  ~without_asymmetric_fences() { base::detail::fences_are_asymmetric = had_; }

 private:
  bool had_ = base::detail::fences_are_asymmetric;
};

TEST_SUITE("bias_lock") {
  TEST_CASE("a borrower gets in while the owner is out, and one at a time") {
    base::prepare_asymmetric_fences();
    base::bias_lock lock;
    lock.enter();
    CHECK(!lock.try_borrow());
    lock.leave();
    REQUIRE(lock.try_borrow());
    CHECK(!lock.try_borrow());
    lock.give_back();
    CHECK(lock.try_borrow());
    lock.give_back();
    lock.enter();
    lock.leave();
  }

  TEST_CASE("the owner waits for a borrower that is inside") {
    base::prepare_asymmetric_fences();
    base::bias_lock lock;
    REQUIRE(lock.try_borrow());
    base::atomic<bool> is_in{false};
    std::thread owner([&] {
      lock.enter();
      is_in = true;
      lock.leave();
    });
    for (int i = 0; i < 100; ++i) {
      std::this_thread::yield();
      REQUIRE(!is_in);
    }
    lock.give_back();
    owner.join();
    CHECK(is_in);
  }

  TEST_CASE("the owner's short way in is refused while somebody borrows, and where fences cost both sides") {
    base::prepare_asymmetric_fences();
    base::bias_lock lock;
    if (base::detail::fences_are_asymmetric) {
      REQUIRE(lock.try_enter());
      CHECK(!lock.try_borrow());
      lock.leave();
    }
    REQUIRE(lock.try_borrow());
    CHECK(!lock.try_enter());
    lock.give_back();
    const without_asymmetric_fences kernel;
    base::bias_lock dear;
    CHECK(!dear.try_enter());
    REQUIRE(dear.try_borrow());  // a refused owner has left nothing behind
    dear.give_back();
  }

  TEST_CASE("owner and borrowers never are inside together, and see each other's work") {
    base::prepare_asymmetric_fences();
    std::optional<without_asymmetric_fences> kernel;
    SUBCASE("with asymmetric fences, where the kernel has them") {}
    SUBCASE("without") { kernel.emplace(); }
    base::bias_lock lock;
    int plain = 0;  // no atomic: the lock alone guards it
    int inside = 0;
    bool met = false;
    const auto work = [&] {
      met = met || inside != 0;
      inside = 1;
      ++plain;
      inside = 0;
    };
    base::atomic<bool> is_over{false};
    base::atomic<int> borrowed{0};
    std::vector<std::thread> borrowers;
    for (int i = 0; i < 2; ++i) {
      borrowers.emplace_back([&] {
        while (!is_over) {
          if (lock.try_borrow()) {
            work();
            ++borrowed;
            lock.give_back();
          }
          std::this_thread::yield();  // a watcher comes by now and then; it does not hammer
        }
      });
    }
    const int rounds = scaled(1'000'000);
    int owned = 0;
    while (owned < rounds || borrowed < 100) {
      lock.enter();
      work();
      ++owned;
      lock.leave();
      if (owned > rounds) {
        std::this_thread::yield();
      }
    }
    is_over = true;
    for (auto& t : borrowers) {
      t.join();
    }
    CHECK(!met);
    CHECK(plain == owned + borrowed);
  }
}

}  // namespace
