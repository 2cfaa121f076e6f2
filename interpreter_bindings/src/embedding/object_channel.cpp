#include <martlet/python/object_channel.hpp>

#include <string>

#include <martlet/python/attach.hpp>
#include <martlet/python/error.hpp>
#include <martlet/tasklet/errors.hpp>

#include "channel.hpp"
#include "embedding.hpp"
#include "parcel.hpp"

namespace martlet::python {
namespace {

channel_object* as_channel(const reference& of) noexcept { return reinterpret_cast<channel_object*>(of.get()); }

// A value that was not sent is dropped where that may be done.
struct unsent_value {
  detail::send_operation<cargo>& of;
  ~unsent_value() {
    if (of.value().get() != nullptr) {
      const access attached;
      of.value() = {};
    }
  }
};

}  // namespace

object_channel::object_channel(std::size_t capacity) {
  object_ = reference::take(make_channel(installed("object_channel"), capacity));
}

object_channel::object_channel(reference of) : object_(std::move(of)) {
  if (!Py_IS_TYPE(object_.get(), installed("object_channel").channel_type)) {
    throw misuse(std::string("object_channel: expected a martlet.channel, found an object of type ") +
                 Py_TYPE(object_.get())->tp_name);
  }
}

task<> object_channel::send(reference value) {
  attach();
  cargo mine;
  if (!load(as_channel(object_), value.get(), mine)) {
    throw_raised();
  }
  value = {};
  auto sending = as_channel(object_)->values->send(std::move(mine));
  const unsent_value rest{sending};
  co_await sending;
}

task<std::optional<reference>> object_channel::receive() {
  attach();
  std::optional<cargo> value = co_await as_channel(object_)->values->receive();
  if (!value) {
    co_return std::nullopt;
  }
  if (!value->is_parcel()) {
    co_return reference::take(value->take_object().release());
  }
  attach();
  co_return reference::take(unpack(*as_channel(object_)->state, value->take_parcel()));
}

void object_channel::close() noexcept { as_channel(object_)->values->close(); }

}  // namespace martlet::python
