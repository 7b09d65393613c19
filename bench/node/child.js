// SPDX-License-Identifier: MIT
// The second process of bench/connections.cpp for Node: sends back what the client sends.
'use strict';
process.on('message', (message, socket) => {
  if (!socket) return; // the connection has gone meanwhile
  socket.on('error', () => {}); // the client resets instead of closing
  socket.on('data', (octets) => socket.write(octets));
  socket.resume();
});
process.on('disconnect', () => process.exit());
