// SPDX-License-Identifier: MIT
// The client of npm package node-snap7 (Snap7): node-snap7_client.js HOST PORT SLOT DB ROUNDS
'use strict';
const snap7 = require('node-snap7');
const { exercise, run } = require('./area');

run(async ({ host, port, slot, db, rounds }) => {
  const client = new snap7.S7Client();
  const done = (call) => new Promise((resolve, reject) => call((error, result) =>
    error ? reject(new Error(client.ErrorText(error))) : resolve(result)));
  client.SetParam(client.RemotePort, port);
  client.SetParam(client.RecvTimeout, 20000);
  await done((then) => client.ConnectTo(host, 0, slot, then));
  await exercise(db, rounds,
    (start, size) => done((then) => client.DBRead(db, start, size, then)),
    (start, octets) => done((then) => client.DBWrite(db, start, octets.length, octets, then)));
  if (!client.Disconnect()) throw new Error('Disconnect failed');
});
