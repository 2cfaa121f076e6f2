#include "tasklet_list.hpp"

#include <deque>
#include <memory>
#include <random>
#include <vector>

#include <doctest/doctest.h>

namespace {

using martlet::detail::kind;
using martlet::detail::tag;
using martlet::detail::tasklet;
using martlet::detail::tasklet_list;
namespace base = martlet::base;

TEST_SUITE("tasklet_list") {
  TEST_CASE("it is first in, first out, and leaves every word as it was") {
    std::mt19937 random(3);
    std::vector<std::unique_ptr<tasklet>> all;
    for (int i = 0; i < 100; ++i) {
      all.push_back(std::make_unique<tasklet>(kind::coroutine, tasklet::on_stack{}));
    }
    std::deque<tasklet*> outside;
    for (auto& one : all) {
      outside.push_back(one.get());
    }
    tasklet_list list, other;
    std::deque<tasklet*> model, other_model;
    for (int i = 0; i < 100'000; ++i) {
      const auto what = random() % 8;
      if (what == 0) {
        list.take_over(other);
        model.insert(model.end(), other_model.begin(), other_model.end());
        other_model.clear();
        REQUIRE(other.empty());
      } else if (what < 5 && !outside.empty()) {
        tasklet* who = outside.front();
        outside.pop_front();
        (what == 1 ? other : list).push_back(who);
        (what == 1 ? other_model : model).push_back(who);
        REQUIRE(tasklet::tag_of(who->word_.load(base::relaxed)) == tag::runnable);
      } else if (!model.empty()) {
        tasklet* who = list.pop_front();
        REQUIRE(who == model.front());
        REQUIRE(who->word_.load(base::relaxed) == tasklet::bits(tag::runnable));
        model.pop_front();
        outside.push_back(who);
      }
      REQUIRE(list.empty() == model.empty());
    }
  }

  TEST_CASE("of an awaited child it is the root that is linked, and the leaf that comes back") {
    tasklet root(kind::coroutine, tasklet::on_stack{});
    tasklet child(kind::coroutine, tasklet::on_stack{});
    child.word_.store(reinterpret_cast<std::uintptr_t>(&root) | tasklet::bits(tag::child), base::relaxed);
    root.link_ = reinterpret_cast<std::uintptr_t>(&child) | 1;
    tasklet other(kind::coroutine, tasklet::on_stack{});
    tasklet_list list;
    list.push_back(&child);
    list.push_back(&other);
    CHECK(child.root() == &root);
    CHECK(list.pop_front() == &child);
    CHECK(list.pop_front() == &other);
    CHECK(list.empty());
  }
}

}  // namespace
