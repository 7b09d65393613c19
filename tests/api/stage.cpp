// SPDX-License-Identifier: MIT
#include "api/stage.hpp"

#include <array>
#include <vector>

namespace baton::test {
namespace {

Address address_for(int family, std::uint16_t port) {
  if (family == AF_ISO) return Selector{"front"};
  return family == AF_INET ? Address::loopback(port) : Address::loopback6(port);
}

void run_client(const Stage& stage, int family, Serves who) {
  const auto port = static_cast<std::uint16_t>(stage.port.receive());
  auto connection = got(Connection::connect(address_for(family, port), patience));
  got(connection.write("hello", patience));
  std::array<std::byte, 8> room;
  const auto size = connection.read_some(room, patience);
  if (who == Serves::Nobody) {
    require(!size || *size == 0, "nobody serves the client");
    return;
  }
  require(got(size) == 1, "one letter comes");
  require(static_cast<char>(room[0]) == (who == Serves::Listener ? 'L' : 'S'), "the right process serves the client");
}

}  // namespace

std::string Stage::play(const Style& style, int family, Serves who, const ListenerRole& listener,
                        const ServerRole& server) const {
  std::vector<Child> roles;
  roles.emplace_back("server", [&] {
    auto links = got(LinkListener::listen(server_name));
    listening.send(0);
    auto link = got(style.accept(links, patience));
    server(link);
  });
  roles.emplace_back("listener", [&] {
    (void)listening.receive();
    auto link = got(style.connect(server_name, patience));
    auto front = got(Listener::listen(address_for(family, 0)));
    port.send(got(front.local_address()).port());
    auto connection = got(style.accept(front, patience));
    listener(link, std::move(connection));
  });
  roles.emplace_back("client", [&] { run_client(*this, family, who); });
  return finish(roles);
}

Connection given_back(std::expected<Moved, MoveFailure<Connection>> result, int number, std::source_location where) {
  if (result) fail("it has moved", where);
  MoveFailure<Connection>& failure = result.error();
  if (failure.error.number() != number)
    fail("errno " + std::to_string(failure.error.number()) + " " + failure.error.text(), where);
  require(!failure.error.text().empty(), "a failure has a sentence", where);
  require(failure.end_point.is_open(), "the connection comes back", where);
  require(!failure.in_doubt, "nothing is in doubt", where);
  return std::move(failure.end_point);
}

std::string read_octets(Connection& connection, std::size_t size) {
  std::string octets;
  while (octets.size() < size) {
    std::array<std::byte, 64> room;
    const auto came =
        got(connection.read_some(std::span{room}.first(std::min(room.size(), size - octets.size())), patience));
    require(came > 0, "the client has not ended");
    octets += text_of(std::span{room}.first(came));
  }
  return octets;
}

void serve(Connection& connection, char letter, std::string_view already_read) {
  constexpr std::string_view greeting = "hello";
  const std::string rest = read_octets(connection, greeting.size() - already_read.size());
  require(std::string{already_read} + rest == greeting, "every octet of the client comes once");
  got(connection.write(std::string_view{&letter, 1}, patience));
  std::array<std::byte, 8> room;
  const auto end = connection.read_some(room, patience);
  require(end ? *end == 0 : end.error().ended(), "then the client closes");
}

void await_arrival(Link& link) {
  pollfd entry{link.native_handle(), POLLIN, 0};
  require(checked(soc_poll_ms(&entry, 1, 30000), "soc_poll_ms") == 1, "something comes");
}

}  // namespace baton::test
