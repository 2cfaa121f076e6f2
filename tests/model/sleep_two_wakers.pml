// sleep.pml with two foreign threads, which wake at the same time.
// cc: -DMEMLIM=2048 -DCOLLAPSE
// pan: -m100000
#define PUSHERS 2
#define PUSHES 1
#define IDLE_NAPS 0
#include "sleep.pml"
