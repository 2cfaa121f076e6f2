#include <martlet/channel/channel.hpp>

#include <martlet/base/fork.hpp>

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

// Where a frame has the address of what destroys it.
constinit char mark = 0;

// Whoever waited in a channel was left in the parent. The nodes lay on stacks that may be used again here.
constinit base::fork_hook hook{
    .order = 35,
    .before = []() noexcept {},
    .in_parent = []() noexcept {},
    .in_child =
        []() noexcept {
          frames().walk([](free_slot* slot, std::size_t) {
            if (reinterpret_cast<void**>(slot)[1] != &mark) {
              return;
            }
            auto& core = *reinterpret_cast<channel_core*>(reinterpret_cast<std::byte*>(slot) + tasklet::frame_offset);
            std::construct_at(&core.senders);
            std::construct_at(&core.receivers);
            core.sender_count = core.receiver_count = 0;
          });
        }};

}  // namespace

void mark_as_channel(void* slot) noexcept {
  static_cast<void**>(slot)[1] = &mark;
  base::register_fork_hook(hook);
}

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
