%% A tree of processes, ten children each, down to a million leaves with a number each; the sum comes back up.
-module(erlang_processes).
-export([main/0]).

-define(LEAVES, 1000000).

main() ->
    support:report_figures(fun(_) ->
        Start = support:seconds(),
        node(self(), 0, ?LEAVES),
        Sum = await(1, 0),
        Took = support:seconds() - Start,
        [{ms, 1000 * Took} || Sum =:= ?LEAVES * (?LEAVES - 1) div 2]
    end).

node(Parent, First, Leaves) ->
    spawn(fun() -> Parent ! sum(First, Leaves) end).

sum(First, 1) ->
    First;
sum(First, Leaves) ->
    Each = Leaves div 10,
    children(10, First, Each),
    await(10, 0).

children(0, _, _) ->
    ok;
children(Left, First, Each) ->
    node(self(), First, Each),
    children(Left - 1, First + Each, Each).

await(0, Sum) ->
    Sum;
await(Children, Sum) ->
    receive
        Value -> await(Children - 1, Sum + Value)
    end.
