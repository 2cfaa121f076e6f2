#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include <martlet/tasklet/tasklet.hpp>

/// What few tasklets have: a name, values of their own. It costs nothing to those that have none.
///
/// A slab of frames has a table beside it, made when the first of its tasklets needs it, with a pointer for each slot. A
/// plain thread has its own, which ends with the thread.
namespace martlet::detail {

struct extras {
  static constexpr std::size_t name_size = 32;

  struct local {
    std::uint64_t key;
    void* value;
    void (*destroy)(void*);
  };

  extras() noexcept = default;
  extras(const extras&) = delete;
  extras& operator=(const extras&) = delete;
  ~extras() { destroy_locals(); }

  void destroy_locals() noexcept;  // the last made first

  std::array<char, name_size> name{};  // ends with a zero; changed under the tasklet's lock
  std::vector<local> locals;           // the tasklet's own business
};

/// Returns   those of the tasklet or thread that calls, made if need be.
/// Throws    std::bad_alloc.
extras& own_extras();

/// The same, null when it has none yet.
extras* own_extras_if_any() noexcept;

/// Returns   null when it has none. Under the record's lock, or by the tasklet itself.
extras* extras_of(tasklet& who) noexcept;

/// Destroys what `who`, which is ending, has.
void drop_extras(tasklet& who) noexcept;

}  // namespace martlet::detail
