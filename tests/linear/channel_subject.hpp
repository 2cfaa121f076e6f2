#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <martlet/channel.hpp>

#include "channel_specification.hpp"
#include "counted.hpp"
#include "dice.hpp"
#include "limits.hpp"

namespace martlet::testing {

/// Two channels, for histories.
class channel_subject {
 public:
  using rules = channel_specification;

  /// Takes     whether each call may concern both channels, with select; otherwise all concern the first.
  channel_subject(dice& random, bool selects)
      : selects_(selects),
        capacities_{static_cast<std::size_t>(random.below(4)), static_cast<std::size_t>(random.below(4))},
        channels_{channel<counted>(capacities_[0]), channel<counted>(capacities_[1])} {}

  rules specification() const { return rules(capacities_); }
  std::string name() const {
    return "channels with room for " + std::to_string(capacities_[0]) + " and " + std::to_string(capacities_[1]);
  }

  /// Draws what an actor does next. Values are not given twice.
  std::vector<call> draw(dice& random) {
    call what;
    what.what =
        random.one_of({verb::send, verb::send, verb::receive, verb::receive, verb::try_send, verb::try_receive});
    if (selects_ && random.one_in(2)) {
      what.what = verb::select;
    } else if (random.one_in(40)) {
      what.what = verb::close;
    }
    const bool is_send = what.what == verb::send || what.what == verb::try_send;
    what.cases.push_back(draw_branch(random, is_send));
    if (what.what == verb::select) {
      what.cases = {draw_branch(random, random.one_in(2)), draw_branch(random, random.one_in(2))};
    }
    if (may_wait(what.what)) {
      what.limit = draw_limit(random);
    }
    return {what};
  }

  /// Makes the operation of a call that may wait, and gives it to `then`.
  template <class Then>
  auto with_operation(const call& what, Then then) {
    return with_branch(what.cases[0], [&](auto first) {
      if (what.what != verb::select) {
        return with_limit(what, std::move(first), then);
      }
      return with_branch(what.cases[1], [&](auto second) {
        return what.limit ? then(select(std::move(first), std::move(second), sleep_for(limit_of(what))))
                          : then(select(std::move(first), std::move(second)));
      });
    });
  }

  /// Makes a result of what an operation gave.
  static result told(int, const std::optional<counted>& got) {
    return got ? result{ending::done, 0, got->value()} : result{ending::empty, 0, 0};
  }
  template <class... Results>
  static result told(int actor, const std::variant<Results...>& first) {
    result got = std::visit([&](const auto& one) { return told(actor, one); }, first);
    if (first.index() == 2) {
      return {ending::deadline_passed, 0, 0};
    }
    got.which = first.index();
    return got;
  }
  static result told(int, std::monostate) { return {ending::done, 0, 0}; }

  static bool is_possible(int, const call&) { return true; }

  /// Makes a call that does not wait.
  result do_now(int, const call& what) {
    channel<counted>& in = channels_[what.cases[0].channel];
    switch (what.what) {
      case verb::try_send: {
        counted value(values_, what.cases[0].value);
        const ending how = ending_of(in.try_send(value));
        return {how, 0, how == ending::done ? 0 : value.value()};
      }
      case verb::try_receive: {
        counted into(values_, 0);
        const try_status status = in.try_receive(into);
        return {status == try_status::closed ? ending::empty : ending_of(status), 0, into.value()};
      }
      default: in.close(); return {ending::done, 0, 0};
    }
  }

  /// Returns   what ends every wait.
  static std::vector<call> rescue(int before) {
    return before == 0 ? std::vector<call>{close(0), close(1)} : std::vector<call>();
  }

  /// Closes both channels and takes what is left, so that a value that was lost is missing in the history.
  ///
  /// Takes     how the driver makes a call.
  template <class Make>
  void finish(Make make) {
    for (const std::size_t which : {std::size_t{0}, std::size_t{1}}) {
      make(close(which));
      while (make(call{verb::try_receive, {{verb::receive, which, 0}}, 0, {}, 0}).how == ending::done) {}
    }
  }

  /// Returns   whether each value that was made has ended once, but for those in the channels.
  bool is_balanced() const { return values_.is_balanced(); }

 private:
  static call close(std::size_t which) { return {verb::close, {{verb::receive, which, 0}}, 0, {}, 0}; }
  static ending ending_of(try_status status) {
    return status == try_status::done     ? ending::done
           : status == try_status::closed ? ending::closed
                                          : ending::would_wait;
  }

  branch draw_branch(dice& random, bool is_send) {
    const auto which = static_cast<std::size_t>(selects_ ? random.below(2) : 0);
    return {is_send ? verb::send : verb::receive, which, is_send ? ++last_value_ : 0};
  }

  template <class Then>
  auto with_branch(const branch& part, Then then) {
    channel<counted>& in = channels_[part.channel];
    return part.what == verb::send ? then(in.send(counted(values_, part.value))) : then(in.receive());
  }

  bool selects_;
  int last_value_ = 0;
  tally values_;
  std::array<std::size_t, 2> capacities_;
  std::array<channel<counted>, 2> channels_;
};

}  // namespace martlet::testing
