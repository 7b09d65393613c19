// SPDX-License-Identifier: MIT
#include "seed/crowd.hpp"

#include <sys/socket.h>

#include "support/sockets.hpp"

namespace baton::test {
namespace {

std::uint64_t upward(std::size_t client) { return 2 * client + 1; }
std::uint64_t downward(std::size_t client) { return 2 * client + 2; }

template <std::size_t size>
void send_part(FdRef socket, Producer& producer) {
  std::array<std::byte, size> octets;
  producer.peek(octets);
  write_all(socket, octets);
  producer.written(octets);
}

}  // namespace

void run_clients(std::size_t count, const Mailbox& port, const Mailbox& moved) {
  const auto at = static_cast<std::uint16_t>(port.receive());
  struct Client {
    UniqueFd socket;
    Producer sending;
  };
  std::vector<Client> clients;
  for (std::size_t k = 0; k < count; ++k) {
    clients.push_back({tcp_connect(AF_INET, at), Producer{upward(k)}});
    send_part<first_part>(clients.back().socket.ref(), clients.back().sending);
  }
  (void)moved.receive();
  for (Client& client : clients) {
    send_part<second_part>(client.socket.ref(), client.sending);
    checked(::shutdown(client.socket.get(), SHUT_WR), "shutdown");
  }
  for (std::size_t k = 0; k < count; ++k) {
    Checker receiving{downward(k)};
    std::array<std::byte, 4096> buffer;
    while (const std::size_t size = read_some(clients[k].socket.ref(), buffer))
      receiving.read(Bytes{buffer}.first(size));
    require(receiving.tally() == tally_of_stream(downward(k), answer_part), "the whole answer");
  }
}

std::vector<Guest> accept_clients(const Steps& steps, std::size_t count, const Mailbox& port) {
  const UniqueFd listening = tcp_listen(AF_INET);
  port.send(port_of(listening.ref()));
  std::vector<Guest> guests;
  for (std::size_t k = 0; k < count; ++k) {
    Guest guest;
    guest.end_point = end_point(checked(soc_accept(listening.get(), nullptr, nullptr), "soc_accept"));
    guest.passport.client = static_cast<std::uint32_t>(k);
    steps.read_all(guest.end_point.number, guest.passport.octets);
    guests.push_back(guest);
  }
  return guests;
}

void serve_to_the_end(const Steps& steps, int number, const Passport& passport) {
  Checker receiving{upward(passport.client)};
  receiving.read(passport.octets);
  std::array<std::byte, 4096> buffer;
  while (const std::size_t size = steps.read_some(number, buffer)) receiving.read(Bytes{buffer}.first(size));
  require(receiving.tally() == tally_of_stream(upward(passport.client), first_part + second_part),
          "all that the client sent");
  Producer sending{downward(passport.client)};
  const auto part = MutableBytes{buffer}.first(answer_part);
  sending.peek(part);
  steps.write_all(number, part);
  checked(soc_close(number), "soc_close of the end point");
}

}  // namespace baton::test
