// The sleep protocol of the stealing run queue (scheduler/src/stealing.cpp); scheduler/README.md proves it in words.
//
// Two workers and foreign threads that push into the injector; in variants also a pinned tasklet for worker 0, and tasklets
// that spawn children, which stay private to their worker or are offered when somebody is idle. Each access to a variable that the threads share is a step
// of its own, in the order of the code; what a thread does by itself between two of them goes with the first. All these
// accesses are seq_cst in the code or stronger than the proof needs, so this is the protocol and not its memory orders.
//
// cc: -DMEMLIM=2048 -DCOLLAPSE
// pan: -m100000
//
// Verified: when nobody can go on, nothing is queued (no wake-up was lost), nobody holds the search (else all later
// wake-ups would be lost), nobody watches, and both workers sleep and are counted as idle. One worker at a time may be held
// inside a tasklet until the other has done all there is, its private work included, so that work which only a held worker
// would find, or a watcher that is not there, counts as lost.
//
// Variants (a file of its own includes this one): PUSHERS, PUSHES, CHILDREN, PINNED, IDLE_NAPS. Broken on purpose:
//   WITHOUT_SECOND_LOOK  a sleeper looks at the queues before it publishes that it sleeps, and not after
//   WITHOUT_LOOK_AT_END  a searcher that gives the search up does not look again
//   WITHOUT_WAKER_LOOK   a waker that found nobody asleep does not look again after it has given the search up
//   WITHOUT_HAND_OVER    a woken worker does not know that the search is its own
//   WITHOUT_WATCHER_LOOK who goes to sleep does not look whether somebody works
//   WITHOUT_INBOX_ORDER  who pushes into an inbox looks at sleep_ before the push

#define WORKERS 2
#ifndef PUSHERS
#define PUSHERS 1
#endif
#ifndef PUSHES
#define PUSHES 2          // of each
#endif
#ifndef CHILDREN
#define CHILDREN 0
#endif
#ifndef IDLE_NAPS
#define IDLE_NAPS 1       // naps of one that was needed, while nobody works
#endif
#define NOBODY 255

mtype = { awake, napping, asleep };

byte items;                     // in the injector. Its count is raised earlier and lowered later: that only saves sleepers
byte inbox;                     // of worker 0
byte shared[WORKERS];           // what each worker offers
byte mine[WORKERS];             // what is private to each
byte idle;                      // idle_
bit searching;                  // searching_
bit nappers;                    // napping_
mtype sleeps[WORKERS] = awake;  // sleep_
bit told[WORKERS];              // the driver's word
byte children = CHILDREN;       // how many more may be spawned
byte held = NOBODY;             // the worker that is inside a long tasklet
bool has_begun;                 // the first pusher has pushed
byte sleepers;                  // blocked without a timer; for the assertion only

// stealing::wake_one. `i`, `won` and `seen` are the caller's.
inline wake_one() {
  do
  :: atomic { idle != 0 -> won = false };
     if
     :: atomic { !searching -> skip };
        if
        :: atomic { !searching -> searching = 1; i = 0 };
           do
           :: atomic { i < WORKERS -> seen = sleeps[i]; if :: seen == awake -> i++ :: else fi };
              if
              :: atomic {
                   seen != awake && sleeps[i] == seen -> sleeps[i] = awake; seen = awake; won = true
                 };
                 break
              :: atomic { seen != awake && sleeps[i] != seen -> seen = awake; i++ }
              :: atomic { seen == awake -> skip }
              fi
           :: atomic { i == WORKERS -> i = 0; searching = 0; break }
           od;
           if
           :: atomic { won -> told[i] = 1; i = 0; won = false; break }  // the search is the woken one's now
           :: else
           fi;
#ifndef WITHOUT_WAKER_LOOK
           if
           :: atomic { sleeps[0] == awake -> skip };
              if
              :: atomic { sleeps[1] == awake -> break }
              :: atomic { sleeps[1] != awake -> skip }
              fi
           :: atomic { sleeps[0] != awake -> skip }
           fi
#else
           break
#endif
        :: atomic { searching -> break }
        fi
     :: atomic { searching -> break }
     fi
  :: atomic { idle == 0 -> break }
  od
}

