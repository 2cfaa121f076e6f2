%% One process after the other, each with a value that its parent waits for.
-module(erlang_processes).
-export([main/0]).

-define(CHILDREN, 1000000).

main() ->
    support:report(?CHILDREN, fun(_) -> parent(0, 0) =:= ?CHILDREN * (?CHILDREN - 1) end).

parent(?CHILDREN, Sum) ->
    Sum;
parent(I, Sum) ->
    Parent = self(),
    Child = spawn(fun() -> Parent ! {self(), 2 * I} end),
    receive
        {Child, Value} -> parent(I + 1, Sum + Value)
    end.
