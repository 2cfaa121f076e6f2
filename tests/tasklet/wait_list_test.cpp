#include <martlet/tasklet/wait.hpp>

#include <array>

#include <doctest/doctest.h>

namespace {

using martlet::detail::wait_list;
using martlet::detail::wait_node;

TEST_SUITE("wait_list") {
  TEST_CASE("an empty list has no front and no size") {
    wait_list list;
    CHECK(list.empty());
    CHECK(list.front() == nullptr);
    CHECK(list.size() == 0);
  }

  TEST_CASE("the oldest is first") {
    wait_list list;
    std::array<wait_node, 3> nodes;
    for (auto& node : nodes) {
      CHECK(!node.is_linked());
      list.push_back(node);
      CHECK(node.is_linked());
    }
    CHECK(list.size() == 3);
    for (auto& node : nodes) {
      CHECK(list.front() == &node);
      wait_list::unlink(node);
      CHECK(!node.is_linked());
    }
    CHECK(list.empty());
  }

  TEST_CASE("a node leaves from anywhere and may come back") {
    wait_list list;
    std::array<wait_node, 3> nodes;
    for (auto& node : nodes) {
      list.push_back(node);
    }
    wait_list::unlink(nodes[1]);
    CHECK(list.size() == 2);
    wait_list::unlink(nodes[0]);
    CHECK(list.front() == &nodes[2]);
    list.push_back(nodes[0]);
    wait_list::unlink(nodes[2]);
    CHECK(list.front() == &nodes[0]);
    CHECK(list.size() == 1);
    wait_list::unlink(nodes[0]);
  }
}

}  // namespace
