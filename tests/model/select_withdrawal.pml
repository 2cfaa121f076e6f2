// select.pml, broken: a select leaves its other waits in their lists.
// cc: -DMEMLIM=2048 -DCOLLAPSE
// pan: -m100000
// expect: violation
#define WITHOUT_WITHDRAWAL
#include "select.pml"
