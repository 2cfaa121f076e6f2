// bias_lock.pml, broken: an owner that had to wait goes in without announcing itself again.
// cc: -DMEMLIM=2048
// pan: -m100000
// expect: violation
#define WITHOUT_SECOND_STORE
#include "bias_lock.pml"
