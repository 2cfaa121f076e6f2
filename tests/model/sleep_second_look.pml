// sleep.pml, broken: a sleeper looks at the queues before it publishes that it sleeps, and not after.
// cc: -DMEMLIM=2048 -DCOLLAPSE
// pan: -m100000
// expect: violation
#define WITHOUT_SECOND_LOOK
#include "sleep.pml"
