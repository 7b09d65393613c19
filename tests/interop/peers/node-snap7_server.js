// SPDX-License-Identifier: MIT
// The server of npm package node-snap7 (Snap7): node-snap7_server.js HOST PORT DB...
// Says "ready" when it listens; SIGTERM ends it.
'use strict';
const snap7 = require('node-snap7');
const { SIZE, originals } = require('./area');

const [host, port, ...blocks] = process.argv.slice(2);
const server = new snap7.S7Server();
server.SetParam(server.LocalPort, Number(port));
for (const db of blocks.map(Number)) server.RegisterArea(server.srvAreaDB, db, originals(db, 0, SIZE));
server.StartTo(host, (error) => {
  if (error) {
    console.error(`${process.argv[1]}: ${server.ErrorText(error)}`);
    process.exit(1);
  }
  console.log('ready');
});
process.on('SIGTERM', () => server.Stop(() => process.exit(0)));
