// sleep.pml with two children, one of which may be left behind when the other is taken.
// cc: -DMEMLIM=2048 -DCOLLAPSE
// pan: -m100000
#define PUSHES 1
#define CHILDREN 2
#include "sleep.pml"
