%% A million processes sleep until a moment each, within one second; here one sleeps whole milliseconds.
-module(erlang_processes).
-export([main/0]).

-define(TASKS, 1000000).
-define(NS, 1000000000).

main() ->
    support:report_figures(fun(_) ->
        Moments = moments(?TASKS, rand:seed_s(exsss, 1), []),
        Late = atomics:new(?TASKS, []),
        Ended = atomics:new(1, []),
        CpuBefore = support:cpu_seconds(),
        start_all(self(), erlang:monotonic_time(nanosecond), Moments, Late, Ended, 1),
        receive all_ended -> ok end,
        Cpu = support:cpu_seconds() - CpuBefore,
        All = lists:sort([atomics:get(Late, I) || I <- lists:seq(1, ?TASKS)]),
        [{Name, Value}
         || {Name, Value} <- [{cpu_ns, ?NS * Cpu / ?TASKS},
                              {late_p50_us, support:quantile(All, 0.5) / 1000},
                              {late_p99_us, support:quantile(All, 0.99) / 1000}],
            hd(All) >= 0]
    end).

moments(0, _, Moments) ->
    Moments;
moments(Left, Random, Moments) ->
    {Moment, Next} = rand:uniform_s(?NS, Random),
    moments(Left - 1, Next, [?NS div 2 + Moment - 1 | Moments]).

start_all(_, _, [], _, _, _) ->
    ok;
start_all(Parent, Start, [Moment | Others], Late, Ended, I) ->
    spawn(fun() -> sleep(Parent, Start + Moment, Late, Ended, I) end),
    start_all(Parent, Start, Others, Late, Ended, I + 1).

sleep(Parent, Due, Late, Ended, I) ->
    Left = Due - erlang:monotonic_time(nanosecond),
    receive
    after max(0, (Left + 999999) div 1000000) -> ok
    end,
    atomics:put(Late, I, erlang:monotonic_time(nanosecond) - Due),
    atomics:add_get(Ended, 1, 1) =:= ?TASKS andalso (Parent ! all_ended).
