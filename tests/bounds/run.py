#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Shows that the tests of bounds need their bounds: run.py PROGRAM.

PROGRAM has the tests, and the library with bounds that can be set (lift.py). With each bound lifted the test that counts
on it has to fail, by a failed expectation. What is too long or too large for a test is made small, and has to hold.
"""
import os
import signal
import subprocess
import sys
import tempfile

HUGE = 1_000_000_000
# What is set; whether the tests have to hold; which tests.
RUNS = [
    (f"max_turn={HUGE}", False, "HostileBounds.ACallReadsNoMoreMessagesThanATurn"),
    (f"max_turn={HUGE}", False, "RemoteBounds.ACallReadsNoMorePacketsThanATurn"),
    (f"max_outbox={HUGE}", False, "HostileBounds.RepliesThatNobodyReadsStopTheReading"),
    (f"read_ahead={HUGE}", False, "HostileBounds.UnitsThatNobodyFetchesWaitInTheLink"),
    (f"max_awaited={HUGE}", False, "HostileBounds.OffersNeverFollowedAreRefusedFromSomeNumberOn"),
    (f"max_unanswered={HUGE}", False, "HostileServer.ThatNeverReadsStopsTheListenerAtAFixedNumber"),
    (f"max_unanswered={HUGE}", False, "HostileFlood.OffersThatNobodyReadsWaitInTheLink"),
    (f"max_half_open={HUGE}", False, "HostileFlood.TenThousandPeersThatSayNothingCostAFixedNumberOfDescriptors"),
    (f"max_remote_half_open={HUGE}", False, "RemoteBounds.PartnersThatSayNothingCostAFixedNumberOfDescriptors"),
    ("request_time=1000,reply_time=1000", True, "*Times.*"),
    ("highest_number=40", True, "Numbers.*"),
    ("max_credit=3", True, "Credit.*"),
    (f"request_time={HUGE}", False, "Times.APeerThatConnectsAndSaysNothingIsLetGo"),
    (f"reply_time={HUGE}", False, "Times.RepliesThatNobodyReadsDoNotKeepAClosedLinkForEver"),
]


def first_word(program: str, bounds: str, tests: str, folder: str) -> tuple[str, str]:
    """Whether the tests pass or fail, and what they printed so far: at the first failure they are ended."""
    with subprocess.Popen([program, f"--gtest_filter={tests}"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace", start_new_session=True,
                          env={**os.environ, "BATON_TEST_BOUNDS": bounds, "TMPDIR": folder}) as run:
        lines = []
        for line in run.stdout:
            lines.append(line)
            if line.endswith(": Failure\n"):
                os.killpg(run.pid, signal.SIGKILL)
                return "fails", "".join([*lines, *run.stdout])
    passed = run.returncode == 0 and "[  PASSED  ]" in "".join(lines) and "[  PASSED  ] 0 tests" not in "".join(lines)
    return "passes" if passed else f"ends with status {run.returncode}", "".join(lines)


def main() -> int:
    wrong = 0
    for bounds, holds, tests in RUNS:
        with tempfile.TemporaryDirectory() as folder:  # a test that is ended cleans nothing up
            word, printed = first_word(sys.argv[1], bounds, tests, folder)
        good = word == ("passes" if holds else "fails")
        print(f"{bounds:36} {tests}: {word}{'' if good else ', WHICH IT MUST NOT'}", flush=True)
        if not good:
            wrong += 1
            print(printed[-4000:])
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
