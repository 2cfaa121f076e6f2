#pragma once

#include "engine.hpp"
#include "preflight.hpp"

#include <martlet/loadtest/scenario.hpp>

#include <cstdint>
#include <memory>

namespace martlet::loadtest {

/// Runs a scenario's users over TCP connections to a real server, each as a stackless tasklet.
class sockets_engine final : public engine {
 public:
  /// Takes     the scenario, which must outlive the engine; the address that its target stands for; how many workers run
  ///           the users, 0 for one a core.
  sockets_engine(const scenario& what, const numeric_address& server, int workers);
  ~sockets_engine() override;

  void start(std::function<void()> on_end) override;
  void stop() override;
  void finish() override;
  tally counts() const override;
  std::uint64_t open_connections() const override;
  unsigned workers() const override;

  /// Gives how many descriptors a run of this scenario can have open at once, our own included.
  static std::uint64_t descriptors_for(const scenario& what, int workers);

 private:
  class users;
  std::unique_ptr<users> users_;
};

}  // namespace martlet::loadtest
