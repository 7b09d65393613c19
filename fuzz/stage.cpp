// SPDX-License-Identifier: MIT
#include "fuzz/stage.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <string>

#include "cotp/tpkt.hpp"
#include "os/process.hpp"
#include "transport/connection.hpp"
#include "tsap/selector.hpp"

namespace baton::fuzz {
namespace {

constexpr const char* tsel = "fuzz";
/// Numbers that are looked at when descriptors are counted. What is lost takes the lowest ones.
constexpr int most_numbers = 128;
/// What the library keeps for good from its first use on. A descriptor lost by each input soon is more.
constexpr std::size_t most_lazily_made = 5;
constexpr Duration patience = std::chrono::seconds{20};

struct Folder {
  Folder() {
    std::string pattern = std::filesystem::temp_directory_path() / "baton-fuzz-XXXXXX";
    BATON_REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    path = pattern;
    BATON_REQUIRE(::setenv("BATON_RUNTIME_DIR", path.c_str(), 1) == 0);
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string path;
};
const Folder& folder() {
  static const Folder made;
  return made;
}

UniqueFd tcp_socket() { return {adopt, ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)}; }

UniqueFd tcp_listener() {
  UniqueFd listener = tcp_socket();
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  BATON_REQUIRE(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  BATON_REQUIRE(::listen(listener.get(), 8) == 0);
  return listener;
}

void await(int number, short events) {
  pollfd entry{number, events, 0};
  while (soc_poll_ms(&entry, 1, -1) != 1) BATON_REQUIRE(errno == EINTR);
}

bool is_open(int number) { return ::fcntl(number, F_GETFD) >= 0; }

std::size_t count_open() {
  std::size_t count = 0;
  for (int number = 0; number < most_numbers; ++number) count += is_open(number) ? 1U : 0U;
  return count;
}

}  // namespace

void look_at(std::span<pollfd> entries) {
  BATON_REQUIRE(soc_poll_ms(entries.data(), entries.size(), 0) >= 0 || errno == EINTR);
}

TcpPair connect_tcp() {
  static const UniqueFd listener = tcp_listener();
  sockaddr_in address{};
  socklen_t size = sizeof address;
  BATON_REQUIRE(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
  TcpPair pair;
  pair.client = tcp_socket();
  // Another address of the loopback network each time: hundreds of connections a second use up the ports of one.
  static std::uint16_t count = 0;
  sockaddr_in own{};
  own.sin_family = AF_INET;
  own.sin_addr.s_addr = htonl((127U << 24U) + (1U << 16U) + ++count);
  BATON_REQUIRE(::bind(pair.client.get(), reinterpret_cast<const sockaddr*>(&own), sizeof own) == 0);
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  BATON_REQUIRE(::setsockopt(pair.client.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0);
  if (::connect(pair.client.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0) {
    BATON_REQUIRE(errno == EINTR);  // libFuzzer's alarm; the connect goes on
    await(pair.client.get(), POLLOUT);
  }
  BATON_REQUIRE(::fcntl(pair.client.get(), F_SETFL, O_NONBLOCK) == 0);
  pair.server = UniqueFd{adopt, ::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)};
  BATON_REQUIRE(pair.server.valid());
  return pair;
}

UniqueFd some_file(std::uint8_t choice) {
  std::array<int, 2> two{-1, -1};
  switch (choice % kinds_of_files) {
    case 0:
      return connect_tcp().server;  // its client has reset it
    case 1:
      return tcp_socket();
    case 2:
      return tcp_listener();
    case 3:
      return {adopt, ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    case 4:
      return {adopt, ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    case 5:
      return {adopt, ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0)};
    case 6:
      return {adopt, ::open("/dev/null", O_RDWR | O_CLOEXEC)};
    case 7:
      return {adopt, ::open("/proc/self/status", O_RDONLY | O_CLOEXEC)};
    case 8:
      return {adopt, ::epoll_create1(EPOLL_CLOEXEC)};
    case 9:
      return {adopt, ::eventfd(0, EFD_CLOEXEC)};
    case 10: {
      BATON_REQUIRE(::pipe2(two.data(), O_CLOEXEC) == 0);
      break;
    }
    case 11: {
      const int type = (choice & 16) != 0 ? SOCK_STREAM : SOCK_SEQPACKET;
      BATON_REQUIRE(::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, two.data()) == 0);
      break;
    }
  }
  const UniqueFd other{adopt, two[1]};
  return {adopt, two[0]};
}

sockaddr_iso iso_address(const char* selector) {
  sockaddr_iso address{};
  address.siso_len = sizeof address;
  address.siso_family = AF_ISO;
  address.siso_tlen = static_cast<unsigned char>(std::strlen(selector));
  std::memset(address.siso_addr.isoa_genaddr, ' ', 8);
  std::memcpy(address.siso_addr.isoa_genaddr + 8, selector, address.siso_tlen);
  return address;
}

Stage::Stage() {
  (void)folder();
  listening_ = soc_socket(AF_ISO, SOCK_STREAM, 0);
  const sockaddr_iso own = iso_address(tsel);
  BATON_REQUIRE(soc_bind(listening_, &own, sizeof own) == 0 && soc_listen(listening_, 16) == 0);
  int on = 1;
  BATON_REQUIRE(soc_ioctl(listening_, FIONBIO, &on) == 0);
  const TcpPair first = connect_tcp();  // the standing listener
}

Stage& Stage::the() {
  static Stage stage;
  return stage;
}

int Stage::accept() const {
  for (;;) {
    const int number = soc_accept(listening_, nullptr, nullptr);
    if (number < 0) {
      BATON_REQUIRE(errno == EWOULDBLOCK);
      await(listening_, POLLIN);
      continue;
    }
    int on = 1;
    BATON_REQUIRE(soc_ioctl(number, FIONBIO, &on) == 0);
    pollfd entry{number, POLLIN, 0};
    look_at({&entry, 1});  // confirms
    return number;
  }
}

UniqueFd Stage::connect_raw() const {
  UniqueFd peer{adopt, ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = folder().path + "/tsap/" + tsap::Selector::from_text(tsel)->hex();
  std::memcpy(address.sun_path, path.c_str(), path.size());
  BATON_REQUIRE(::connect(peer.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  return peer;
}

std::vector<std::byte> Stage::connect_request(bool over_tcp) const {
  transport::ConnectRequest request;
  request.local_reference = 77;
  request.proposed_size = cotp::TpduSize::Octets65531;
  if (over_tcp) request.selectors.called = *transport::Selector::from(as_bytes(tsel));
  const auto machine = transport::Connection::initiate(request, Instant{});
  const Bytes cr = machine->output();
  if (!over_tcp) return {cr.begin(), cr.end()};
  std::vector<std::byte> octets(cotp::tpkt_header_octets + cr.size());
  BATON_REQUIRE(cotp::encode_packet(cr, octets) == octets.size());
  return octets;
}

Stage::RawLink Stage::open_raw_link() const {
  RawLink link{connect_raw()};
  const auto cr = connect_request(false);
  BATON_REQUIRE(::send(link.peer.get(), cr.data(), cr.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(cr.size()));
  link.number = accept();
  return link;
}

Stage::Link Stage::open_link() const {
  Link link;
  link.active = soc_socket(AF_ISO, SOCK_STREAM, 0);
  int on = 1;
  BATON_REQUIRE(soc_ioctl(link.active, FIONBIO, &on) == 0);
  const sockaddr_iso own = iso_address("");
  const sockaddr_iso server = iso_address(tsel);
  BATON_REQUIRE(soc_bind(link.active, &own, sizeof own) == 0);
  BATON_REQUIRE(soc_connect(link.active, &server, sizeof server) == -1 && errno == EWOULDBLOCK);
  link.passive = accept();
  BATON_REQUIRE(soc_connect(link.active, &server, sizeof server) == 0);
  return link;
}

void Stage::refuse_all() const {
  for (int number = 0; number >= 0;) {
    number = soc_accept(listening_, nullptr, nullptr);
    if (number >= 0) BATON_REQUIRE(soc_close(number) == 0);
  }
}

void Stage::clear(const std::vector<int>& links, const std::vector<int>& others) {
  for (const int link : links) {
    (void)soc_abandon(link, 0);
    std::array<soc_move, 16> moves{};
    for (int count = 1; count > 0;) {
      count = soc_outcomes(link, moves.data(), moves.size(), 0);
      for (int i = 0; i < count; ++i) (void)soc_close(moves[static_cast<std::size_t>(i)].fd);
    }
  }
  for (const int number : others) (void)soc_close(number);
  for (const int link : links) (void)soc_close(link);
  // What came back when its link went.
  for (const int number : others)
    if (is_open(number)) (void)soc_close(number);
  if (standing_ == 0) {
    standing_ = count_open();
    return;
  }
  // The thread that reads outcomes lets go of its duplicate by itself.
  const Instant deadline = os::monotonic_now() + patience;
  while (count_open() > standing_ + most_lazily_made) {
    refuse_all();
    BATON_REQUIRE(os::monotonic_now() < deadline);
  }
}

}  // namespace baton::fuzz
