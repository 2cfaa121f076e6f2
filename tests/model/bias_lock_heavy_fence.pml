// bias_lock.pml, broken: a borrower looks at the owner's flag without a fence before it.
// cc: -DMEMLIM=2048
// pan: -m100000
// expect: violation
#define WITHOUT_HEAVY_FENCE
#include "bias_lock.pml"
