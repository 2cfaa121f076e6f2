#include <doctest/doctest.h>

#include <functional>
#include <set>
#include <tuple>

#include <martlet/base/asymmetric_fence.hpp>
#include <martlet/base/atomic.hpp>

#include "checker/explore.hpp"
#include "checker/var.hpp"

// What the checker itself is checked with: programs of a few lines whose outcomes are known from the literature. Each
// is explored with the reduction and without it; the outcomes are the same.
//
// Source  Alglave, Maranget, Tautschnig: Herding cats. TOPLAS 2014, doi:10.1145/2627752 (the names of the tests).

namespace base = martlet::base;
using base::acq_rel;
using base::acquire;
using base::relaxed;
using base::release;
using base::seq_cst;
using namespace martlet::model;

namespace {

template <class... T>
using set_of = std::set<std::tuple<T...>>;

// Takes a program that notes what it has seen in an `outcomes`, and how many executions that are not alike it has.
template <class Seen>
auto all_outcomes(const std::function<void(Seen&)>& program, std::uint64_t executions) {
  Seen seen;
  const report found = explore([&] { program(seen); });
  INFO(found.failure);
  CHECK(found.holds());
  CHECK(found.executions == executions);
  Seen seen_without;
  const report without = explore([&] { program(seen_without); }, {.reduces = false});
  INFO(without.failure);
  CHECK(without.holds());
  CHECK(seen.all() == seen_without.all());
  CHECK(found.executions + found.redundant <= without.executions);
  return seen.all();
}

using pair = outcomes<int, int>;
using four = outcomes<int, int, int, int>;

// Each of two threads stores and then looks at what the other has stored.
template <base::memory_order Store, base::memory_order Load>
void store_buffering(pair& seen) {
  base::atomic<int> x{0}, y{0};
  int a = 0, b = 0;
  run_threads({{"left",
                [&] {
                  x.store(1, Store);
                  a = y.load(Load);
                }},
               {"right", [&] {
                  y.store(1, Store);
                  b = x.load(Load);
                }}});
  seen.note(a, b);
}

template <void (*Left)(site), void (*Right)(site)>
void fenced_store_buffering(pair& seen) {
  base::atomic<int> x{0}, y{0};
  int a = 0, b = 0;
  run_threads({{"left",
                [&] {
                  x.store(1, relaxed);
                  Left(site::here());
                  a = y.load(relaxed);
                }},
               {"right", [&] {
                  y.store(1, relaxed);
                  Right(site::here());
                  b = x.load(relaxed);
                }}});
  seen.note(a, b);
}

void no_fence(site) {}

// One thread writes data and raises a flag, another sees the flag and reads the data.
template <base::memory_order Store, base::memory_order Load>
void message_passing(pair& seen) {
  base::atomic<int> data{0}, flag{0};
  int a = 0, b = 0;
  run_threads({{"writer",
                [&] {
                  data.store(1, relaxed);
                  flag.store(1, Store);
                }},
               {"reader", [&] {
                  a = flag.load(Load);
                  b = data.load(relaxed);
                }}});
  seen.note(a, b);
}

}  // namespace

