// SPDX-License-Identifier: MIT
// The data block that all parties of a test know: its lower half never changes, its upper half belongs to one client.
// The same arithmetic as in s7.cpp.
'use strict';

const SIZE = 8192;
const UPPER = 4096;

/** The octet at `address` of a data block as it is before anybody writes. */
const original = (db, address) => (address * 31 + (address >> 8) * 17 + db * 101) & 0xff;
/** What the client writes there in `round`. */
const written = (db, round, address) => (original(db, address) + round * 59 + 1) & 0xff;

const originals = (db, start, size) => Buffer.from(Array.from({ length: size }, (_, i) => original(db, start + i)));
const writes = (db, round, start, size) => Buffer.from(Array.from({ length: size }, (_, i) => written(db, round, start + i)));

/** Fails with the place of the first octet that is not as it should be. */
function expectSame(what, found, expected) {
  if (found.length !== expected.length) throw new Error(`${what}: ${found.length} octets, not ${expected.length}`);
  const at = expected.findIndex((octet, i) => octet !== found[i]);
  if (at >= 0) throw new Error(`${what}: octet ${at} is ${found[at]}, not ${expected[at]}`);
}

// What each client does in each round. The second read is larger than any PDU that these clients ask for.
const READS = [[0, 1], [77, 2500], [1000, 222]];
const WRITE = [UPPER + 50, 1501];

/** `read(start, size)` and `write(start, octets)` give promises; read's is of octets. */
async function exercise(db, rounds, read, write) {
  for (let round = 1; round <= rounds; ++round) {
    for (const [start, size] of READS) {
      expectSame(`round ${round}, read of ${size} at ${start}`, await read(start, size), originals(db, start, size));
    }
    const [start, size] = WRITE;
    const octets = writes(db, round, start, size);
    await write(start, octets);
    expectSame(`round ${round}, read of what was written`, await read(start, size), octets);
  }
}

/** Runs an asynchronous main program with the arguments HOST PORT SLOT DB ROUNDS [LONGEST_MESSAGE]. */
function run(main) {
  const [host, ...numbers] = process.argv.slice(2);
  const [port, slot, db, rounds, longest] = numbers.map(Number);
  main({ host, port, slot, db, rounds, longest }).then(
    () => process.exit(0),
    (error) => {
      console.error(`${process.argv[1]}: ${error && error.stack || error}`);
      process.exit(1);
    });
}

module.exports = { SIZE, UPPER, originals, exercise, run };
