// sleep.pml with work that must run on worker 0.
// cc: -DMEMLIM=2048 -DCOLLAPSE
// pan: -m100000
#define PINNED
#define PUSHES 1
#include "sleep.pml"
