#include <martlet/tasklet/frame_pool.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <new>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <sys/mman.h>

#include <doctest/doctest.h>

#include <martlet/tasklet/frame.hpp>

#include "frames_in_use.hpp"
#include "scale.hpp"

namespace {

using namespace martlet::detail;
namespace base = martlet::base;
using martlet::testing::frames_in_use;
using martlet::testing::scaled;

// A thread with a host allocates from its own lists.
class hosted {
 public:
  hosted() : here_(nullptr) { martlet::base::set_current(&here_); }
  hosted(const hosted&) = delete;
  hosted& operator=(const hosted&) = delete;
  ~hosted() { martlet::base::set_current(nullptr); }

 private:
  host here_;
};

// Marks a slot as a frame in use, as a tasklet's record does.
void mark(void* frame) { static_cast<free_slot*>(frame)->word.store(2, martlet::base::relaxed); }

// Counts the slots of the class of `size` that were ever handed out.
std::size_t slots_of(std::size_t size) {
  std::size_t count = 0;
  frames().walk([&](free_slot*, std::size_t bytes) {
    count += bytes == frame_class_size(frame_class(size)) ? 1U : 0U;
  });
  return count;
}

std::vector<free_slot*> take_slots(frame_pool& pool, std::size_t index, std::size_t count) {
  std::vector<free_slot*> all;
  while (all.size() < count) {
    const auto left = static_cast<std::uint32_t>(count - all.size());
    for (free_slot* slot = pool.take(index, left).first; slot != nullptr; slot = slot->next) {
      all.push_back(slot);
    }
  }
  return all;
}

base::spin_lock& lock_of(free_slot* slot) {
  return reinterpret_cast<wait_core*>(reinterpret_cast<std::byte*>(slot) + tasklet::frame_offset)->lock_;
}

void trim(frame_pool& pool) {
  pool.begin_trim();
  while (pool.trim_some()) {}
}

TEST_SUITE("frame_pool") {
  TEST_CASE("each size has the smallest class that holds it") {
    for (std::size_t size = 1; size <= largest_frame; size += size < 4096 ? 1 : 997) {
      const std::size_t index = frame_class(size);
      REQUIRE(frame_class_size(index) >= size);
      REQUIRE((index == frame_class(1) || frame_class_size(index - 1) < size));
    }
    CHECK(frame_class_size(frame_class(128)) == 128);
    CHECK(frame_class_size(frame_class(513)) == 640);
  }

  TEST_CASE("a frame beyond the largest is refused") {
    CHECK_THROWS_AS(static_cast<void>(allocate_frame(largest_frame + 1)), std::bad_alloc);
  }

  TEST_CASE("frames are distinct, aligned for a tasklet's record, and wholly usable") {
    for (const bool has_host : {false, true}) {
      std::optional<hosted> here;
      if (has_host) {
        here.emplace();
      }
      for (const std::size_t size : {64U, 100U, 128U, 700U, 5000U, 300'000U}) {
        std::set<std::byte*> all;
        for (int i = 0; i < 200; ++i) {
          auto* frame = static_cast<std::byte*>(allocate_frame(size));
          REQUIRE(reinterpret_cast<std::uintptr_t>(frame) % 16 == 0);
          std::memset(frame, 0x5a, size);
          mark(frame);
          const auto next = all.lower_bound(frame);
          REQUIRE((next == all.end() || *next >= frame + size));
          REQUIRE((next == all.begin() || *std::prev(next) + size <= frame));
          all.insert(frame);
        }
        for (std::byte* frame : all) {
          free_frame(frame, size);
        }
      }
    }
  }

  TEST_CASE("the newest freed frame is handed out first") {
    const hosted here;
    void* one = allocate_frame(200);
    void* two = allocate_frame(200);
    free_frame(one, 200);
    free_frame(two, 200);
    CHECK(allocate_frame(200) == two);
    CHECK(allocate_frame(200) == one);
    free_frame(one, 200);
    free_frame(two, 200);
  }

  TEST_CASE("a walk finds the frames that are in use and passes the free ones by") {
    const std::size_t before = frames_in_use();
    std::vector<void*> frames;
    for (int i = 0; i < 1000; ++i) {
      frames.push_back(allocate_frame(96));
      mark(frames.back());
    }
    CHECK(frames_in_use() == before + 1000);
    for (int i = 0; i < 500; ++i) {
      free_frame(frames.back(), 96);
      frames.pop_back();
    }
    CHECK(frames_in_use() == before + 500);
    for (void* frame : frames) {
      free_frame(frame, 96);
    }
    CHECK(frames_in_use() == before);
  }

  TEST_CASE("what one thread frees another one gets, and the slabs do not grow") {
    std::size_t slots_after_first = 0;
    for (int round = 0; round < 20; ++round) {
      std::vector<void*> frames;
      std::thread([&] {
        const hosted here;
        for (int i = 0; i < 1000; ++i) {
          frames.push_back(allocate_frame(1000));
          mark(frames.back());
        }
      }).join();
      std::thread([&] {
        const hosted here;
        for (void* frame : frames) {
          free_frame(frame, 1000);
        }
      }).join();
      const std::size_t slots = slots_of(1000);
      if (round == 0) {
        slots_after_first = slots;
      }
      CHECK(slots <= slots_after_first + 2 * frame_pool::chain_length(frame_class(1000)));
    }
  }

  TEST_CASE("a burst that was freed in any order is handed out in the order of addresses again") {
    constexpr std::size_t count = 20'000;
    constexpr std::size_t size = 144;
    const hosted here;
    std::vector<std::byte*> frames;
    std::mt19937 chance(1);
    for (int round = 0; round < 5; ++round) {
      for (std::size_t i = 0; i < count; ++i) {
        frames.push_back(static_cast<std::byte*>(allocate_frame(size)));
        mark(frames.back());
      }
      std::size_t neighbours = 0;
      for (std::size_t i = 1; i < count; ++i) {
        neighbours += frames[i] - frames[i - 1] == static_cast<std::ptrdiff_t>(size) ? 1U : 0U;
      }
      CHECK(neighbours > count * 9 / 10);  // not those of the cache, and where one slab ends and the next begins
      CHECK(std::set<std::byte*>(frames.begin(), frames.end()).size() == count);
      std::shuffle(frames.begin(), frames.end(), chance);
      for (std::byte* frame : frames) {
        free_frame(frame, size);
      }
      frames.clear();
    }
  }

  TEST_CASE("many slabs are few mappings, of which a process may have only some 65,000") {
    const auto mappings = [] {
      std::ifstream maps("/proc/self/maps");
      return std::count(std::istreambuf_iterator<char>(maps), {}, '\n');
    };
    const auto before = mappings();
    std::vector<void*> frames;
    for (int i = 0; i < 500; ++i) {
      for (const std::size_t size : {200'000U, 500'000U}) {
        frames.push_back(allocate_frame(size));
        mark(frames.back());
      }
    }
    CHECK(mappings() - before < 200);  // of a thousand slabs; sanitizers map something beside each region
    for (std::size_t i = 0; i < frames.size(); ++i) {
      free_frame(frames[i], i % 2 == 0 ? 200'000 : 500'000);
    }
  }

  TEST_CASE("few frames take small pages, many take huge ones where the system has some") {
    const auto huge_bytes = [] {
      std::ifstream maps("/proc/self/smaps");
      long kilobytes = 0;
      for (std::string word; maps >> word;) {
        if (long of_one = 0; word == "AnonHugePages:" && maps >> of_one) {
          kilobytes += of_one;
        }
      }
      return kilobytes * 1024;
    };
    constexpr std::size_t huge_page = std::size_t{2} << 20;
    constexpr int advice_collapse = 25;  // MADV_COLLAPSE
    void* memory = ::mmap(nullptr, 2 * huge_page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(memory != MAP_FAILED);
    auto* const whole =
        reinterpret_cast<char*>((reinterpret_cast<std::uintptr_t>(memory) + huge_page - 1) / huge_page * huge_page);
    *whole = 1;
    const bool has_some = ::madvise(whole, huge_page, advice_collapse) == 0;
    ::munmap(memory, 2 * huge_page);

    static constinit frame_pool pool;
    constexpr std::size_t size = 200;
    const std::size_t in_a_region = (std::size_t{16} << 20) / frame_class_size(frame_class(size));
    const long before = huge_bytes();
    take_slots(pool, frame_class(size), in_a_region);
    CHECK(huge_bytes() == before);
    take_slots(pool, frame_class(size), 3 * in_a_region);
    CHECK((huge_bytes() > before) == has_some);
  }

  TEST_CASE("what was free for two periods loses its pages and reads as free; what is in use stays") {
    static constinit frame_pool pool;
    for (const std::size_t size : {64U, 200U, 3000U, 300'000U}) {
      CAPTURE(size);
      const std::size_t index = frame_class(size);
      std::vector<free_slot*> slots = take_slots(pool, index, size > 100'000 ? 20 : 5000);
      for (free_slot* slot : slots) {
        base::unpoison(slot, frame_class_size(index));
        std::memset(static_cast<void*>(slot), 0x5a, frame_class_size(index));
        slot->keeps_lock = 0;
        slot->word.store(2, base::relaxed);
      }
      std::vector<free_slot*> kept;
      free_slot* others = nullptr;
      for (std::size_t i = 0; i < slots.size(); ++i) {
        if (i % 1000 == 7) {
          kept.push_back(slots[i]);
        } else {
          slots[i]->word.store(0, base::relaxed);
          slots[i]->next = std::exchange(others, slots[i]);
        }
      }
      pool.give_back(index, others);
      CHECK(pool.has_resident());
      trim(pool);  // what was taken in this period may be needed in the next
      CHECK(pool.has_resident());
      trim(pool);
      CHECK(!pool.has_resident());
      for (const free_slot* slot : kept) {
        const auto* bytes = reinterpret_cast<const unsigned char*>(slot);
        CHECK(slot->word.load(base::relaxed) == 2);
        CHECK(bytes[0] == 0x5a);
        CHECK(bytes[frame_class_size(index) - 1] == 0x5a);
      }
      std::size_t free = 0;
      std::size_t zeroed = 0;
      pool.walk([&](const free_slot* slot, std::size_t bytes) {
        if (bytes == frame_class_size(index) && slot->word.load(base::relaxed) == 0) {
          ++free;
          zeroed += reinterpret_cast<const unsigned char*>(slot)[bytes - 1] == 0 ? 1U : 0U;
        }
      });
      CHECK(free + kept.size() >= slots.size());
      if (size > 64 && !martlet::testing::is_watched) {
        CHECK(zeroed * 10 >= free * 8);  // not those beside a slab's head, or in a page with one that is in use
      }
      std::vector<free_slot*> again = take_slots(pool, index, slots.size() - kept.size());
      std::set<free_slot*> distinct(again.begin(), again.end());
      distinct.insert(kept.begin(), kept.end());
      CHECK(distinct.size() == again.size() + kept.size());
    }
  }

  TEST_CASE("a free slot whose lock somebody holds keeps its page and the lock") {
    static constinit frame_pool pool;
    const std::size_t index = frame_class(4096);
    std::vector<free_slot*> slots = take_slots(pool, index, 40);
    free_slot* all = nullptr;
    for (free_slot* slot : slots) {
      slot->unused = 77;
      slot->next = std::exchange(all, slot);
    }
    auto& lock = lock_of(slots[20]);
    lock.lock();  // a canceller that believes in what was there
    pool.give_back(index, all);
    trim(pool);
    trim(pool);
    CHECK(slots[20]->unused == 77);
    CHECK(!lock.try_lock());
    lock.unlock();
    CHECK(lock.try_lock());
    lock.unlock();
  }

  // I3 of tasklet.hpp under a trimmer: whoever has the lock of a slot has it alone, whatever became of the slot.
  TEST_CASE("late lockers are alone inside a slot's lock, whatever the trimmer does") {
    static constinit frame_pool pool;
    const std::size_t index = frame_class(256);
    const std::vector<free_slot*> slots = take_slots(pool, index, 2000);
    for (free_slot* slot : slots) {
      slot->next = nullptr;
      pool.give_back(index, slot);
    }
    std::vector<base::atomic<int>> inside(slots.size());
    base::atomic<int> wrong{0};
    base::atomic<bool> is_over{false};
    const auto lock_one = [&](std::size_t number) {
      auto& lock = lock_of(slots[number]);
      lock.lock();
      wrong += inside[number].exchange(1);
      if (number % 16 == 0) {
        std::this_thread::yield();  // and meanwhile the page may go
      }
      inside[number].store(0);
      lock.unlock();
    };
    std::vector<std::thread> threads;
    for (unsigned t = 0; t < 3; ++t) {
      threads.emplace_back([&, t] {
        std::minstd_rand random(t + 1);
        for (int i = 0; i < scaled(200'000); ++i) {
          lock_one(random() % 64);
        }
      });
    }
    std::thread owner([&] {
      while (!is_over.load()) {
        const auto taken = pool.take(index, 2000);  // their pages are there again
        pool.give_back(index, taken.first);
        trim(pool);
        trim(pool);
      }
    });
    for (auto& t : threads) {
      t.join();
    }
    is_over = true;
    owner.join();
    CHECK(wrong == 0);
  }

  TEST_CASE("threads that allocate and free at once never share a frame") {
    const int rounds = scaled(20'000);
    std::vector<std::thread> threads;
    martlet::base::atomic<int> wrong{0};
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        std::optional<hosted> here;
        if (t % 2 == 0) {
          here.emplace();
        }
        std::vector<std::uintptr_t*> held;
        for (int i = 0; i < rounds; ++i) {
          auto* frame = static_cast<std::uintptr_t*>(allocate_frame(256));
          frame[8] = static_cast<std::uintptr_t>(t);
          held.push_back(frame);
          if (held.size() > 100 || i + 1 == rounds) {
            for (auto* one : held) {
              wrong += one[8] == static_cast<std::uintptr_t>(t) ? 0 : 1;
              free_frame(one, 256);
            }
            held.clear();
          }
        }
      });
    }
    for (auto& t : threads) {
      t.join();
    }
    CHECK(wrong == 0);
  }
}

}  // namespace
