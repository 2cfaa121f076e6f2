%% Processes in a ring pass a number on until it is zero; one more time round ends them.
-module(erlang_processes).
-export([main/0]).

-define(PASSES, 1000000).
-define(TASKS, 503).

main() ->
    support:report(?PASSES, fun(_) ->
        Parent = self(),
        First = spawn(fun() ->
            Before = fun(_, To) -> spawn(fun() -> pass(To, Parent, 0) end) end,
            pass(lists:foldl(Before, self(), lists:seq(2, ?TASKS)), Parent, 0)
        end),
        First ! ?PASSES,
        ?PASSES + ?TASKS =:= lists:sum([receive Taken -> Taken end || _ <- lists:seq(1, ?TASKS)])
    end).

pass(To, Parent, Taken) ->
    receive
        Number when Number > 0 ->
            To ! Number - 1,
            pass(To, Parent, Taken + 1);
        Number ->
            To ! Number - 1,
            Parent ! Taken + 1
    end.
