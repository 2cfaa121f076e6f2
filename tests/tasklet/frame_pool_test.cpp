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
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <martlet/tasklet/frame.hpp>

#include "frames_in_use.hpp"
#include "scale.hpp"

namespace {

using namespace martlet::detail;
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
