%% A busy process on a scheduler of its own sends a message every 2 ms to one that waits for it on another.
-module(erlang_processes).
-export([main/0]).

-define(MESSAGES, 500).

main() ->
    support:report_figures(fun(_) ->
        erlang:system_info(schedulers_online) > 1 orelse support:no_variant("the sender needs a scheduler of its own"),
        Parent = self(),
        Receiver = spawn_opt(fun() -> Parent ! take(?MESSAGES, []) end, [{scheduler, 2}]),
        spawn_opt(fun() -> send(Receiver, ?MESSAGES) end, [{scheduler, 1}]),
        Took = receive All -> All end,
        [{p50_us, support:quantile(Took, 0.5)}, {p99_us, support:quantile(Took, 0.99)}]
    end).

send(_, 0) ->
    ok;
send(Receiver, Left) ->
    spin_until(erlang:monotonic_time(nanosecond) + 2000000),
    Receiver ! {self(), erlang:monotonic_time(nanosecond)},
    receive
        received -> send(Receiver, Left - 1)
    end.

spin_until(Moment) ->
    erlang:monotonic_time(nanosecond) >= Moment orelse spin_until(Moment).

take(0, Took) ->
    Took;
take(Left, Took) ->
    receive
        {Sender, Sent} ->
            Now = erlang:monotonic_time(nanosecond),
            Sender ! received,
            take(Left - 1, [(Now - Sent) / 1000 | Took])
    end.
