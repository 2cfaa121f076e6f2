%% A million processes that do nothing but say so to their parent, which counts them.
-module(erlang_processes).
-export([main/0]).

-define(CHILDREN, 1000000).

main() ->
    support:report(?CHILDREN, fun(_) ->
        process_flag(message_queue_data, off_heap), % collections need not look through what waits
        spawn_all(self(), ?CHILDREN),
        await_all(?CHILDREN)
    end).

spawn_all(_, 0) ->
    ok;
spawn_all(Parent, Left) ->
    spawn(fun() -> Parent ! ended end),
    spawn_all(Parent, Left - 1).

await_all(0) ->
    true;
await_all(Left) ->
    receive
        ended -> await_all(Left - 1)
    end.
