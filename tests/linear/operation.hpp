#pragma once

#include <compare>
#include <optional>
#include <string>
#include <utility>
#include <vector>

/// What the actors of a history do, and what comes of it.
namespace martlet::testing {

enum class verb {
  send,
  receive,
  select,
  try_send,
  try_receive,
  close,
  lock,
  try_lock,
  unlock,
  acquire,
  try_acquire,
  release,
  available,
  wait,
  set,  // an event's state: what keeps it shut
  add,  // to what keeps a wait group shut
  count,
  notify_one,
  notify_all,
  cancel,    // of the tasklet of an actor
  see_wait,  // an actor's tasklet was seen to be blocked: so it stands where those stand who wait
};

enum class ending { pending, done, empty, closed, would_wait, cancelled, deadline_passed };

/// One channel's part in a call: of a select there are several, of all others that concern a channel one.
struct branch {
  verb what = verb::receive;  // or send
  std::size_t channel = 0;
  int value = 0;  // to be sent
};

struct call {
  verb what = verb::send;
  std::vector<branch> cases;
  int number = 0;            // of units; of what keeps a gate shut; of the actor who is meant
  std::optional<int> limit;  // microseconds
  int pause = 0;             // turns of a loop that its actor makes before it
};

/// Returns   a call that concerns no channel.
inline call plain(verb what, int number = 0) { return {what, {}, number, {}, 0}; }

/// Returns   whether a call may wait, so that a cancel or a limit can end it.
inline bool may_wait(verb what) {
  return what == verb::send || what == verb::receive || what == verb::select || what == verb::lock ||
         what == verb::acquire || what == verb::wait;
}

struct result {
  ending how = ending::pending;
  std::size_t which = 0;  // of the cases of a select
  int value = 0;          // received, or still the sender's after a send that was not done; units that are there

  bool operator==(const result&) const = default;
};

/// A call, with two moments: the call was made after `invoked` and was over before `responded`.
struct operation {
  static constexpr unsigned never = ~0U;

  int actor = 0;
  call what;
  unsigned invoked = 0;
  unsigned responded = never;
  result got;
};

// The two channels are called a and b.
inline std::string text_of(const branch& part) {
  const std::string name(1, static_cast<char>('a' + part.channel));
  return part.what == verb::send ? "send " + std::to_string(part.value) + " to " + name : "receive from " + name;
}

inline std::string text_of(const call& what) {
  std::string text = what.limit ? "within " + std::to_string(*what.limit) + " us: " : "";
  const std::string number = std::to_string(what.number);
  switch (what.what) {
    case verb::send:
    case verb::receive: return text + text_of(what.cases.front());
    case verb::try_send:
    case verb::try_receive: return "try_" + text_of(what.cases.front());
    case verb::select:
      text += "select";
      for (const branch& part : what.cases) {
        text += (&part == &what.cases.front() ? " {" : ", ") + text_of(part);
      }
      return text + "}";
    case verb::close: return std::string("close ") + static_cast<char>('a' + what.cases.front().channel);
    case verb::lock: return text + "lock";
    case verb::try_lock: return "try_lock";
    case verb::unlock: return "unlock";
    case verb::acquire: return text + "acquire " + number;
    case verb::try_acquire: return "try_acquire " + number;
    case verb::release: return "release " + number;
    case verb::available: return "available";
    case verb::wait: return text + "wait";
    case verb::set: return what.number == 0 ? "set" : "reset";
    case verb::add: return "add " + number;
    case verb::count: return "count";
    case verb::notify_one: return "notify_one";
    case verb::notify_all: return "notify_all";
    case verb::cancel: return "cancel actor " + number;
    case verb::see_wait: return "see that actor " + number + " waits";
  }
  return text;
}

inline std::string text_of(const result& got) {
  static constexpr const char* names[] = {"no end",     "done",      "empty",          "closed",
                                          "would wait", "cancelled", "deadline passed"};
  return names[static_cast<std::size_t>(got.how)] + (got.which == 0 ? "" : ", case " + std::to_string(got.which)) +
         (got.value == 0 ? "" : ", value " + std::to_string(got.value));
}

}  // namespace martlet::testing
