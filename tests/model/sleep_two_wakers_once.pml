// sleep_two_wakers.pml, broken: a waker that found nobody asleep does not look again. It held the search for a moment, in which
// the other left the waking to it.
// cc: -DMEMLIM=2048 -DCOLLAPSE
// pan: -m100000
// expect: violation
#define PUSHERS 2
#define PUSHES 1
#define IDLE_NAPS 0
#define WITHOUT_WAKER_LOOK
#include "sleep.pml"
