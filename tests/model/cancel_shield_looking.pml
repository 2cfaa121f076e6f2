// cancel_shield.pml, broken: a shield is raised though a canceller looks.
// expect: violation
#define WITHOUT_LOOKING
#include "cancel_shield.pml"
