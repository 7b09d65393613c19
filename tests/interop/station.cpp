// SPDX-License-Identifier: MIT
#include "station.hpp"

#include <netinet/in.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <list>

#include "os/test_support.hpp"

namespace baton::interop {
namespace {

using test::checked;
using test::fail;
using test::fail_call;
using test::Offered;
using test::require;
using test::Steps;

/// Of a request in whose middle a session is passed on, so much is read: not even S7's head.
constexpr std::size_t part_of_request = 7;
/// With the first moves the library makes descriptors that it keeps: events, and who the partners are.
constexpr unsigned first_moves = 4;
constexpr std::size_t kept_for_moves = 8;

/// One client's session in the process that has it.
struct Client {
  int number = -1;
  s7::Session session;
  unsigned slot = 0;
  unsigned moves = 0;
  unsigned answered = 0;  // in this process
  std::vector<std::byte> request = {};
  bool complete = false;  // the request
  bool offered = false;   // to the next process
};

/// Goes with the offer, and the request's octets behind it.
struct Luggage {
  std::uint16_t agreed = 0;
  bool complete = false;
  unsigned slot = 0;
  unsigned moves = 0;
  in_port_t client_port = 0;
};

in_port_t client_port(int number) {
  sockaddr_in peer{};
  socklen_t size = sizeof peer;
  checked(soc_getsockopt(number, SOL_TRANSPORT, TPOPT_PEER_ADDRESS, &peer, &size), "TPOPT_PEER_ADDRESS");
  return peer.sin_port;
}

/// The called TSEL has the slot's number in its last octet.
unsigned called_slot(int number) {
  sockaddr_iso own{};
  socklen_t size = sizeof own;
  checked(soc_getsockname(number, &own, &size), "soc_getsockname");
  require(tsel_of(own).size() == 2, "the called TSEL has two octets");
  return static_cast<unsigned char>(tsel_of(own).back());
}

class Process {
 public:
  Process(const Station& station, unsigned number)
      : station_{station},
        record_{*station.record},
        steps_{station.plan.waits},
        ring_{steps_, station.gathering, number, station.plan.processes} {
    if (number == 0) open_fronts();
    descriptors_ = os::testing::open_descriptors();
    if (station.plan.processes > 1) kept_ = kept_for_moves;
    // Clients may come now, and others may count descriptors.
    for (unsigned i = 0; number == 0 && i < station.plan.sessions; ++i) station.port.send(record_.port);
  }

  void run() {
    while (!over()) {
      measure();
      std::vector<pollfd> entries;
      for (const int number : fronts_) entries.push_back({number, POLLIN, 0});
      if (ring_.from_last() >= 0) entries.push_back({ring_.from_last(), POLLIN, 0});
      if (std::ranges::any_of(clients_, &Client::offered)) entries.push_back({ring_.to_next(), POLLIN, 0});
      for (const Client& client : clients_)
        if (!client.offered) entries.push_back({client.number, POLLIN, 0});
      steps_.waiter().wait(entries);
      for (const pollfd& entry : entries)
        if (entry.revents != 0) attend(entry.fd);
    }
  }

  void leave() {
    // Else another process has failed: its report counts, and the test ends this one.
    while (record_.ended < station_.plan.sessions) ::pause();
    require(clients_.empty() && expected_.empty(), "no session is left");
    soc_statistics statistics{};
    statistics.size = sizeof statistics;
    const bool settled = os::testing::eventually([&] {
      checked(soc_get_statistics(&statistics), "soc_get_statistics");
      return statistics.in_doubt == 0;
    });
    require(settled && statistics.offered == statistics.moved, "every move that was begun has succeeded");
    require(statistics.received == statistics.taken, "every offer was taken");
    // For connections that others have accepted, of each front, made when the first one comes.
    const std::size_t for_others = station_.plan.address.empty() ? 2 * fronts_.size() : 0;
    if (!os::testing::eventually([&] { return os::testing::open_descriptors() <= descriptors_ + kept_ + for_others; }))
      fail("descriptors are left: " + test::described_descriptors());
    ring_.leave();
    for (const int front : fronts_) checked(soc_close(front), "soc_close of a front");
  }

