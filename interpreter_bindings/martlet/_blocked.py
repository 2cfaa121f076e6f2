"""Says that a tasklet blocks its worker's thread."""

import warnings

_told = set()  # the lines


def tell(tasklet, places):
    """Warns of a tasklet, once for each line that blocks. Called by the native part, on a thread of its own.

    Takes     its handle; where it is, as (file, line), the innermost first.
    """
    place, *callers = places
    if place in _told:
        return
    _told.add(place)
    called = "".join(f", called at {file}:{line}" for file, line in callers)
    warnings.warn_explicit(
        f"tasklet {tasklet.name!r}, spawned at {tasklet.spawned_at}, has blocked the thread of its worker here for at least 0.1 s"
        f"{called}; other tasklets wait for that worker: give what blocks to martlet.blocking(function, ...), or in a "
        "coroutine to 'await martlet.ablocking(function, ...)'",
        RuntimeWarning,
        *place,
    )