TEST_SUITE("litmus") {
  TEST_CASE("store buffering: both may miss the other's store, unless all is seq_cst") {
    const set_of<int, int> all{{0, 0}, {0, 1}, {1, 0}, {1, 1}};
    const set_of<int, int> one_sees{{0, 1}, {1, 0}, {1, 1}};
    CHECK(all_outcomes<pair>(&store_buffering<relaxed, relaxed>, 4) == all);
    CHECK(all_outcomes<pair>(&store_buffering<release, acquire>, 4) == all);
    CHECK(all_outcomes<pair>(&store_buffering<seq_cst, acquire>, 4) == all);
    CHECK(all_outcomes<pair>(&store_buffering<release, seq_cst>, 4) == all);
    CHECK(all_outcomes<pair>(&store_buffering<seq_cst, seq_cst>, 3) == one_sees);
  }

  TEST_CASE("store buffering with fences: each side needs one, and one of them at least has to be heavy") {
    const set_of<int, int> all{{0, 0}, {0, 1}, {1, 0}, {1, 1}};
    const set_of<int, int> one_sees{{0, 1}, {1, 0}, {1, 1}};
    CHECK(all_outcomes<pair>(&fenced_store_buffering<base::full_fence, base::full_fence>, 4) == one_sees);
    CHECK(all_outcomes<pair>(&fenced_store_buffering<base::full_fence, no_fence>, 4) == all);
    CHECK(all_outcomes<pair>(&fenced_store_buffering<base::light_fence, base::heavy_fence>, 4) == one_sees);
    CHECK(all_outcomes<pair>(&fenced_store_buffering<base::heavy_fence, base::heavy_fence>, 22) == one_sees);
    CHECK(all_outcomes<pair>(&fenced_store_buffering<base::heavy_fence, base::full_fence>, 6) == one_sees);
    CHECK(all_outcomes<pair>(&fenced_store_buffering<no_fence, base::heavy_fence>, 4) == all);
    CHECK(all_outcomes<pair>(&fenced_store_buffering<base::light_fence, base::light_fence>, 4) == all);
    CHECK(all_outcomes<pair>(&fenced_store_buffering<base::light_fence, base::full_fence>, 4) == all);
  }

  TEST_CASE("message passing: the data are there if the flag was released and acquired") {
    const set_of<int, int> all{{0, 0}, {0, 1}, {1, 0}, {1, 1}};
    const set_of<int, int> passed{{0, 0}, {0, 1}, {1, 1}};
    CHECK(all_outcomes<pair>(&message_passing<relaxed, relaxed>, 4) == all);
    CHECK(all_outcomes<pair>(&message_passing<release, relaxed>, 4) == all);
    CHECK(all_outcomes<pair>(&message_passing<relaxed, acquire>, 4) == all);
    CHECK(all_outcomes<pair>(&message_passing<release, acquire>, 3) == passed);
    CHECK(all_outcomes<pair>(&message_passing<seq_cst, seq_cst>, 3) == passed);
  }

  TEST_CASE("message passing with fences: relaxed accesses around full fences pass the data on") {
    const set_of<int, int> passed{{0, 0}, {0, 1}, {1, 1}};
    CHECK(all_outcomes<pair>(
              [](pair& seen) {
                base::atomic<int> data{0}, flag{0};
                int a = 0, b = 0;
                run_threads({{"writer",
                              [&] {
                                data.store(1, relaxed);
                                base::full_fence();
                                flag.store(1, relaxed);
                              }},
                             {"reader", [&] {
                                a = flag.load(relaxed);
                                base::full_fence();
                                b = data.load(relaxed);
                              }}});
                seen.note(a, b);
              },
              4) == passed);
  }

  TEST_CASE("plain data race unless the flag is released and acquired") {
    const auto program = [](base::memory_order store, base::memory_order load) {
      return [store, load] {
        base::atomic<int> flag{0};
        var<int> data;
        run_threads({{"writer",
                      [&] {
                        data.set(1);
                        flag.store(1, store);
                      }},
                     {"reader", [&] {
                        if (flag.load(load) == 1) {
                          require(data.get() == 1, "the data are there");
                        }
                      }}});
      };
    };
    CHECK(explore(program(release, acquire)).holds());
    CHECK(explore(program(relaxed, acquire)).failure.find("a data race") == 0);
    CHECK(explore(program(release, relaxed)).failure.find("a data race") == 0);
  }

  TEST_CASE("ThreadSanitizer sees what was released and acquired, and no fences") {
    const auto program = [](bool is_watched, bool is_fenced) {
      return [is_watched, is_fenced] {
        if (is_watched) {
          look_as_thread_sanitizer();
        }
        base::atomic<int> flag{0};
        var<int> data;
        run_threads({{"writer",
                      [&] {
                        data.set(1);
                        if (is_fenced) {
                          base::full_fence();
                        }
                        flag.store(1, is_fenced ? relaxed : release);
                      }},
                     {"reader", [&] {
                        if (flag.load(is_fenced ? relaxed : acquire) == 1) {
                          if (is_fenced) {
                            base::full_fence();
                          }
                          require(data.get() == 1, "the data are there");
                        }
                      }}});
      };
    };
    CHECK(explore(program(false, false)).holds());
    CHECK(explore(program(false, true)).holds());
    CHECK(explore(program(true, false)).holds());
    CHECK(explore(program(true, true)).failure.find("a data race") == 0);
  }

  TEST_CASE("a release sequence goes through a read-modify-write of another thread, but not through a store") {
    const auto program = [](bool stores) {
      return [stores] {
        base::atomic<int> flag{0};
        var<int> data;
        run_threads({{"writer",
                      [&] {
                        data.set(1);
                        flag.store(1, release);
                      }},
                     {"other",
                      [&] {
                        if (stores) {
                          if (flag.load(relaxed) == 1) {
                            flag.store(2, relaxed);
                          }
                        } else {
                          flag.fetch_add(1, relaxed);
                        }
                      }},
                     {"reader", [&] {
                        if (flag.load(acquire) == 2) {
                          static_cast<void>(data.get());
                        }
                      }}});
      };
    };
    CHECK(explore(program(false)).holds());
    CHECK(explore(program(true)).failure.find("a data race") == 0);
  }

  TEST_CASE("coherence: who has seen a store of a location does not see an older one") {
    const set_of<int, int> forward{{0, 0}, {0, 1}, {0, 2}, {1, 1}, {1, 2}, {2, 2}};
    CHECK(all_outcomes<pair>(
              [](pair& seen) {
                base::atomic<int> x{0};
                int a = 0, b = 0;
                run_threads({{"writer",
                              [&] {
                                x.store(1, relaxed);
                                x.store(2, relaxed);
                              }},
                             {"reader", [&] {
                                a = x.load(relaxed);
                                b = x.load(relaxed);
                              }}});
                seen.note(a, b);
              },
              6) == forward);
  }

  TEST_CASE("coherence: two readers agree on the order of two stores") {
    CHECK(all_outcomes<four>(
              [](four& seen) {
                base::atomic<int> x{0};
                int a = 0, b = 0, c = 0, d = 0;
                run_threads({{"one", [&] { x.store(1, relaxed); }},
                             {"two", [&] { x.store(2, relaxed); }},
                             {"left",
                              [&] {
                                a = x.load(relaxed);
                                b = x.load(relaxed);
                              }},
                             {"right", [&] {
                                c = x.load(relaxed);
                                d = x.load(relaxed);
                              }}});
                seen.note(a, b, c, d);
              },
              72)
              .count({1, 2, 2, 1}) == 0);
  }

  TEST_CASE("independent reads of independent writes: readers may disagree, unless all is seq_cst") {
    const auto disagreement = std::make_tuple(1, 0, 1, 0);
    CHECK(all_outcomes<four>(
              [](four& seen) {
                base::atomic<int> x{0}, y{0};
                int a = 0, b = 0, c = 0, d = 0;
                run_threads({{"x", [&] { x.store(1, release); }},
                             {"y", [&] { y.store(1, release); }},
                             {"left",
                              [&] {
                                a = x.load(acquire);
                                b = y.load(acquire);
                              }},
                             {"right", [&] {
                                c = y.load(acquire);
                                d = x.load(acquire);
                              }}});
                seen.note(a, b, c, d);
              },
              16)
              .count(disagreement) == 1);
    const auto agreed = all_outcomes<four>(
        [](four& seen) {
          base::atomic<int> x{0}, y{0};
          int a = 0, b = 0, c = 0, d = 0;
          run_threads({{"x", [&] { x.store(1, seq_cst); }},
                       {"y", [&] { y.store(1, seq_cst); }},
                       {"left",
                        [&] {
                          a = x.load(seq_cst);
                          b = y.load(seq_cst);
                        }},
                       {"right", [&] {
                          c = y.load(seq_cst);
                          d = x.load(seq_cst);
                        }}});
          seen.note(a, b, c, d);
        },
        27);
    CHECK(agreed.count(disagreement) == 0);
    CHECK(agreed.size() == 15);
  }

  TEST_CASE("read-modify-writes lose nothing; a compare-exchange may fail by an old value") {
    CHECK(all_outcomes<outcomes<int>>(
              [](outcomes<int>& seen) {
                base::atomic<int> x{0};
                run_threads({{"left",
                              [&] {
                                x.fetch_add(1, relaxed);
                                x.fetch_add(1, relaxed);
                              }},
                             {"right", [&] {
                                x.fetch_add(1, relaxed);
                                x.fetch_add(1, relaxed);
                              }}});
                seen.note(x.load(relaxed));
              },
              6) == set_of<int>{{4}});
    CHECK(all_outcomes<pair>(
              [](pair& seen) {
                base::atomic<int> x{0};
                int expected = 1;
                bool done = false;
                run_threads({{"writer", [&] { x.store(1, relaxed); }},
                             {"other", [&] { done = x.compare_exchange_strong(expected, 2, relaxed, relaxed); }}});
                seen.note(done, expected);
              },
              2) == set_of<int, int>{{0, 0}, {1, 1}});
  }

  TEST_CASE("a pause ends when something that was read has changed; nobody waits in vain") {
    const auto program = [](bool raises) {
      return [raises] {
        base::atomic<int> flag{0};
        run_threads({{"waits",
                      [&] {
                        while (flag.load(acquire) == 0) {
                          base::cpu_pause();
                        }
                      }},
                     {"raises", [&] {
                        if (raises) {
                          flag.store(1, release);
                        }
                      }}});
      };
    };
    CHECK(explore(program(true)).holds());
    CHECK(explore(program(false)).failure.find("nobody can go on") == 0);
  }

  TEST_CASE("an atomic that ends while others may use it is found") {
    const auto program = [](base::memory_order order) {
      return [order] {
        base::atomic<int> done{0};
        auto* object = new base::atomic<int>{0};
        run_threads({{"uses",
                      [&] {
                        object->store(1, relaxed);
                        done.store(1, order);
                      }},
                     {"ends", [&] {
                        while (done.load(acquire) == 0) {
                          base::cpu_pause();
                        }
                        delete object;
                      }}});
      };
    };
    CHECK(explore(program(release)).holds());
    CHECK(explore(program(relaxed)).failure.find("an atomic ends while") == 0);
  }

  TEST_CASE("random executions find what is frequent, the same ones each time") {
    outcomes<int, int> seen;
    const report found = explore([&] { store_buffering<relaxed, relaxed>(seen); }, {.seed = 1, .most = 200});
    CHECK(found.holds());
    CHECK(found.executions == 200);
    CHECK(seen.all().size() == 4);
  }
}
