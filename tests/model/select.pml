// Claims (tasklet/include/martlet/tasklet/wait.hpp, channel/src/select.cpp): two selects crosswise, a receiver that waits
// for one thing, a closer and a canceller.
// cc: -DMEMLIM=2048 -DCOLLAPSE
// pan: -m100000
//
// Channels 0 and 1, both without a buffer. Tasklet 0 selects between sending into 0 and receiving from 1, tasklet 1 between
// receiving from 0 and sending into 1; tasklet 2 receives from 1. Tasklet 0 does it twice. Somebody closes both channels, somebody
// cancels one of the three. Which waiter of several is served is left open, so every order of the lists is covered.
//
// Verified: everybody comes to an end; nobody is made ready twice for one wait; a select does one case; each value that
// moved was told once to a sender and once to a receiver; no wait stays behind in a list.
//
// Broken on purpose, each in a file that defines one of these and includes this one:
//   WITHOUT_EXCHANGE     a select is claimed by a load and a store
//   WITHOUT_LOCK_ORDER   a select locks its channels in the order in which it names them
//   WITHOUT_WITHDRAWAL   a select leaves its other waits in their lists
//   MARKED_EARLY         a select marks its word before its tasklet has left its stack
//   WITHOUT_RECHECK      a canceller does not look at the word again under the lock

#ifndef ROUNDS
#define ROUNDS 2
#endif
#define TASKLETS 3
#define NOBODY 9

// A tasklet's word: runnable, waiting on one channel, or on several.
#define RUNNABLE 0
#define PARKED 1         // + channel
#define SELECT 3

#define NODE(t, c) (2 * (t) + (c))
#define SENDS(t, c) ((t) == (c))

byte word[TASKLETS];
bit cancel[TASKLETS];
bit woken[TASKLETS];     // made ready, and has not gone on yet
bit on_stack[TASKLETS];  // a fiber whose stack the worker has not left yet
bit locked[2];
bit closed[2];
bit linked[6];           // the node is in its channel's list
bit done[6];             // the node's owner is null: completed by who claimed it
bit shut[6];             // completed because the channel is closed
byte moved, sent, received, finished;

#define LOCK(c) atomic { !locked[c] -> locked[c] = 1 }
#define UNLOCK(c) locked[c] = 0

inline make_ready(t) {
  atomic { assert(!woken[t] && !on_stack[t]); woken[t] = 1 }
}

// Wins the wait of tasklet `p` on channel `c`, whose lock the caller holds, or not.
inline claim(p, c) {
  atomic { won = false; w = word[p] };
  if
  :: atomic { w == PARKED + c -> word[p] = RUNNABLE; won = true; w = 0 }
#ifdef WITHOUT_EXCHANGE
  :: atomic { w == SELECT -> word[p] = RUNNABLE; won = true; w = 0 }
#else
  :: atomic { w == SELECT && word[p] == SELECT -> word[p] = RUNNABLE; won = true; w = 0 }
  :: atomic { w == SELECT && word[p] != SELECT -> w = 0 }
#endif
  :: atomic { w != SELECT && w != PARKED + c -> w = 0 }
  fi
}

#define IS_PARTNER(p, c) (p != me && linked[NODE(p, c)] && SENDS(p, c) != SENDS(me, c))

