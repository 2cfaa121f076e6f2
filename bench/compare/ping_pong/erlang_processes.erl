%% A value goes to another process and comes back raised by one, in messages.
-module(erlang_processes).
-export([main/0]).

-define(ROUNDS, 1000000).

main() ->
    support:report(?ROUNDS, fun(_) ->
        Parent = self(),
        ask(spawn_link(fun() -> answer(Parent) end), 0)
    end).

answer(Asking) ->
    receive
        Value -> Asking ! Value + 1
    end,
    answer(Asking).

ask(Answering, ?ROUNDS) ->
    unlink(Answering),
    exit(Answering, kill);
ask(Answering, Value) ->
    Answering ! Value,
    receive
        Next -> ask(Answering, Next)
    end.
