%% A server that sends back what arrives: a process for each connection.
-module(erlang_processes).
-export([main/0]).

main() ->
    {_, Variant} = support:asked(),
    Connections = list_to_integer(Variant),
    Options = [binary, {ip, {127, 0, 0, 1}}, {active, false}, {nodelay, true}, {buffer, 4096}, {backlog, Connections}],
    {ok, Listening} = gen_tcp:listen(0, Options),
    {ok, Port} = inet:port(Listening),
    io:format("port ~b~n", [Port]),
    First = accept(Listening),
    CpuBefore = support:cpu_seconds(),
    serve(First),
    [serve(accept(Listening)) || _ <- lists:seq(2, Connections)],
    Echoed = lists:sum([receive {echoed, Bytes} -> Bytes end || _ <- lists:seq(1, Connections)]),
    io:format("cpu_us ~.3f~n", [1.0e6 * (support:cpu_seconds() - CpuBefore) / (Echoed / 64)]),
    halt(0).

accept(Listening) ->
    {ok, Socket} = gen_tcp:accept(Listening),
    Socket.

serve(Socket) ->
    Parent = self(),
    Server = spawn_link(fun() -> receive start -> Parent ! {echoed, echo(Socket, 0)} end end),
    ok = gen_tcp:controlling_process(Socket, Server),
    Server ! start.

echo(Socket, Echoed) ->
    ok = inet:setopts(Socket, [{active, once}]),
    receive
        {tcp, Socket, Bytes} ->
            ok = gen_tcp:send(Socket, Bytes),
            echo(Socket, Echoed + byte_size(Bytes));
        {tcp_closed, Socket} ->
            Echoed
    end.
