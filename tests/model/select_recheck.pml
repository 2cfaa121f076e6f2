// select.pml, broken: a canceller does not look at the word again under the lock.
// cc: -DMEMLIM=2048 -DCOLLAPSE
// pan: -m100000
// expect: violation
#define WITHOUT_RECHECK
#include "select.pml"
