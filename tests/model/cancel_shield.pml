// A cancel against a shield (tasklet/src/wait.cpp, tell_to_stop, claim_for_cancel and raise_shield).
//
// A tasklet waits once without a shield and once behind one, both times in a select, whose word looks the same. Each wait may
// be completed by a partner; somebody cancels the tasklet at some moment. The canceller marks, with the request, that it
// looks; whoever raises a shield waits until that mark is gone.
//
// Verified: the canceller never ends the wait behind the shield, and everybody comes to an end.
//
// Broken on purpose, each in a file that defines one of these and includes this one:
//   WITHOUT_LOOKING   a shield is raised though a canceller looks
//   WITHOUT_RECHECK   the canceller does not see the shields when it asks

#define RUNNABLE 0
#define SELECT 1

byte word;
bit asked;
bit looking;
bit shield;
bit second;              // the tasklet is in the wait behind the shield
bit woken;
bit ended;

// Waits until it is woken; `stops` is what ends it at once.
inline wait(stops) {
  word = SELECT;
  if
  :: atomic { stops && word == SELECT -> word = RUNNABLE }
  :: atomic { !stops || word != SELECT -> skip }; atomic { woken -> woken = 0 }
  fi
}

active proctype waiter() {
  if
  :: asked -> skip
  :: !asked -> wait(asked)
  fi;
#ifdef WITHOUT_LOOKING
  shield = 1;
#else
  atomic { !looking -> shield = 1 };
#endif
  second = 1;
  wait(0);
  second = 0;
  shield = 0;
  ended = 1
}

// Completes whichever wait it finds, as often as there is one.
active proctype partner() {
end_partner:
  do
  :: atomic { word == SELECT -> word = RUNNABLE; assert(!woken); woken = 1 }
  od
}

active proctype canceller() {
  bit sees;
  bit claimed;
#ifdef WITHOUT_RECHECK
  atomic { asked = 1; looking = 1 };
#else
  atomic {
    asked = 1;
    if
    :: shield -> goto done
    :: !shield -> looking = 1
    fi
  };
#endif
  sees = (word == SELECT);
  if
  :: sees ->
     // The exchange: the word is the same for every select.
     atomic {
       if
       :: word == SELECT -> assert(!second); word = RUNNABLE; claimed = 1
       :: else
       fi
     }
  :: else
  fi;
  looking = 0;
  if
  :: claimed -> atomic { assert(!woken); woken = 1 }
  :: else
  fi;
done:
  skip
}

active proctype when_nobody_can_go_on() {
end_watch:
  timeout;
  assert(ended && !woken && !looking)
}
