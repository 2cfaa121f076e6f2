%% Two processes that yield to each other.
-module(erlang_processes).
-export([main/0]).

-define(ROUNDS, 2000000). % of each

main() ->
    support:report(2 * ?ROUNDS, fun(_) ->
        Parent = self(),
        [spawn(fun() -> Parent ! turns(0) end) || _ <- [1, 2]],
        2 * ?ROUNDS =:= receive First -> First end + receive Second -> Second end
    end).

turns(?ROUNDS) ->
    ?ROUNDS;
turns(Taken) ->
    erlang:yield(),
    turns(Taken + 1).
