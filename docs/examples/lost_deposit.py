"""A race, found by trying orders, and seen again by running the short one that was found. Run it with PYTHONHASHSEED=0."""

import martlet


async def main():
    balance = 0

    async def deposit():
        nonlocal balance
        before = balance
        await martlet.ayield()          # in the real program: asks a database
        balance = before + 1

    async with martlet.scope() as s:
        s.spawn(deposit)
        s.spawn(deposit)
    assert balance == 2, "a deposit was lost"


def test_no_deposit_is_lost():
    martlet.explore(main)


if __name__ == "__main__":
    try:
        test_no_deposit_is_lost()
    except AssertionError as error:
        print(error, *error.__notes__, sep="\n")
    else:
        raise SystemExit("the race was not found")
    try:
        martlet.simulate(main, schedule="1: 3=3")
    except AssertionError as error:
        print(error)
    else:
        raise SystemExit("the schedule does not show the race")
