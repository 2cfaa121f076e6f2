%% A value goes to a process on another scheduler and comes back raised by one, in messages; a tenth of the times, since each of them
%% wakes a thread that sleeps.
-module(erlang_processes).
-export([main/0]).

-define(ROUNDS, 50000).

main() ->
    support:report(?ROUNDS, fun(_) ->
        Parent = self(),
        Answering = spawn_opt(fun() -> answer(0) end, [{scheduler, 1}]),
        spawn_opt(fun() -> Parent ! {ask(Answering, 0), erlang:system_info(scheduler_id)} end, [{scheduler, 2}]),
        receive
            Last -> Last =:= {?ROUNDS, 2}
        end
    end).

answer(?ROUNDS) ->
    1 = erlang:system_info(scheduler_id);
answer(Answered) ->
    receive
        {Asking, Value} -> Asking ! Value + 1
    end,
    answer(Answered + 1).

ask(_, ?ROUNDS) ->
    ?ROUNDS;
ask(Answering, Value) ->
    Answering ! {self(), Value},
    receive
        Next -> ask(Answering, Next)
    end.
