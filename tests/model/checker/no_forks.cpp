#include <cstdint>

#include <martlet/base/fork.hpp>

// Nobody forks in a program that the checker explores, so nothing has to be kept about it, but in the model of that.
namespace martlet::base {

std::uint32_t process_generation() noexcept { return 1; }
bool is_only_thread() noexcept { return false; }
void register_fork_hook_slowly(fork_hook&) noexcept {}

}  // namespace martlet::base
