// SPDX-License-Identifier: MIT
#include <netinet/in.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "baton/soc.h"
#include "crash/roles.hpp"
#include "support/process.hpp"
#include "support/sockets.hpp"
#include "system/steps.hpp"

namespace baton::crash {
namespace {

using test::checked;
using test::Checker;
using test::fail_call;
using test::Producer;

constexpr std::size_t chunk = 2048;
constexpr std::size_t before_half_close = 20'000;
constexpr std::size_t before_reset = 5'000;
constexpr std::size_t tail = 3'000;

/// One of the client's connections. Works on TCP and AF_ISO sockets alike.
class Talk {
 public:
  Talk(int number, std::size_t index, Doing doing)
      : number_{number},
        doing_{doing},
        connection_{page().connection[index]},
        sending_{upward(index)},
        receiving_{downward(index)} {
    if (doing_ == Doing::HalfCloses) {
      connection_.upward_total.store(before_half_close);
      left_ = before_half_close;
    } else if (doing_ == Doing::Resets) {
      left_ = before_reset;
    }
  }

  [[nodiscard]] bool open() const { return number_ >= 0; }
  [[nodiscard]] pollfd entry() const {
    return {number_, static_cast<short>(wants_to_send() ? POLLIN | POLLOUT : POLLIN), 0};
  }

  /// The owner serves to the end, or the client is to reset.
  void look() {
    if (!open()) return;
    if (doing_ == Doing::Resets && page().reset.load()) return reset();
    if (!connection_.finish.load() || finishing_) return;
    finishing_ = true;
    if (connection_.upward_total.load() != 0) return;
    left_ = owed_ + tail;
    connection_.upward_total.store(sending_.tally().octets + left_);
  }

  void act(const pollfd& ready) {
    if (!open() || ready.revents == 0) return;
    if ((ready.revents & POLLOUT) != 0 && wants_to_send()) send();
    if (open() && (ready.revents & (POLLIN | POLLHUP | POLLERR)) != 0) receive();
  }

 private:
  [[nodiscard]] bool endless() const { return doing_ == Doing::Sends && !finishing_; }
  [[nodiscard]] bool wants_to_send() const { return endless() || left_ > 0; }

  void send() {
    std::array<std::byte, chunk> buffer;
    // What a short write has left owed comes first, alone.
    const std::size_t most = owed_ > 0 ? owed_ : endless() ? chunk : std::min(left_, chunk);
    const auto part = MutableBytes{buffer}.first(most);
    sending_.peek(part);
    const ssize_t sent = soc_send(number_, part.data(), part.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && (errno == EWOULDBLOCK || errno == EINTR)) return;
    if (sent < 0) return broken();
    const auto size = static_cast<std::size_t>(sent);
    sending_.written(Bytes{part}.first(size));
    if (is_iso(page().scenario.carrier)) owed_ = part.size() - size;
    if (!endless()) left_ -= std::min(left_, size);
    if (!wants_to_send() && (doing_ != Doing::Resets || finishing_) && !is_iso(page().scenario.carrier))
      if (soc_shutdown(number_, SHUT_WR) < 0) broken();
  }

  void receive() {
    std::array<std::byte, 8192> buffer;
    const ssize_t size = soc_recv(number_, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (size < 0 && (errno == EWOULDBLOCK || errno == EINTR)) return;
    if (size <= 0) return size == 0 ? over(ClientEnd::Ended) : broken();
    receiving_.read(Bytes{buffer}.first(static_cast<std::size_t>(size)));
    // AF_ISO has no end of file behind the data: the last octet is the end.
    if (is_iso(page().scenario.carrier) && complete()) over(ClientEnd::Completed);
  }

  [[nodiscard]] bool complete() const {
    return connection_.downward_total.load() != 0 && receiving_.tally().octets == connection_.downward_total.load() &&
           connection_.upward_total.load() == sending_.tally().octets;
  }
  void broken() {
    if (errno != ECONNRESET && errno != EPIPE && errno != ENOTCONN) fail_call("the client's call");
    over(ClientEnd::Reset);
  }
  void reset() {
    const linger at_once{1, 0};
    checked(::setsockopt(number_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), "SO_LINGER");
    over(ClientEnd::OwnReset);
    page().reset_done.store(true);
    announce();
  }
  void over(ClientEnd how) {
    if (how == ClientEnd::Ended && complete()) how = ClientEnd::Completed;
    connection_.client_end = how;
    connection_.client_sent = sending_.tally();
    connection_.client_received = receiving_.tally();
    checked(soc_close(number_), "close of the client");
    number_ = -1;
  }

  int number_;
  Doing doing_;
  Connection& connection_;
  Producer sending_;
  Checker receiving_;
  std::size_t left_ = 0;
  std::size_t owed_ = 0;
  bool finishing_ = false;
};

int connect_iso_remote() {
  const std::string where = "127.0.0.1:" + std::to_string(page().port.load());
  checked(soc_set_host("SERVER", where.c_str()), "soc_set_host");
  const int number = checked(system_tests::named_iso(), "named_iso");
  const sockaddr_iso server = system_tests::iso_address("front", "SERVER  ");
  checked(soc_connect(number, &server, sizeof server), "soc_connect to the front");
  return number;
}

int connect_to_front(Carrier carrier) {
  const auto port = static_cast<std::uint16_t>(page().port.load());
  switch (carrier) {
    case Carrier::Ipv4:
      return test::tcp_connect(AF_INET, port).release();
    case Carrier::Ipv6:
      return test::tcp_connect(AF_INET6, port).release();
    case Carrier::IsoRemote:
      return connect_iso_remote();
    case Carrier::IsoLocal:
      return checked(system_tests::connect_iso(front_of(page().port.load())), "connect within the host");
  }
  return -1;
}

/// Little in the kernel, so that who owns the connection has to serve it for the client to go on.
void make_small(int number) {
  const int room = 16'384;
  checked(soc_setsockopt(number, SOL_SOCKET, SO_SNDBUF, &room, sizeof room), "SO_SNDBUF");
}

}  // namespace

std::string front_of(std::uint32_t port) { return "front" + std::to_string(port); }

void run_client() {
  become(Party::Fresh);
  const Scenario& scenario = page().scenario;
  ::setenv("BATON_NSEL", "CLIENT", 1);
  wait_until([] { return page().port.load() != 0; });
  std::vector<Talk> talks;
  for (std::size_t i = 0; i < connections(scenario); ++i) {
    const int number = connect_to_front(scenario.carrier);
    make_small(number);
    talks.emplace_back(number, i, scenario.doing);
  }
  for (bool wanted = false;;) {
    std::vector<pollfd> entries{{client_bell(), POLLIN, 0}};
    for (const Talk& talk : talks) entries.push_back(talk.entry());
    checked(soc_poll_ms(entries.data(), entries.size(), -1), "soc_poll_ms of the client");
    std::uint64_t rung = 0;
    if (entries[0].revents != 0) (void)!::read(client_bell(), &rung, sizeof rung);
    for (std::size_t i = 0; i < talks.size(); ++i) {
      talks[i].look();
      talks[i].act(entries[i + 1]);
    }
    if (page().want_new.load() && !wanted) {
      wanted = true;
      const int number = connect_to_front(scenario.carrier);
      make_small(number);
      talks.emplace_back(number, connections(scenario), Doing::Sends);
    }
    if (page().round_over.load() && std::ranges::none_of(talks, &Talk::open)) return;
  }
}

}  // namespace baton::crash
