// select.pml, broken: a select locks its channels in the order in which it names them.
// cc: -DMEMLIM=2048 -DCOLLAPSE
// pan: -m100000
// expect: violation
#define WITHOUT_LOCK_ORDER
#include "select.pml"
