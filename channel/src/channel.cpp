#include <martlet/channel/channel.hpp>

namespace martlet::detail {
namespace {

// Ends every wait in `list` as one that found the channel closed.
//
// Returns   the ended waits, chained by `prev`.
wait_node* end_all(wait_list& list, std::size_t& count, wait_core& core, wait_node* chain) noexcept {
  while (auto* wait = claim_oldest<channel_wait>(list, count, core)) {
    wait->channel = nullptr;
    wait->prev = chain;
    chain = wait;
  }
  return chain;
}

}  // namespace

void channel_core::close() noexcept {
  lock_.lock();
  is_closed = true;
  wait_node* ended = end_all(senders, sender_count, *this, nullptr);
  ended = end_all(receivers, receiver_count, *this, ended);
  lock_.unlock();
  host* here = current_host();
  while (ended != nullptr) {
    wait_node* next = ended->prev;
    ready(complete(*ended), here, turn::last);  // the operation may be gone after this
    ended = next;
  }
}

}  // namespace martlet::detail
