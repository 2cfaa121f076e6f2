// The same without tasklets: a number that goes from place to place.
#include <array>

#include "../support.hpp"

namespace {

constexpr std::size_t members = 503;
constexpr long passes = 1'000'000;

[[gnu::noinline]] bool pass_on(const long& from, long& to) {
  to = from - 1;
  return from != 0;
}

}  // namespace

int main(int count, char** arguments) {
  return report(count, arguments, passes, [](asked) {
    std::array<long, members> all{passes};
    std::size_t at = 0;
    while (pass_on(all[at], all[(at + 1) % members])) {
      at = (at + 1) % members;
    }
    return at == passes % members;
  });
}
