# SPDX-License-Identifier: MIT
"""A server in a process of its own: python3 role.py TSEL STEP...

Each step deals with one end point, or does one thing on the link; a line on standard output says when it is done. Steps
that are to happen at the test's word wait for a line on standard input. At the end of the steps the link is closed; the
last line is the number of descriptors more than at the start.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import resource
import signal
import socket
import sys

from typing import List

import baton
from baton import _library as lib
from baton._operations import run_now


def say(text: object) -> None:
    print(text, flush=True)


def hear() -> str:
    return sys.stdin.readline().strip()


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def echo(end_point: socket.socket, seen: bytes) -> None:
    """Says what the listener had read, then all that comes, until the client is done."""
    with end_point:
        end_point.settimeout(20)
        end_point.sendall(seen)
        while octets := end_point.recv(4096):
            end_point.sendall(octets)


def answer(incoming: baton.Incoming) -> None:
    """Accepts the offer, and does not take yet."""
    run_now(incoming._answer(lib.REDBIND_OK))
    incoming._answered = True


def await_call(link: baton.Link) -> None:
    """The end point has been called: it is here, and not taken."""
    while link.pending() == 0:
        lib.call(lib.library.soc_poll_ms, lib.PollFd(link.fileno(), 1), 1, 20000)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def step(link: baton.Link, what: str) -> None:
    """One step of the plan."""
    name, _, argument = what.partition(":")
    if name == "say":
        link.send(argument.encode())
    elif name == "hear":
        say(link.receive(20).decode())
    elif name == "big":
        link.send(bytes(int(argument)))
    elif name == "go":
        say("waits")
        hear()
    elif name == "close":
        link.close()
    elif name == "die":
        die()
    elif name == "credit":
        link.credit(int(argument))
    elif name == "many":
        left = int(argument)
        try:
            while left:
                for arrival in link.take_many(left, 20):
                    echo(arrival.socket, arrival.data + arrival.blob)
                    left -= 1
        except OSError as error:
            say(f"no group {error.errno}")
    elif name == "group":
        take_group(link)
    elif name == "full":  # a table of descriptors with no room for a group
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        say("waits")
        hear()
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))
        try:
            link.take_group(20)
        except OSError as error:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
            say(f"{type(error).__name__} {error.errno}")
    else:
        deal_with(link, link.take(20), name, argument)
    say(f"done {what}")


def take_group(link: baton.Link) -> None:
    """A group: says what it is, and does with it as it is told."""
    while True:
        try:
            group = link.take_group(20)
            break
        except baton.GroupError:
            pass  # called off; the next one
    for item in group.items:
        mark = hashlib.sha256(item.blob).hexdigest()[:8]
        say(f"{item.family} {item.listening} {item.peer and item.peer[1]!r} {item.local[1]!r} {item.data!r} {mark}")
    word = hear()
    try:
        if word == "refuse":
            group.refuse()
        elif word == "die":
            die()
        elif word == "close":
            link.close()
        elif word == "late":  # says that it is ready, and takes when told to
            ready = group._ready(baton.Link, False)
            next(ready)
            say("is ready")
            if hear() == "die":
                die()
            serve(link._run(ready, 20))
        elif word == "ready":
            serve(group.ready(20))
    except baton.GroupError as error:
        say(f"no group {error.errno}")


def serve(arrivals: List[baton.Arrival]) -> None:
    """Serves each until its client is done; a listening socket for one client."""
    say(f"has {len(arrivals)}")
    with contextlib.ExitStack() as closing:
        for arrival in arrivals:
            closing.enter_context(arrival.socket)
        for arrival in arrivals:
            if isinstance(arrival.socket, baton.Link):
                arrival.socket.send(b"seen:" + arrival.socket.receive(20))
            elif arrival.listening:
                echo(arrival.socket.accept()[0], b"from the queue: ")
            else:
                with contextlib.suppress(ConnectionResetError):
                    echo(arrival.socket, arrival.data + b"%d: " % len(arrival.blob))


def deal_with(link: baton.Link, incoming: baton.Incoming, name: str, argument: str) -> None:
    """One end point."""
    if name == "echo":
        peer = incoming.peer
        end_point = incoming.accept(20)
        say(f"{incoming.family} {end_point.gettimeout()} {peer[1]!r}")
        echo(end_point, incoming.data)
    elif name == "iso":
        with incoming.accept_iso(20) as connection:
            connection.send(b"seen:" + connection.receive(20))
            connection.receive(20)
    elif name == "refuse":
        incoming.refuse(int(argument))
    elif name == "drop":
        with incoming:
            pass
    elif name == "forget":
        del incoming
    elif name == "late":  # accepts, and takes when told to
        answer(incoming)
        say("answered")
        if hear() == "die":
            die()
        try:
            say("accepts")
            echo(incoming.accept(20), incoming.data)
        except baton.MoveError as error:
            say(f"not taken {error.errno}")
    elif name == "ignore":  # reads the offer, and does not answer until told
        say("read")
        hear()
        try:
            incoming.accept(20).close()
        except baton.MoveError as error:
            say(f"not taken {error.errno}")
    elif name == "die-offered":
        die()
    elif name == "die-answered":
        answer(incoming)
        die()
    elif name == "die-called":
        answer(incoming)
        await_call(link)
        die()
    elif name == "part":  # reads some octets, says their hash, and moves the end point back over the same link
        end_point, wanted, digest = incoming.accept(20), int(argument), hashlib.sha256(incoming.data)
        end_point.settimeout(20)
        wanted -= len(incoming.data)
        while wanted > 0:
            octets = end_point.recv(min(wanted, 4096))
            digest.update(octets)
            wanted -= len(octets)
        link.send(digest.hexdigest().encode())
        link.offer(end_point, b"", 20)
    else:
        raise SystemExit(f"no such step: {name}")


def main() -> None:
    signal.alarm(60)
    with baton.LinkListener("warm"):  # what the library keeps from its first socket on
        pass
    before = descriptors()
    with baton.LinkListener(sys.argv[1]) as names:
        say("ready")
        with names.accept(20) as link:
            for each in sys.argv[2:]:
                step(link, each)
            hear()  # what was said last is read before the link ends
    say(f"descriptors {descriptors() - before}")


main()
