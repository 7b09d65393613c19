// SPDX-License-Identifier: MIT
// The first process of bench/connections.cpp for Node: accepts, and sends each connection on to child.js.
'use strict';
const { fork } = require('node:child_process');
const net = require('node:net');
const path = require('node:path');

const child = fork(path.join(__dirname, 'child.js'));
child.on('exit', () => process.exit(1));
const server = net.createServer({ pauseOnConnect: true }, (socket) => child.send('connection', socket));
server.listen(0, '127.0.0.1', 1024, () => console.log(server.address().port));
