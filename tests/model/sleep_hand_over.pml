// sleep.pml, broken: a woken worker does not know that the search is its own.
// cc: -DMEMLIM=2048 -DCOLLAPSE
// pan: -m100000
// expect: violation
#define WITHOUT_HAND_OVER
#include "sleep.pml"
