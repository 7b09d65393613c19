// SPDX-License-Identifier: MIT
// The client of npm package nodes7: nodes7_client.js HOST PORT SLOT DB ROUNDS
'use strict';
const NodeS7 = require('nodes7');
const { exercise, run } = require('./area');

run(async ({ host, port, slot, db, rounds }) => {
  const client = new NodeS7({ silent: true });
  await new Promise((resolve, reject) => client.initiateConnection(
    { host, port, rack: 0, slot, timeout: 20000 }, (error) => error ? reject(error) : resolve()));
  client.setTranslationCB((tag) => tag);
  const tag = (start, size) => `DB${db},BYTE${start}.${size}`;
  const read = (start, size) => new Promise((resolve, reject) => {
    const name = tag(start, size);
    client.addItems(name);
    client.readAllItems((bad, values) => {
      client.removeItems(name);
      if (bad) reject(new Error(`bad values at ${name}`));
      else resolve(size === 1 ? [values[name]].flat() : values[name]);
    });
  });
  const write = (start, octets) => new Promise((resolve, reject) => {
    const refused = client.writeItems(tag(start, octets.length), [...octets],
      (bad) => bad ? reject(new Error('bad write')) : resolve());
    if (refused) reject(new Error('the write was not queued'));
  });
  await exercise(db, rounds, read, write);
  await new Promise((resolve) => client.dropConnection(resolve));
});
