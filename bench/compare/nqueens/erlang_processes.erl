%% All ways to place 12 queens: a process for each queen that can be placed in the next row.
-module(erlang_processes).
-export([main/0]).

-define(ALL, 16#fff).

main() ->
    support:report_figures(fun(_) ->
        Start = support:seconds(),
        Found = ways(0, 0, 0),
        Took = support:seconds() - Start,
        [{ms, 1000 * Took} || Found =:= 14200]
    end).

%% A bit for each column of the next row that is under attack: straight down, and along either diagonal.
ways(?ALL, _, _) ->
    1;
ways(Down, Left, Right) ->
    Free = ?ALL band bnot (Down bor Left bor Right),
    await(place(Free, Down, Left, Right, 0), 0).

place(0, _, _, _, Children) ->
    Children;
place(Free, Down, Left, Right, Children) ->
    Parent = self(),
    Queen = Free band -Free,
    spawn(fun() -> Parent ! ways(Down bor Queen, (Left bor Queen) bsl 1, (Right bor Queen) bsr 1) end),
    place(Free bxor Queen, Down, Left, Right, Children + 1).

await(0, Sum) ->
    Sum;
await(Children, Sum) ->
    receive
        Ways -> await(Children - 1, Sum + Ways)
    end.
