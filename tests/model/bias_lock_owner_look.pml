// bias_lock.pml, broken: the owner does not look at `claimed_`.
// cc: -DMEMLIM=2048
// pan: -m100000
// expect: violation
#define WITHOUT_OWNER_LOOK
#include "bias_lock.pml"
