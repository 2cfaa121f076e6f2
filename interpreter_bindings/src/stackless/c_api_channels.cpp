#include "c_api.hpp"

/// What `<martlet/stackless.h>` has of channels.
namespace martlet::python::stackless::c_api {
namespace {

// Changes or reads one of a channel's properties: 1 for true, 0 for false, -1 with an exception set.
template <class Act>
int with_channel(PyObject* given, const char* call, Act act) {
  channel* one = channel_of(given, call);
  return one == nullptr ? -1 : static_cast<int>(act(*one));
}

int send_made(channel* to, object made) { return made && send_bomb(*to, std::move(made)) ? 0 : -1; }

void add_properties(martlet_stackless_api& to) {
  to.channel_close = [](PyObject* given) {
    return with_channel(given, "channel_close", [](channel& one) { return (one.is_closing = true, 0); });
  };
  to.channel_open = [](PyObject* given) {
    return with_channel(given, "channel_open", [](channel& one) { return (one.is_closing = false, 0); });
  };
  to.channel_check = [](PyObject* given) { return is_of(given, &layer::channel_type) ? 1 : 0; };
  to.channel_is_closing = [](PyObject* given) {
    return with_channel(given, "channel_is_closing", [](channel& one) { return one.is_closing; });
  };
  to.channel_is_closed = [](PyObject* given) {
    return with_channel(given, "channel_is_closed", [](channel& one) { return one.is_closing && one.balance == 0; });
  };
  to.channel_get_balance = [](PyObject* given) {
    return with_channel(given, "channel_get_balance", [](channel& one) { return one.balance; });
  };
  to.channel_get_queue = [](PyObject* given) -> PyObject* {
    channel* one = channel_of(given, "channel_get_queue");
    if (one == nullptr) {
      return nullptr;
    }
    const guard held(chains);
    return Py_NewRef(one->head != nullptr ? one->head->self() : Py_None);
  };
  to.channel_set_preference = [](PyObject* given, int preference) {
    const int sign = preference > 0 ? 1 : preference < 0 ? -1 : 0;
    return with_channel(given, "channel_set_preference",
                        [sign](channel& one) { return (one.preference = static_cast<std::int8_t>(sign), 0); });
  };
  to.channel_get_preference = [](PyObject* given) {
    return with_channel(given, "channel_get_preference", [](channel& one) { return one.preference; });
  };
  to.channel_set_schedule_all = [](PyObject* given, int flag) {
    return with_channel(given, "channel_set_schedule_all",
                        [flag](channel& one) { return (one.schedules_all = flag != 0, 0); });
  };
  to.channel_get_schedule_all = [](PyObject* given) {
    return with_channel(given, "channel_get_schedule_all", [](channel& one) { return one.schedules_all; });
  };
}

}  // namespace

void add_channels(martlet_stackless_api& to) {
  to.channel_new = [](PyTypeObject* type) -> PyObject* {
    layer* home = find_layer();
    return home != nullptr ? make(type, home->channel_type, nullptr, "channel_new") : nullptr;
  };
  to.queue_channel_new = []() -> PyObject* {
    const layer* home = may_run() ? find_layer() : nullptr;
    return home != nullptr ? PyObject_CallMethod(home->module, "QueueChannel", nullptr) : nullptr;
  };
  add_properties(to);
  to.channel_send = [](PyObject* given, PyObject* value) {
    channel* one = channel_of(given, "channel_send");
    const bool is_complete = one != nullptr && may_run() && is_given(value, "channel_send", "a value");
    const object result = object::take(is_complete ? send(*one, value) : nullptr);
    return result ? 0 : -1;
  };
  to.channel_receive = [](PyObject* given) -> PyObject* {
    channel* one = channel_of(given, "channel_receive");
    return one != nullptr && may_run() ? receive(*one) : nullptr;
  };
  to.channel_send_exception = [](PyObject* given, PyObject* type, PyObject* args) {
    channel* one = channel_of(given, "channel_send_exception");
    return one != nullptr
               ? send_made(one, bomb_of(*one->home, type, args, "channel_send_exception", "channel.send_exception"))
               : -1;
  };
  to.channel_send_throw = [](PyObject* given, PyObject* type, PyObject* value, PyObject* traceback) {
    channel* one = channel_of(given, "channel_send_throw");
    return one != nullptr ? send_made(one, bomb_of(*one->home, type, value, traceback, "channel_send_throw")) : -1;
  };
}

}  // namespace martlet::python::stackless::c_api
