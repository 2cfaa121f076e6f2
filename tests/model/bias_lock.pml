// The biased lock (base/bias_lock.hpp): an owner that takes it with plain stores, and two borrowers.
// cc: -DMEMLIM=2048
// pan: -m100000
//
// The processor is x86's: each thread has a buffer in which its stores wait, first in, first out, until the machine moves
// them to memory at a moment of its own; a thread's loads see its own buffer first. An exchange empties the buffer of who
// does it. A heavy fence empties the owner's, which is what membarrier does to every thread that runs. The light fence
// is nothing, which is the point.
//
// What is guarded is a counter that everybody raises by one with a load and a store. Verified: never two are inside, no
// increment is lost, and nobody waits for ever.
//
// Broken on purpose, each in a file that defines one of these and includes this one:
//   WITHOUT_HEAVY_FENCE  a borrower looks at the owner's flag without a fence before it
//   WITHOUT_OWNER_LOOK   the owner does not look at `claimed_`
//   WITHOUT_SECOND_STORE an owner that had to wait goes in without announcing itself again
//   WITHOUT_EXCHANGE     borrowers look at `claimed_` and then store it

#ifndef SECTIONS
#define SECTIONS 3       // of the owner
#endif
#ifndef TRIES
#define TRIES 2          // of each borrower
#endif
#define BORROWERS 2
#define OWNER 0
#define THREADS 3
#define DEPTH 3          // a full buffer holds its thread up

// The shared words.
#define BUSY 0
#define CLAIMED 1
#define COUNTER 2
byte memory[3];

typedef buffer { byte word[DEPTH]; byte value[DEPTH]; byte length };
buffer buffers[THREADS];

byte inside;
byte sections;           // that have been passed

#define is_empty(t) (buffers[t].length == 0)

inline store(t, w, v) {
  atomic {
    buffers[t].length < DEPTH ->
    buffers[t].word[buffers[t].length] = w;
    buffers[t].value[buffers[t].length] = v;
    buffers[t].length++
  }
}

// The newest store of our own to `w`, else what memory has.
inline load(t, w, into) {
  d_step {
    into = memory[w];
    k = 0;
    do
    :: k < buffers[t].length ->
       if
       :: buffers[t].word[k] == w -> into = buffers[t].value[k]
       :: else
       fi;
       k++
    :: else -> break
    od;
    k = 0
  }
}

// The oldest store of thread `t` reaches memory.
inline drain_one(t) {
  memory[buffers[t].word[0]] = buffers[t].value[0];
  buffers[t].length--;
  buffers[t].word[0] = buffers[t].word[1];
  buffers[t].value[0] = buffers[t].value[1];
  buffers[t].word[1] = buffers[t].word[2];
  buffers[t].value[1] = buffers[t].value[2];
  buffers[t].word[2] = 0;
  buffers[t].value[2] = 0
}

inline drain(t) {
  do
  :: buffers[t].length > 0 -> drain_one(t)
  :: else -> break
  od
}

// What the lock guards.
inline section(t) {
  inside++;
  assert(inside == 1);
  load(t, COUNTER, x);
  store(t, COUNTER, x + 1);
  d_step { inside--; sections++; x = 0 }
}

active proctype owner() {
  byte k, x, n;
  do
  :: n < SECTIONS ->
     n++;
     // enter
     store(OWNER, BUSY, 1);
     load(OWNER, CLAIMED, x);
#ifdef WITHOUT_OWNER_LOOK
     x = 0;
#endif
     do
     :: x != 0 ->                        // enter_slowly
        store(OWNER, BUSY, 0);
        do
        :: load(OWNER, CLAIMED, x);
           if
           :: x == 0 -> break
           :: else
           fi
        od;
#ifdef WITHOUT_SECOND_STORE
        break;
#endif
        store(OWNER, BUSY, 1);
        load(OWNER, CLAIMED, x)
     :: else -> break
     od;
     section(OWNER);
     store(OWNER, BUSY, 0)               // leave
  :: else -> break
  od
}

proctype borrower(byte me) {
  byte k, x;
  byte tries = TRIES;
again:
  tries--;
  // try_borrow
  load(me, BUSY, x);
  if
  :: x != 0 -> goto done
  :: else
  fi;
#ifdef WITHOUT_EXCHANGE
  load(me, CLAIMED, x);
  if
  :: x != 0 -> goto done
  :: else
  fi;
  store(me, CLAIMED, 1);
  d_step { drain(me) };
#else
  d_step { drain(me); x = memory[CLAIMED]; memory[CLAIMED] = 1 };
  if
  :: x != 0 -> x = 0; goto done
  :: else
  fi;
#endif
#ifndef WITHOUT_HEAVY_FENCE
  d_step { drain(OWNER); drain(me) };
#endif
  load(me, BUSY, x);
  if
  :: x != 0 -> store(me, CLAIMED, 0); x = 0; goto done
  :: else
  fi;
  section(me);
  store(me, CLAIMED, 0);                 // give_back
done:
  if
  :: tries > 0 -> goto again
  :: else
  fi
}

// The machine: moves stores to memory whenever it likes.
active proctype machine() {
end_machine:
  do
  :: d_step { buffers[0].length > 0 -> drain_one(0) }
  :: d_step { buffers[1].length > 0 -> drain_one(1) }
  :: d_step { buffers[2].length > 0 -> drain_one(2) }
  od
}

active proctype when_nobody_can_go_on() {
end_watch:
  timeout;
  assert(is_empty(0) && is_empty(1) && is_empty(2));
  assert(memory[COUNTER] == sections && sections >= SECTIONS);
  assert(memory[BUSY] == 0 && memory[CLAIMED] == 0)
}

init {
  atomic { run borrower(1); run borrower(2) }
}
