// sleep_offer.pml, broken: a waker that found nobody asleep does not look again. A worker that went to sleep while it held the search
// has not looked at what is offered.
// cc: -DMEMLIM=2048 -DCOLLAPSE
// pan: -m100000
// expect: violation
#define PUSHES 1
#define CHILDREN 1
#define WITHOUT_WAKER_LOOK
#include "sleep.pml"
