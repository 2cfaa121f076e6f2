// cancel_shield.pml, broken: the canceller does not see the shields when it asks.
// expect: violation
#define WITHOUT_RECHECK
#include "cancel_shield.pml"
