%% What the Erlang programs of `./dev compare` share; README.md says what they are asked and what they print.
%% erl -noinput +S THREADS:THREADS +P 2000000 -pa BEAMS -s erlang_processes main -extra THREADS VARIANT
-module(support).
-export([asked/0, report/2, report_figures/1, no_variant/1, seconds/0, cpu_seconds/0, resident_bytes/0, quantile/2]).

%% Returns the threads and the variant of the command line.
asked() ->
    case init:get_plain_arguments() of
        [Threads, Variant] ->
            {list_to_integer(Threads), Variant};
        _ ->
            leave(2, "usage: -extra THREADS VARIANT")
    end.

%% Does the work twice, in a process of its own each time, and prints the figures of the second time: `Work(Variant)`
%% returns a list of {Name, Value}, which is empty unless all of the work was really done.
report_figures(Work) ->
    {_, Variant} = asked(),
    in_process(Work, Variant),
    [io:format("~s ~.3f~n", [Name, float(Value)]) || {Name, Value} <- in_process(Work, Variant)],
    halt(0).

%% The same for work of so many operations whose only figure is the time of one in nanoseconds, `ns`.
report(Operations, Work) ->
    report_figures(fun(Variant) ->
        Start = seconds(),
        Did = Work(Variant),
        Took = seconds() - Start,
        [{ns, 1.0e9 * Took / Operations} || Did]
    end).

in_process(Work, Variant) ->
    {Pid, Reference} = spawn_monitor(fun() -> exit({figures, Work(Variant)}) end),
    receive
        {'DOWN', Reference, process, Pid, {figures, [_ | _] = Figures}} -> Figures;
        {'DOWN', Reference, process, Pid, _} -> leave(1, "the work was not done")
    end.

%% Ends the program: there is no such variant in this runtime.
no_variant(Why) ->
    leave(3, Why).

leave(Code, Why) ->
    io:format(standard_error, "~s~n", [Why]),
    halt(Code).

seconds() ->
    erlang:monotonic_time() / erlang:convert_time_unit(1, second, native).

%% Returns seconds of processor time of the process, user and system; the kernel counts them in hundredths.
cpu_seconds() ->
    {ok, Line} = file:read_file("/proc/self/stat"),
    [_, Behind] = binary:split(Line, <<") ">>),
    Fields = binary:split(Behind, <<" ">>, [global]),
    (binary_to_integer(lists:nth(12, Fields)) + binary_to_integer(lists:nth(13, Fields))) / 100.

%% Returns the bytes of the process that are in memory.
resident_bytes() ->
    {ok, Line} = file:read_file("/proc/self/statm"),
    4096 * binary_to_integer(lists:nth(2, binary:split(Line, <<" ">>, [global]))).

%% Returns the value below which `Share` of all lie.
quantile(Values, Share) ->
    lists:nth(1 + trunc(Share * (length(Values) - 1)), lists:sort(Values)).
