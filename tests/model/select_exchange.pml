// select.pml, broken: a select is claimed by a load and a store.
// cc: -DMEMLIM=2048 -DCOLLAPSE
// pan: -m100000
// expect: violation
#define WITHOUT_EXCHANGE
#include "select.pml"