// Does the case of `me` on channel `c` if that is possible; the caller holds the lock.
inline try_now(c) {
  atomic { ok = false; partner = NOBODY };
  if
  :: atomic { SENDS(me, c) && closed[c] -> ok = true; shut[NODE(me, c)] = 1 }
  :: atomic { !(SENDS(me, c) && closed[c]) -> skip };
     do
     :: atomic { !ok && IS_PARTNER(0, c) -> linked[NODE(0, c)] = 0; partner = 0 }; claim(0, c);
        atomic { if :: won -> done[NODE(0, c)] = 1; moved++; ok = true :: else -> partner = NOBODY fi }
     :: atomic { !ok && IS_PARTNER(1, c) -> linked[NODE(1, c)] = 0; partner = 1 }; claim(1, c);
        atomic { if :: won -> done[NODE(1, c)] = 1; moved++; ok = true :: else -> partner = NOBODY fi }
     :: atomic { !ok && IS_PARTNER(2, c) -> linked[NODE(2, c)] = 0; partner = 2 }; claim(2, c);
        atomic { if :: won -> done[NODE(2, c)] = 1; moved++; ok = true :: else -> partner = NOBODY fi }
     :: atomic { ok || !(IS_PARTNER(0, c) || IS_PARTNER(1, c) || IS_PARTNER(2, c)) ->
          won = false;
          if
          :: !ok && closed[c] -> ok = true; shut[NODE(me, c)] = 1
          :: else
          fi
        };
        break
     od
  fi
}

// What a wait tells its tasklet.
inline tell(c) {
  d_step {
    assert(done[NODE(me, c)]);
    if
    :: shut[NODE(me, c)] -> skip
    :: else -> if :: SENDS(me, c) -> sent++ :: else -> received++ fi
    fi;
    done[NODE(me, c)] = 0;
    shut[NODE(me, c)] = 0
  }
}

proctype selecting(byte me) {
  byte first, second, c, w, partner;
  byte rounds = ROUNDS - me;
  bool ok, won;
#ifdef WITHOUT_LOCK_ORDER
  atomic { first = me; second = 1 - me };
#else
  atomic { first = 0; second = 1 };
#endif

next_round:
  if
  :: atomic { rounds == 0 || cancel[me] -> goto ended }
  :: atomic { rounds > 0 && !cancel[me] -> rounds--; on_stack[me] = 1 }
  fi;

  // prepare
  LOCK(first);
  LOCK(second);
  if
  :: c = 0
  :: c = 1
  fi;
  try_now(c);
  if
  :: !ok -> c = 1 - c; try_now(c)
  :: else
  fi;
  if
  :: ok ->
     atomic { done[NODE(me, c)] = 1; UNLOCK(first) };
     UNLOCK(second);
     if
     :: partner != NOBODY -> make_ready(partner); partner = NOBODY
     :: else
     fi;
     goto told
  :: else
  fi;
#ifdef MARKED_EARLY
  word[me] = SELECT;
  if
  :: atomic { cancel[me] -> word[me] = RUNNABLE; UNLOCK(first) }; UNLOCK(second); goto ended
  :: atomic { !cancel[me] -> linked[NODE(me, 0)] = 1; linked[NODE(me, 1)] = 1 }
  fi;
  // publish, when the tasklet has left its stack
  on_stack[me] = 0;
#else
  d_step { linked[NODE(me, 0)] = 1; linked[NODE(me, 1)] = 1 };
  // publish, when the tasklet has left its stack
  atomic { on_stack[me] = 0; word[me] = SELECT };
  if
  :: atomic { cancel[me] -> skip };
     if
     :: atomic { word[me] == SELECT -> word[me] = RUNNABLE };
        UNLOCK(first);
        UNLOCK(second);
        goto finish
     :: atomic { word[me] != SELECT -> skip }        // the canceller was first, and has made us ready
     fi
  :: atomic { !cancel[me] -> skip }
  fi;
#endif
  UNLOCK(first);
  UNLOCK(second);
  atomic { woken[me] -> woken[me] = 0; assert(word[me] == RUNNABLE) };
finish:
  c = NOBODY;
#ifndef WITHOUT_WITHDRAWAL
  if
  :: !done[NODE(me, 0)] -> LOCK(0); atomic { linked[NODE(me, 0)] = 0; UNLOCK(0) }
  :: else
  fi;
  if
  :: !done[NODE(me, 1)] -> LOCK(1); atomic { linked[NODE(me, 1)] = 0; UNLOCK(1) }
  :: else
  fi;
#endif
  assert(!(done[NODE(me, 0)] && done[NODE(me, 1)]));
  if
  :: done[NODE(me, 0)] -> c = 0
  :: done[NODE(me, 1)] -> c = 1
  :: else -> assert(cancel[me]); goto ended
  fi;
told:
  assert(!linked[NODE(me, 0)] && !linked[NODE(me, 1)]);
  tell(c);
  goto next_round;
ended:
  atomic { assert(!linked[NODE(me, 0)] && !linked[NODE(me, 1)]); finished++ }
}

