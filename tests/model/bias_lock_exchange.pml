// bias_lock.pml, broken: borrowers look at `claimed_` and then store it.
// cc: -DMEMLIM=2048
// pan: -m100000
// expect: violation
#define WITHOUT_EXCHANGE
#include "bias_lock.pml"