inline take_foreign() {
#ifdef PINNED
  atomic {
    if
    :: me == 0 && inbox > 0 -> inbox--; who = true
    :: else -> skip
    fi
  };
#endif
  atomic {
    if
    :: !who && items > 0 -> items--; who = true
    :: else -> skip
    fi
  }
}

inline steal() {
#if CHILDREN > 0
  atomic {
    if
    :: !who && shared[1 - me] > 0 -> shared[1 - me]--; who = true
    :: else -> skip
    fi
  }
#else
  skip
#endif
}

inline sees_work() {
#ifdef PINNED
  atomic { see = (me == 0 && inbox > 0) };
#endif
  atomic { see = (see || items > 0) };
#if CHILDREN > 0
  if
  :: atomic { !see && !searching -> skip }; atomic { see = (shared[1 - me] > 0) }
  :: atomic { else -> skip }    // the searcher will see what is offered
  fi
#endif
}

active [WORKERS] proctype worker() {
  byte me = _pid;
  byte i, idle_naps;
  bool won, see, who, has_search, is_first, naps, is_watch_wanted;
  mtype seen = awake;

next_one:
  // take_local, which falls back on what is offered and was not taken.
#if CHILDREN > 0
  atomic {
    if
    :: mine[me] > 0 -> mine[me]--; goto run_it
    :: else
    fi
  };
  atomic {
    if
    :: shared[me] > 0 -> shared[me]--
    :: else -> goto find
    fi
  };
#else
  goto find;
#endif
run_it:
  // The tasklet may spawn a child. When somebody looks idle some of what is private is offered, if there is enough of it;
  // and somebody is woken, to take that or to watch.
  who = false;
#if CHILDREN > 0
  if
  :: atomic { children > 0 -> children--; mine[me]++ };
     atomic { if :: idle == 0 -> goto long_or_short :: else -> skip fi };
     if
     :: atomic { mine[me] > 0 -> mine[me]--; shared[me]++ }
     :: true
     fi;
     atomic { if :: nappers -> goto long_or_short :: else fi };
     atomic { if :: searching -> goto long_or_short :: else fi };
     wake_one()
  :: true
  fi;
long_or_short:
#endif
  // One tasklet at a time may take so long that all else has to be done by the other worker.
  if
  :: atomic { held == NOBODY -> held = me };
     atomic { items == 0 && shared[me] == 0 && mine[me] == 0 -> held = NOBODY }
  :: true
  fi;
  goto next_one;

find:
  atomic { idle++; is_first = true };
again:
  if
  :: is_first || has_search ->
     if
     :: atomic { !has_search && !searching -> searching = 1; has_search = true }
     :: atomic { !has_search && searching -> is_first = false }; take_foreign(); goto searched
     :: atomic { has_search -> skip }
     fi;
     do
     :: take_foreign();
        steal();
        if
        :: who -> break
        :: !who               // and once more
        :: !who -> break      // its time is up
        fi
     od;
     atomic { searching = 0; has_search = false; is_first = false };
#ifndef WITHOUT_LOOK_AT_END
     sees_work();
     if
     :: atomic { see -> see = false }; wake_one()
     :: else
     fi
#endif
  :: else
  fi;
searched:
  if
  :: who -> goto found
  :: else
  fi;
  atomic { is_watch_wanted = (idle_naps > 0 || idle < WORKERS) };  // somebody_works
  atomic {
    if
    :: is_watch_wanted && !naps && !nappers -> nappers = 1; naps = true
    :: !is_watch_wanted && naps -> nappers = 0; naps = false
    :: else
    fi;
    is_watch_wanted = false
  };
#ifdef WITHOUT_SECOND_LOOK
  sees_work();
#endif
  atomic { sleeps[me] = (naps -> napping : asleep) };
#ifndef WITHOUT_SECOND_LOOK
  sees_work();
#endif
  atomic { if :: naps -> see = false :: skip fi };  // a watcher leaves alone what is offered since a moment ago
#ifndef WITHOUT_WATCHER_LOOK
  if
  :: atomic { !see && !naps && idle < WORKERS -> skip }; atomic { see = !nappers }  // needs_watcher
  :: atomic { else -> skip }
  fi;
#endif
  if
  :: see -> skip
  :: !see && naps -> told[me] = 0                   // told, or the nap is over
  :: !see && !naps -> sleepers++;
end_asleep:
     atomic { told[me] -> sleepers-- };
     told[me] = 0
  fi;
  atomic {
    see = false;
#ifndef WITHOUT_HAND_OVER
    has_search = (sleeps[me] == awake);             // whoever set us awake handed us the search
#endif
    if
    :: sleeps[me] == awake -> idle_naps = IDLE_NAPS
    :: else
    fi;
    sleeps[me] = awake
  };
  take_foreign();
  if
  :: naps ->
     if
     :: steal()                                     // watch
     :: skip
     fi;
#if CHILDREN > 0
     atomic {
       if
       :: !who && held == 1 - me && mine[1 - me] > 0 -> mine[1 - me]--; who = true
       :: else
       fi
     };
#endif
     atomic {
       if
       :: has_search -> nappers = 0; naps = false
       :: else
       fi
     };
     atomic {
       if
       :: idle < WORKERS -> idle_naps = IDLE_NAPS
       :: idle == WORKERS && idle_naps > 0 -> idle_naps--
       :: else
       fi
     }
  :: else
  fi;
  if
  :: !who -> goto again
  :: else
  fi;
found:
  atomic { if :: naps -> nappers = 0; naps = false :: else fi };  // after `search` too, which a woken watcher goes through
  atomic { idle--; idle_naps = 0; is_first = false };
  if
  :: has_search ->
     atomic { searching = 0; has_search = false };
#ifndef WITHOUT_LOOK_AT_END
     sees_work();
     if
     :: atomic { see -> see = false }; wake_one()
     :: else
     fi
#endif
  :: else
  fi;
#if CHILDREN > 0
  if
  :: atomic { idle != 0 && !nappers -> skip };
     if
     :: atomic { mine[0] + mine[1] + shared[0] + shared[1] > 0 -> skip }; wake_one()
     :: atomic { else -> skip }
     fi
  :: atomic { else -> skip }
  fi;
#endif
  goto run_it
}

active [PUSHERS] proctype pusher() {
  byte i;
  byte pushes = PUSHES;
  bool won;
  mtype seen = awake;
  do
  :: atomic {
       pushes > 0 && (_pid == WORKERS || has_begun) ->  // they are alike: let the first be the first
       pushes--; items++; has_begun = true
     };
     wake_one()
  :: atomic { pushes == 0 -> break }
  od
}

#ifdef PINNED
active proctype pinner() {
#ifdef WITHOUT_INBOX_ORDER
  bit was_asleep = (sleeps[0] != awake);
  inbox++;
  if
  :: was_asleep -> told[0] = 1
  :: else
  fi
#else
  inbox++;
  if
  :: sleeps[0] != awake -> told[0] = 1
  :: sleeps[0] == awake
  fi
#endif
}
#endif

active proctype when_nobody_can_go_on() {
end_watch:
  timeout;
  assert(items == 0 && inbox == 0 && shared[0] == 0 && shared[1] == 0 && mine[0] == 0 && mine[1] == 0);
  assert(!searching && !nappers);
  assert(sleepers == WORKERS && idle == WORKERS)
}
