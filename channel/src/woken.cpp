#include <martlet/channel/woken.hpp>

namespace martlet::detail {

void woken::ready_from(wait_node* first) noexcept {
  host* here = current_host();
  const turn when = first != nullptr && first->prev != nullptr ? turn::last : turn::next;
  for (wait_node* node = first; node != nullptr;) {
    wait_node* next = node->prev;
    ready(complete(*node), here, when);  // the operation may be gone after this
    node = next;
  }
}

}  // namespace martlet::detail
