#include "trace.hpp"

#include <iomanip>
#include <map>
#include <sstream>

#include "source_text.hpp"

namespace martlet::model {

namespace {

const char* to_text(kind what) noexcept {
  switch (what) {
    case kind::begin: return "begins";
    case kind::load: return "load";
    case kind::store: return "store";
    case kind::exchange: return "exchange";
    case kind::compare_exchange: return "compare-exchange";
    case kind::full_fence: return "full fence";
    case kind::light_fence: return "light fence";
    case kind::visit: return "heavy fence, in";
    case kind::pause: return "goes on after a pause";
    case kind::join: return "has joined all";
  }
  return "";
}

// Small numbers as they are; what is large is a pointer or a set of bits.
std::string to_text(std::uint64_t value) {
  std::ostringstream text;
  if (value > 0xffff) {
    text << "0x" << std::hex;
  }
  text << value;
  return text.str();
}

// The name of each location: what it is called where it is used, and its number.
std::map<int, std::string> names_of(const std::vector<event>& events) {
  std::map<int, std::string> names;
  for (const event& made : events) {
    if (made.has_read || made.has_written) {
      std::string& name = names[made.step.location];
      if (name.empty()) {
        name = object_at(made.step.at);
      }
    }
  }
  for (auto& [number, name] : names) {
    name = (name.empty() ? "location" : name) + "#" + std::to_string(number);
  }
  return names;
}

}  // namespace

const char* to_text(memory_order order) noexcept {
  switch (order) {
    case std::memory_order_relaxed: return "relaxed";
    case std::memory_order_consume: return "consume";
    case std::memory_order_acquire: return "acquire";
    case std::memory_order_release: return "release";
    case std::memory_order_acq_rel: return "acq_rel";
    case std::memory_order_seq_cst: return "seq_cst";
  }
  return "";
}

std::string to_text(const std::vector<event>& events, const std::vector<std::string>& thread_names) {
  const std::map<int, std::string> names = names_of(events);
  std::ostringstream text;
  int number = 0;
  for (const event& made : events) {
    std::ostringstream what;
    what << to_text(made.step.what);
    if (made.step.what == kind::visit) {
      what << ' ' << thread_names[made.step.target];
    }
    if (made.has_read || made.has_written) {
      what << ' ' << names.at(made.step.location) << ' ' << to_text(made.step.order);
    }
    if (made.has_read) {
      what << ": reads " << to_text(made.value_read) << " of "
           << (made.read_from == 0 ? "the beginning" : "step " + std::to_string(made.read_from));
    }
    if (made.has_written) {
      what << (made.has_read ? ", stores " : ": stores ") << to_text(made.value_written);
    }
    text << std::right << std::setw(4) << ++number << "  " << std::left << std::setw(10) << thread_names[made.thread]
         << ' ';
    if (made.step.at.line == 0) {
      text << what.str();
    } else {
      text << std::setw(64) << what.str() << ' ' << short_path(made.step.at.file) << ':' << made.step.at.line << ' '
           << labels_at(made.step.at);
    }
    text << '\n';
  }
  return text.str();
}

}  // namespace martlet::model
