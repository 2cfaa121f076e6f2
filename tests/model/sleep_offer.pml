// sleep.pml with a child that is offered: what others offer is not overslept while its owner is inside a long tasklet.
// cc: -DMEMLIM=2048 -DCOLLAPSE
// pan: -m100000
#define PUSHES 1
#define CHILDREN 1
#include "sleep.pml"
