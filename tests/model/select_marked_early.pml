// select.pml, broken: a select marks its word before its tasklet has left its stack, where a canceller that needs no lock can claim it.
// cc: -DMEMLIM=2048 -DCOLLAPSE
// pan: -m100000
// expect: violation
#define MARKED_EARLY
#include "select.pml"
