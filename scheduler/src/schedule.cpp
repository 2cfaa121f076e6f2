#include <martlet/scheduler/schedule.hpp>

#include <charconv>
#include <system_error>

#include <martlet/tasklet/errors.hpp>

namespace martlet {
namespace {

// Reads from the front of a text what a schedule is written with.
class reader {
 public:
  explicit reader(std::string_view all) noexcept : all_(all), left_(all) {}

  bool is_at_end() const noexcept { return left_.empty(); }

  std::uint64_t number(const char* of_what) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(left_.data(), left_.data() + left_.size(), value);
    if (error != std::errc()) {
      refuse(of_what);
    }
    left_.remove_prefix(static_cast<std::size_t>(end - left_.data()));
    return value;
  }

  void expect(char one, const char* what) {
    if (left_.empty() || left_.front() != one) {
      refuse(what);
    }
    left_.remove_prefix(1);
  }

  [[noreturn]] void refuse(const char* expected) const {
    throw misuse("schedule: expected " + std::string(expected) + " at character " +
                 std::to_string(all_.size() - left_.size() + 1) + ", found " +
                 (left_.empty() ? "the end" : '"' + std::string(left_.substr(0, 20)) + '"') +
                 "; a schedule reads like \"7: 12=3 57=1\": a seed, then steps and tasklets");
  }

 private:
  std::string_view all_;
  std::string_view left_;
};

}  // namespace

std::string schedule::text() const {
  std::string line = std::to_string(seed) + ':';
  for (const choice& one : choices) {
    line += ' ' + std::to_string(one.step) + '=' + std::to_string(one.tasklet);
  }
  return line;
}

schedule schedule::parse(std::string_view text) {
  reader from(text);
  schedule result;
  result.seed = from.number("a seed");
  from.expect(':', "a colon after the seed");
  while (!from.is_at_end()) {
    from.expect(' ', "a space between two choices");
    const std::uint64_t step = from.number("the number of a step");
    if (!result.choices.empty() && step <= result.choices.back().step) {
      from.refuse("steps that rise");
    }
    from.expect('=', "an equals sign after the step");
    result.choices.push_back({.step = step, .tasklet = from.number("the number of a tasklet")});
  }
  return result;
}

}  // namespace martlet
