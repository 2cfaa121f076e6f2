%% A million processes, each of which waits for one number in its mailbox.
-module(erlang_processes).
-export([main/0]).

-define(TASKS, 1000000).

main() ->
    support:report_figures(fun(_) ->
        Counts = atomics:new(3, []), % those that wait, those that have ended, the sum of their numbers
        Before = support:resident_bytes(),
        Start = support:seconds(),
        Tasks = start_all(self(), Counts),
        receive all_wait -> ok end,
        Create = support:seconds() - Start,
        Bytes = of_first_pass(support:resident_bytes() - Before),
        Again = support:seconds(),
        send_all(Tasks, 0),
        receive all_ended -> ok end,
        Wake = support:seconds() - Again,
        [{Name, Value / ?TASKS}
         || {Name, Value} <- [{bytes, Bytes}, {create_ns, 1.0e9 * Create}, {wake_ns, 1.0e9 * Wake}],
            atomics:get(Counts, 3) =:= ?TASKS * (?TASKS - 1) div 2]
    end).

start_all(Parent, Counts) ->
    [spawn(fun() -> wait(Parent, Counts) end) || _ <- lists:seq(1, ?TASKS)].

wait(Parent, Counts) ->
    last(atomics:add_get(Counts, 1, 1)) andalso (Parent ! all_wait),
    receive
        Number -> atomics:add(Counts, 3, Number)
    end,
    last(atomics:add_get(Counts, 2, 1)) andalso (Parent ! all_ended).

last(Count) ->
    Count =:= ?TASKS.

send_all([], ?TASKS) ->
    ok;
send_all([Task | Others], Number) ->
    Task ! Number,
    send_all(Others, Number + 1).

%% The second pass has memory to use again.
of_first_pass(Bytes) ->
    First = persistent_term:get(bytes, Bytes),
    persistent_term:put(bytes, First),
    First.
