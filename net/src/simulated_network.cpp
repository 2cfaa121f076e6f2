#include <martlet/net/simulated_network.hpp>

#include <string>

#include <martlet/tasklet/errors.hpp>

#include "wires.hpp"

namespace martlet::net {
namespace {

constexpr std::uint64_t own_stream = 0x6e6574776f726b00U;  // apart from what else the seed decides

void require(bool is_so, const std::string& sentence) {
  if (!is_so) {
    throw misuse("simulated_network: " + sentence);
  }
}

const simulated_network_options& checked(const simulated_network_options& how) {
  using std::to_string;
  require(how.least_latency.count() >= 0 && how.least_latency <= how.most_latency,
          "its latency is to be from " + to_string(how.least_latency.count()) + " to " +
              to_string(how.most_latency.count()) +
              " ns; give a least one of 0 or more, and a most one that is no less");
  require(how.loss >= 0 && how.loss <= 1,
          "the chance of a loss is to be " + to_string(how.loss) + "; give a number from 0 to 1");
  require(how.largest_piece != 0 && how.most_in_flight != 0, "pieces have at most " + to_string(how.largest_piece) +
                                                                 " bytes, and " + to_string(how.most_in_flight) +
                                                                 " may be in flight; give at least 1 for both");
  require(how.connect_limit.count() >= 0,
          "connect_limit is " + to_string(how.connect_limit.count()) + " ns; give 0 or more");
  return how;
}

}  // namespace

simulated_network::simulated_network(simulation& of, const simulated_network_options& how)
    : wires_(std::make_shared<detail::wires>(checked(how), of.taken().seed ^ own_stream)) {
  require(detail::wires::of_this_thread() == nullptr,
          "this simulation has a network already; use that one, or end it first");
  of.surround(wires_);
  wires_->open();
}

simulated_network::~simulated_network() { wires_->close(); }

void simulated_network::partition(const endpoint& at) { wires_->partition(at); }
void simulated_network::heal(const endpoint& at) { wires_->heal(at); }
void simulated_network::lose_connections(const endpoint& at) { wires_->lose_connections(at); }
void simulated_network::set_rate(const endpoint& at, std::uint64_t bytes_per_second) {
  wires_->set_rate(at, bytes_per_second);
}

}  // namespace martlet::net