 private:
  [[nodiscard]] bool over() const { return record_.ended == station_.plan.sessions || link_ended_; }
  /// Once: when the first moves are over and there is no session here, only what stays is open.
  void measure() {
    if (given_ < first_moves || measured_ || !clients_.empty() || !expected_.empty()) return;
    measured_ = true;
    descriptors_ = os::testing::open_descriptors();
    kept_ = 1;  // of an outcome under way
  }
  [[nodiscard]] bool is_due(const Client& client) const {
    return station_.plan.requests > 0 && client.answered >= station_.plan.requests;
  }
  [[nodiscard]] static Moment next_moment(const Client& client) {
    constexpr std::array turns{Moment::BetweenRequests, Moment::InARequest, Moment::BeforeAnAnswer};
    return turns.at(client.moves % turns.size());
  }

  void open_fronts() {
    for (const unsigned slot : station_.plan.slots) fronts_.push_back(steps_.listen(slot_tsel(slot)));
    record_.port = station_.plan.port;
    if (station_.plan.address.empty()) return;
    sockaddr_in here{};
    socklen_t size = sizeof here;
    checked(soc_getsockopt(fronts_.front(), SOL_TRANSPORT, TPOPT_LOCAL_ADDRESS, &here, &size), "TPOPT_LOCAL_ADDRESS");
    record_.port = ntohs(here.sin_port);
  }

  void attend(int number) {
    if (std::ranges::find(fronts_, number) != fronts_.end()) return accept(number);
    if (number == ring_.from_last()) return attend_offers();
    if (number == ring_.to_next()) return attend_answers();
    const auto client = std::ranges::find(clients_, number, &Client::number);
    if (client != clients_.end() && !client->offered) serve(*client);
  }

  // --- Sessions

  void accept(int front) {
    const int number = soc_accept(front, nullptr, nullptr);
    if (number < 0 && errno == EWOULDBLOCK) return;
    checked(number, "soc_accept");
    steps_.waiter().prepare(number);
    ++record_.accepted;
    Client& client = clients_.emplace_back(number, s7::Session{record_.plant}, called_slot(number));
    const auto& slots = station_.plan.slots;
    require(std::ranges::find(slots, client.slot) != slots.end(), "the called slot is one of the station's");
    if (station_.plan.moves_unconfirmed) pass_on(client, Moment::Unconfirmed);
  }

  void serve(Client& client) {
    const bool due = is_due(client);
    const bool in_the_middle = due && client.request.empty() && next_moment(client) == Moment::InARequest;
    if (!read(client, in_the_middle ? part_of_request : s7::max_message)) return;
    if (in_the_middle) return pass_on(client, Moment::InARequest);
    if (!client.complete) return;
    if (due) return pass_on(client, Moment::BeforeAnAnswer);
    answer(client);
  }

  /// False: nothing came, or the client has gone.
  bool read(Client& client, std::size_t most) {
    std::array<std::byte, s7::max_message> room;
    iovec part{room.data(), most};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    const auto size = soc_recvmsg(client.number, &message, 0);
    if (size < 0 && errno == EWOULDBLOCK) return false;
    if (size < 0 && errno == ECONNRESET) {
      end(client);
      return false;
    }
    require(checked(size, "soc_recvmsg of a request") > 0, "a request has octets");
    const Bytes octets = Bytes{room}.first(static_cast<std::size_t>(size));
    client.request.insert(client.request.end(), octets.begin(), octets.end());
    client.complete = (message.msg_flags & MSG_EOR) != 0;
    require(client.request.size() <= s7::max_message, "a request is not too long");
    return true;
  }

