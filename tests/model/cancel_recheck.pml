// cancel.pml, broken: a canceller does not look at the word again under the core's lock.
// cc: -DMEMLIM=2048
// pan: -m100000
// expect: violation
#define WITHOUT_RECHECK
#include "cancel.pml"
