"""The people of the game in stackless_host.cpp. Each function is a tasklet; nothing here knows of C++."""

PRICES = {"apple": 3, "plum": 1}


def guard(happens, says):
    """Tells what happens, until the game is over."""
    for event in happens:
        says.send(f"hears {event}")
    says.send("goes home")


def merchant(happens, says):
    """Fails when somebody asks for what there is not."""
    for thing in happens:
        says.send(f"sells {thing} for {PRICES[thing]}")


def philosopher(happens, says):
    """Thinks about the first thing that happens, for ever, and does not yield."""
    says.send(f"thinks about {happens.receive()}")
    while True:
        pass
