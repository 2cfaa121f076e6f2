// sleep_inbox.pml, broken: who pushes into an inbox looks at sleep_ before the push.
// cc: -DMEMLIM=2048 -DCOLLAPSE
// pan: -m100000
// expect: violation
#define PINNED
#define PUSHES 1
#define WITHOUT_INBOX_ORDER
#include "sleep.pml"
