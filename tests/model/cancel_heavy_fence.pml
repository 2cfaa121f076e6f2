// cancel.pml, broken: a canceller that finds the tasklet running looks again without a fence.
// cc: -DMEMLIM=2048
// pan: -m100000
// expect: violation
#define WITHOUT_HEAVY_FENCE
#include "cancel.pml"
