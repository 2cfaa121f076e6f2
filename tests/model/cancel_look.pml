// cancel.pml, broken: a waiter does not look at the flag after it has published its wait.
// cc: -DMEMLIM=2048
// pan: -m100000
// expect: violation
#define WITHOUT_LOOK
#include "cancel.pml"
