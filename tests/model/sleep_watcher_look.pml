// sleep_offer.pml, broken: who goes to sleep does not look whether somebody works who then has no watcher.
// cc: -DMEMLIM=2048 -DCOLLAPSE
// pan: -m100000
// expect: violation
#define PUSHES 1
#define CHILDREN 1
#define WITHOUT_WATCHER_LOOK
#include "sleep.pml"
