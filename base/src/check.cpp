#include <martlet/base/check.hpp>

#include <array>
#include <cstdlib>

#include <sys/uio.h>
#include <unistd.h>

namespace martlet::base::detail {

void write_and_abort(std::initializer_list<fatal_part> parts) noexcept {
  // One writev, so that the line stays whole when several threads write at once.
  std::array<iovec, 18> pieces{};
  std::size_t count = 0;
  const auto add = [&](std::string_view text) { pieces[count++] = {const_cast<char*>(text.data()), text.size()}; };
  add("martlet: ");
  for (const fatal_part& part : parts) {
    if (count + 1 < pieces.size()) {
      add(part.text());
    }
  }
  add("\n");
  [[maybe_unused]] const auto written = ::writev(STDERR_FILENO, pieces.data(), static_cast<int>(count));
  std::abort();
}

}  // namespace martlet::base::detail
