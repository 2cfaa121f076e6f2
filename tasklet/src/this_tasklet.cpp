#include <martlet/tasklet/this_tasklet.hpp>

#include <algorithm>
#include <array>
#include <mutex>

#include <martlet/tasklet/errors.hpp>
#include <martlet/tasklet/extras.hpp>
#include <martlet/tasklet/host.hpp>

namespace martlet {

namespace detail {
std::string name_of(tasklet& who) {
  std::array<char, extras::name_size> name{};
  {
    const std::lock_guard guard(who.lock_);
    if (const extras* own = extras_of(who); own != nullptr) {
      name = own->name;
    }
  }
  return name.data();
}

}  // namespace detail

namespace this_tasklet {

tasklet_id id() noexcept { return tasklet_id(detail::running_tasklet()); }

tasklet_id parent() noexcept {
  detail::tasklet* self = detail::running_tasklet();
  std::uintptr_t link = self == nullptr ? 0 : detail::owner_link_of(*self);
  while ((link & detail::inside_mark) != 0) {
    link = reinterpret_cast<detail::scope_base*>(link & ~detail::inside_mark)->outer_link();
  }
  return detail::membership::is_in(link) ? tasklet_id(detail::membership::scope_of(link).parent()) : tasklet_id();
}

site spawned_at() noexcept {
  const detail::tasklet* self = detail::running_tasklet();
  return self == nullptr ? site() : self->site_;
}

bool is_cancelled() noexcept {
  const detail::tasklet* self = detail::running_tasklet();
  return self != nullptr && self->is_cancelled();
}

void set_name(std::string_view name) {
  detail::tasklet* self = detail::running_tasklet();
  if (self == nullptr) {
    throw misuse("set_name: this thread runs no tasklet; a plain thread is named with pthread_setname_np");
  }
  detail::extras& own = detail::own_extras();
  const std::lock_guard guard(self->lock_);
  own.name.fill('\0');
  std::copy_n(name.begin(), std::min(name.size(), own.name.size() - 1), own.name.begin());
}

std::string name() {
  detail::tasklet* self = detail::running_tasklet();
  return self == nullptr ? std::string() : detail::name_of(*self);
}

}  // namespace this_tasklet

pin::pin() noexcept {
  detail::tasklet* self = detail::running_tasklet();
  if (self != nullptr && !self->is_pinned_) {
    const std::lock_guard guard(self->lock_);
    self->is_pinned_ = true;  // it runs here: host_ says so already
    self_ = self;
  }
}

pin::~pin() {
  if (self_ != nullptr) {
    const std::lock_guard guard(self_->lock_);
    self_->is_pinned_ = false;
  }
}

}  // namespace martlet
