%% Messages from so many processes to the mailbox of one, which lets them have 4,096 on the way.
-module(erlang_processes).
-export([main/0]).

-define(MESSAGES, 1000000).
-define(PLACES, 4096).

main() ->
    support:report(?MESSAGES, fun
        ("1x1") -> work(1);
        ("4x1") -> work(4);
        (_) -> support:no_variant("a mailbox has one receiver")
    end).

work(Senders) ->
    Receiver = self(),
    Credit = ?PLACES div 2 div Senders,
    [spawn(fun() -> send(Receiver, I, Senders, Credit, 2 * Credit) end) || I <- lists:seq(0, Senders - 1)],
    receive_all(0, 0, Credit) =:= ?MESSAGES * (?MESSAGES - 1) div 2.

%% Half of a sender's places come back at a time.
send(_, Value, _, _, _) when Value >= ?MESSAGES ->
    ok;
send(Receiver, Value, Step, Credit, 0) ->
    receive
        more -> send(Receiver, Value, Step, Credit, Credit)
    end;
send(Receiver, Value, Step, Credit, Free) when Free =:= 1; Free =:= Credit + 1 ->
    Receiver ! {self(), Value},
    send(Receiver, Value + Step, Step, Credit, Free - 1);
send(Receiver, Value, Step, Credit, Free) ->
    Receiver ! Value,
    send(Receiver, Value + Step, Step, Credit, Free - 1).

receive_all(?MESSAGES, Sum, _) ->
    Sum;
receive_all(Taken, Sum, Credit) ->
    receive
        {Sender, Value} ->
            Sender ! more,
            receive_all(Taken + 1, Sum + Value, Credit);
        Value ->
            receive_all(Taken + 1, Sum + Value, Credit)
    end.
