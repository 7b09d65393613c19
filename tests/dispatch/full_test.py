# SPDX-License-Identifier: MIT
"""batond and a worker whose table of descriptors is full: it gives each connection back."""

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


if __name__ == "__main__":
    unittest.main()
