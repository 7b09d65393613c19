# SPDX-License-Identifier: MIT
"""batond and workers that do not take what they are given: for want of descriptors, or because they leave."""

import unittest

from house import House, http


class Full(House):
    def test_a_worker_that_refuses_is_passed_by(self) -> None:
        self.start_batond('[pool.p]\nhold = "10s"\n[[route]]\npool = "p"\nhost = "*"\n[limits]\nanswer = "1s"\n')
        full = self.start_worker("p", "NO", "refuse")
        self.start_worker("p", "YES")
        for _ in range(6):
            self.assertEqual(self.greeted_by(self.client(http("a"))), "YES")
        self.assertIsNone(full.poll())
        self.assertGreater(self.pool("p")["refused"], 0)
        self.assertEqual(self.pool("p")["lost"], 0)

    def test_workers_that_leave_have_not_refused(self) -> None:
        self.start_batond('[pool.p]\nhold = "10s"\ntries = 2\n[[route]]\npool = "p"\nhost = "*"\n')
        self.start_worker("p", "BACK", "leave")
        self.assertEqual(self.greeted_by(self.client(http("a"))), "BACK")
        self.assertGreaterEqual(self.pool("p")["refused"], 4)


if __name__ == "__main__":
    unittest.main()
