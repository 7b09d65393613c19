# SPDX-License-Identifier: MIT
"""A listener in a process of its own: python3 giver.py TSEL DESCRIPTOR...

Adds the end points behind the descriptors to a group as it is told on standard input. At the end it says how many of
them it has, closes them, and says how many descriptors it has more than before.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from typing import List

import baton


def say(text: object) -> None:
    print(text, flush=True)


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def give(link: baton.Link, group: baton.Group, word: str, waiting: List[socket.socket]) -> None:
    if word == "add":
        end_point = waiting.pop(0)
        group.add(end_point, b"read", b"blob %d" % len(waiting), 20)
    elif word == "whole":  # says so to the server, and does not wait for it
        assert group._ask_for_commit() is None
    elif word == "commit":
        try:
            group.commit(20)
        except baton.GroupError as error:
            say(f"not committed {error.errno}, back {len(error.back)}")
    elif word == "give":
        link.give([(waiting.pop(0), b"given")], 20)
    elif word == "abort":
        group.abort()
        waiting[:0] = [outcome.socket for outcome in group.outcomes]
    elif word == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    say(f"done {word}")


def main() -> None:
    signal.alarm(60)
    end_points = [socket.socket(fileno=int(number)) for number in sys.argv[2:]]
    with baton.LinkListener("warm giver"):  # what the library keeps from its first socket on
        pass
    before = descriptors()
    say("ready")
    waiting = list(end_points)
    with baton.Link.connect(sys.argv[1], 20) as link:
        group = link.group()
        while word := sys.stdin.readline().strip():
            give(link, group, word, waiting)
            if word == "abort":
                group = link.group()
        group.abort()
        while link.outcomes(timeout=20):
            pass
        back = [end_point for end_point in end_points if end_point.fileno() >= 0]
        say(f"has {len(back)}")
        for end_point in back:
            end_point.close()
    sys.stdin.readline()
    say(f"descriptors {max(0, descriptors() - before)}")


main()