proctype receiving(byte me) {
  byte w, partner;
  bool ok, won;
  if
  :: atomic { cancel[me] -> goto ended }
  :: atomic { !cancel[me] -> on_stack[me] = 1 }
  fi;
  LOCK(1);
  try_now(1);
  if
  :: ok ->
     atomic { done[NODE(me, 1)] = 1; UNLOCK(1) };
     if
     :: partner != NOBODY -> make_ready(partner)
     :: else
     fi;
     goto told
  :: else
  fi;
  word[me] = PARKED + 1;
  if
  :: atomic { cancel[me] -> word[me] = RUNNABLE; UNLOCK(1) }; goto ended
  :: atomic { !cancel[me] -> linked[NODE(me, 1)] = 1 }
  fi;
  // publish
  on_stack[me] = 0;
  UNLOCK(1);
  atomic { woken[me] -> woken[me] = 0; assert(word[me] == RUNNABLE) };
  if
  :: done[NODE(me, 1)] -> skip
  :: else -> LOCK(1); atomic { linked[NODE(me, 1)] = 0; UNLOCK(1) }; assert(cancel[me]); goto ended
  fi;
told:
  tell(1);
ended:
  finished++
}

// channel_core::close
inline end_one(t, c) {
  if
  :: atomic { linked[NODE(t, c)] -> linked[NODE(t, c)] = 0 };
     claim(t, c);
     if
     :: won -> atomic { shut[NODE(t, c)] = 1; ended[t] = 1; won = false }
     :: else
     fi
  :: atomic { !linked[NODE(t, c)] -> skip }
  fi
}

inline tell_one(t, c) {
  if
  :: ended[t] -> atomic { done[NODE(t, c)] = 1; ended[t] = 0; make_ready(t) }
  :: else
  fi
}

proctype closing() {
  byte c, w;
  bool won;
  bit ended[TASKLETS];
  do
  :: c < 2 ->
     LOCK(c);
     closed[c] = 1;
     end_one(0, c);
     end_one(1, c);
     end_one(2, c);
     UNLOCK(c);
     tell_one(0, c);
     tell_one(1, c);
     tell_one(2, c);
     c++
  :: else -> break
  od
}

// request_cancel
proctype cancelling() {
  byte t, w;
  bool fenced;
  select(t : 0 .. 2);
  cancel[t] = 1;
look:
  w = word[t];
  if
  :: w == SELECT ->
     if
     :: atomic { word[t] == SELECT -> word[t] = RUNNABLE }; make_ready(t)
     :: atomic { word[t] != SELECT -> skip }; goto look
     fi
  :: w == RUNNABLE ->
     if
     :: !fenced -> fenced = true; goto look     // the heavy fence stands here
     :: else
     fi
  :: else ->
     LOCK(w - PARKED);
#ifdef WITHOUT_RECHECK
     word[t] = RUNNABLE;
     UNLOCK(w - PARKED);
     make_ready(t)
#else
     if
     :: atomic { word[t] == w -> word[t] = RUNNABLE }; UNLOCK(w - PARKED); make_ready(t)
     :: atomic { word[t] != w -> UNLOCK(w - PARKED) }; goto look
     fi
#endif
  fi
}

active proctype when_nobody_can_go_on() {
end_watch:
  timeout;
  assert(finished == TASKLETS);
  assert(sent == moved && received == moved);
  assert(!linked[0] && !linked[1] && !linked[2] && !linked[3] && !linked[5]);
  assert(!woken[0] && !woken[1] && !woken[2])
}

init {
  atomic { run selecting(0); run selecting(1); run receiving(2); run closing(); run cancelling() }
}