  void answer(Client& client) {
    std::array<std::byte, s7::max_message> room;
    const Bytes octets = client.session.answer(client.request, room);
    require(!octets.empty(), "the client asks for what a station can do");
    const auto sent = checked(soc_write(client.number, octets.data(), octets.size()), "soc_write of an answer");
    require(static_cast<std::size_t>(sent) == octets.size(), "an answer goes out at once");
    client.request.clear();
    client.complete = false;
    ++client.answered;
    ++record_.answered;
    if (is_due(client) && next_moment(client) == Moment::BetweenRequests) pass_on(client, Moment::BetweenRequests);
  }

  void end(const Client& client) {
    require(client.request.empty(), "the client ends after an answer");
    checked(soc_close(client.number), "soc_close of a session");
    std::erase_if(clients_, [&](const Client& other) { return &other == &client; });
    ++record_.ended;
  }

  // --- Moves

  void pass_on(Client& client, Moment moment) {
    const Luggage luggage{client.session.agreed(), client.complete, client.slot, client.moves + 1,
                          client_port(client.number)};
    std::vector<std::byte> octets(sizeof luggage);
    std::memcpy(octets.data(), &luggage, sizeof luggage);
    octets.insert(octets.end(), client.request.begin(), client.request.end());
    ring_.offer(client.number, octets);
    client.offered = true;
    ++record_.moved.at(static_cast<std::size_t>(moment));
  }

  void attend_answers() {
    while (std::ranges::any_of(clients_, &Client::offered)) {
      int number = -1;
      const Came came = ring_.try_answer(number);
      if (came == Came::End) link_ended_ = true;
      if (came != Came::One) return;
      ring_.call_and_close(number);
      ++given_;
      require(std::erase_if(clients_, [&](const Client& client) { return client.number == number; }) == 1,
              "an answer is to an offer");
    }
  }

  void attend_offers() {
    for (;;) {
      Expected& next = expected_.emplace_back();
      const Came came = ring_.try_offer(next.offered, next.octets);
      if (came == Came::End) link_ended_ = true;
      if (came != Came::One) {
        expected_.pop_back();
        break;
      }
      ring_.answer(next.offered);
    }
    std::erase_if(expected_, [&](Expected& one) {
      if (!ring_.try_take(one.offered)) return false;
      took(one);
      return true;
    });
  }

  struct Expected {
    Offered offered;
    std::array<std::byte, sizeof(Luggage) + s7::max_message> octets;
  };

  void took(const Expected& one) {
    const Bytes octets = Bytes{one.octets}.first(one.offered.octets);
    Luggage luggage;
    require(octets.size() >= sizeof luggage, "the offer brings the luggage");
    std::memcpy(&luggage, octets.data(), sizeof luggage);
    const int number = one.offered.number();
    require(called_slot(number) == luggage.slot, "the end point keeps its name");
    require(client_port(number) == luggage.client_port, "the end point keeps its client");
    Client& client = clients_.emplace_back(number, s7::Session{record_.plant, luggage.agreed}, luggage.slot);
    client.moves = luggage.moves;
    const Bytes request = octets.subspan(sizeof luggage);
    client.request.assign(request.begin(), request.end());
    client.complete = luggage.complete;
    if (client.complete) answer(client);
  }

  const Station& station_;
  StationRecord& record_;
  Steps steps_;
  Ring ring_;
  std::vector<int> fronts_;
  std::list<Client> clients_;
  std::list<Expected> expected_;
  std::size_t descriptors_ = 0;
  std::size_t kept_ = 0;  // above descriptors_
  unsigned given_ = 0;
  bool measured_ = false;
  bool link_ended_ = false;
};

}  // namespace

std::string slot_tsel(unsigned slot) { return {'\x01', static_cast<char>(slot)}; }

void run_station(const Station& station, unsigned number) {
  if (number == 0 && !station.plan.address.empty())
    checked(::setenv("BATON_ISO_LISTEN", std::string{station.plan.address}.c_str(), 1), "setenv");
  Process process{station, number};
  process.run();
  process.leave();
}

}  // namespace baton::interop
