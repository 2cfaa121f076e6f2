%% Fibonacci numbers the slow way: a process for one half, the other one in the caller.
-module(erlang_processes).
-export([main/0]).

-define(N, 27).

main() ->
    support:report(calls(?N), fun(_) -> fib(?N) =:= 196418 end).

fib(N) when N < 2 ->
    N;
fib(N) ->
    Parent = self(),
    Child = spawn(fun() -> Parent ! {self(), fib(N - 1)} end),
    Other = fib(N - 2),
    receive
        {Child, Half} -> Half + Other
    end.

calls(N) when N < 2 ->
    1;
calls(N) ->
    1 + calls(N - 1) + calls(N - 2).
