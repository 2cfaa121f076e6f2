// A cancel against a wait and against its wake-up (tasklet/include/martlet/tasklet/wait.hpp, park and claim;
// tasklet/src/wait.cpp, request_cancel).
// cc: -DMEMLIM=2048
// pan: -m100000
//
// A tasklet waits twice on one core. Somebody may complete its first wait, nobody its second: that one ends only because
// somebody cancels the tasklet at some moment. The waiter pays no fence between its word and its look at the flag; its
// stores wait in a buffer, as on x86 (bias_lock.pml says how), until the canceller's heavy fence at the latest.
//
// Verified: the tasklet comes to an end, and is made ready at most once for a wait.
//
// Broken on purpose, each in a file that defines one of these and includes this one:
//   WITHOUT_HEAVY_FENCE  the canceller that finds the tasklet running looks again without a fence
//   WITHOUT_LOOK         the waiter does not look at the flag after it has published its wait
//   WITHOUT_RECHECK      the canceller does not look at the word again under the core's lock

#define RUNNABLE 0
#define PARKED 1
#define SELF 0           // the waiter

byte memory;             // the tasklet's word, as it is in memory
byte pending[2];         // the waiter's buffered stores: word values + 1, UNLOCK, or 0
#define UNLOCK 9
bit locked;
bit cancel;              // stored with an exchange: never buffered
bit node;                // a wait is in the core's list
bit woken;
bit ended;

inline move_one() {
  if
  :: pending[0] == UNLOCK -> locked = 0
  :: pending[0] != UNLOCK && pending[0] != 0 -> memory = pending[0] - 1
  :: pending[0] == 0
  fi;
  pending[0] = pending[1];
  pending[1] = 0
}

// A store by the waiter; a full buffer holds it up.
inline put(what) {
  atomic {
    pending[1] == 0 ->
    if
    :: pending[0] == 0 -> pending[0] = what
    :: else -> pending[1] = what
    fi
  }
}

inline make_ready() { atomic { assert(!woken && !ended); woken = 1 } }

active proctype waiter() {
  byte waits = 2;
  do
  :: waits > 0 && !cancel ->
     waits--;
     // The exchange that locks also empties the buffer.
     atomic { pending[0] == 0 && !locked -> locked = 1 };
     put(PARKED + 1);
#ifndef WITHOUT_LOOK
     if
     :: atomic { cancel -> skip };
        put(RUNNABLE + 1);
        put(UNLOCK);
        break
     :: atomic { !cancel -> skip }
     fi;
#endif
     node = 1;           // under the lock, whose release is behind it in the buffer
     put(UNLOCK);
     atomic { woken -> woken = 0 };
     // withdraw
     atomic { pending[0] == 0 && !locked -> locked = 1 };
     node = 0;
     put(UNLOCK)
  :: else -> break
  od;
  ended = 1
}

// Completes the first wait if it finds one.
active proctype partner() {
  bit won;
  atomic { !locked -> locked = 1 };
  if
  :: node ->
     node = 0;
     if
     :: atomic { memory == PARKED -> memory = RUNNABLE }; won = 1
     :: atomic { memory != PARKED -> skip }
     fi
  :: else
  fi;
  locked = 0;
  if
  :: won -> make_ready()
  :: else
  fi
}

active proctype canceller() {
  bit fenced;
  cancel = 1;
look:
  if
  :: atomic { memory == PARKED -> skip };
     atomic { !locked -> locked = 1 };
#ifdef WITHOUT_RECHECK
     memory = RUNNABLE;
     locked = 0;
     make_ready()
#else
     if
     :: atomic { memory == PARKED -> memory = RUNNABLE }; locked = 0; make_ready()
     :: atomic { memory != PARKED -> locked = 0 }; goto look
     fi
#endif
  :: atomic { memory == RUNNABLE -> skip };
     if
     :: !fenced ->
#ifndef WITHOUT_HEAVY_FENCE
        d_step { move_one(); move_one() };
#endif
        fenced = 1;
        goto look
     :: else
     fi
  fi
}

// Moves the waiter's stores to memory whenever it likes.
active proctype machine() {
end_machine:
  do
  :: d_step { pending[0] != 0 -> move_one() }
  od
}

active proctype when_nobody_can_go_on() {
end_watch:
  timeout;
  assert(ended && !woken && !locked)
}
