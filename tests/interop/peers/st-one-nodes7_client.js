// SPDX-License-Identifier: MIT
// The client of npm package @st-one-io/nodes7:
// st-one-nodes7_client.js HOST PORT SLOT DB ROUNDS [LONGEST_MESSAGE]
'use strict';
const { S7Endpoint } = require('@st-one-io/nodes7');
const { exercise, run } = require('./area');

run(async ({ host, port, slot, db, rounds, longest }) => {
  const plc = new S7Endpoint({ host, port, rack: 0, slot, autoReconnect: 0, s7ConnOpts: { maxPDUSize: longest } });
  const broken = new Promise((_, reject) => {
    plc.on('error', reject);
    plc.on('disconnect', () => reject(new Error('the connection has ended')));
  });
  const session = async () => {
    await plc.connect();
    // One call for each message: writeDB of 1.1.2 takes the wrong octets for all but the first.
    const write = async (start, octets) => {
      const most = plc.pduSize - 28;
      for (let at = 0; at < octets.length; at += most) await plc.writeDB(db, start + at, octets.subarray(at, at + most));
    };
    await exercise(db, rounds, (start, size) => plc.readDB(db, start, size), write);
  };
  await Promise.race([session(), broken]);
  broken.catch(() => {});
  await plc.disconnect();
});
