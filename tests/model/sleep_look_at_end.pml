// sleep.pml, broken: a searcher that gives the search up does not look again.
// cc: -DMEMLIM=2048 -DCOLLAPSE
// pan: -m100000
// expect: violation
#define WITHOUT_LOOK_AT_END
#include "sleep.pml"
