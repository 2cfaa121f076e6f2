#include <martlet/tasklet/tasklet_local.hpp>

#include <martlet/base/atomic.hpp>

namespace martlet::detail {
namespace {

constinit base::atomic<std::uint64_t> last_key{0};

}  // namespace

std::uint64_t next_local_key() noexcept {
  return last_key.fetch_add(1, base::relaxed) + 1;  // only has to differ
}

void* find_local(std::uint64_t key) noexcept {
  if (const extras* own = own_extras_if_any(); own != nullptr) {
    for (const extras::local& one : own->locals) {
      if (one.key == key) {
        return one.value;
      }
    }
  }
  return nullptr;
}

void keep_local(std::uint64_t key, void* value, void (*destroy)(void*)) {
  own_extras().locals.push_back({key, value, destroy});
}

}  // namespace martlet::detail
