// SPDX-License-Identifier: MIT
// A worker of batond whose baton is too old for blobs: old_worker RUNTIME_FOLDER TSAP.
//
// Says "ready" in a line when it has given credit, takes two connections, and sends each client how many octets batond
// has said of it, in a line.
#include <unistd.h>

#include <cstdio>
#include <string>
#include <variant>

#include "handoff/frames.hpp"
#include "raw_peer.hpp"

using namespace baton;
using namespace baton::system_tests;

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  RawPeer peer{argv[1], argv[2]};
  if (!peer.connected()) return 1;
  peer.request();
  if (peer.receive().empty() || !peer.send(hello_frame()) || !peer.send(credit_frame(2))) return 1;
  std::puts("ready");
  std::fflush(stdout);
  for (int taken = 0; taken < 2;) {
    UniqueFd client;
    const auto message = peer.receive(client);
    if (message.empty()) return 1;
    const auto frame = handoff::decode(message);
    const auto* const call = frame ? std::get_if<handoff::Call>(&frame->body) : nullptr;
    if (call == nullptr) continue;
    if (!peer.send(taken_frame(frame->move))) return 1;
    const std::string line = std::to_string(call->blobs.size()) + "\n";
    if (::write(client.get(), line.data(), line.size()) < 0) return 1;
    ++taken;
  }
  return 0;
}
