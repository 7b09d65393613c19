// SPDX-License-Identifier: MIT
// A hostile listener: what it sends instead of an end point, and frames that no listener sends. Floods: hostile_flood.
#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <functional>

#include "hostile.hpp"
#include "os/process.hpp"

namespace baton::system_tests {
namespace {

using handoff::Family;
using handoff::TakeOutcome;

class HostileListener : public Hostile {
 protected:
  void SetUp() override {
    Hostile::SetUp();
    peer_.emplace(folder_.path(), "S");
    link_to_peer_ = accept_from(*peer_);
  }
  void TearDown() override {
    close_in(*server_, {link_to_peer_});
    peer_.reset();
    Hostile::TearDown();
  }
  /// Called with an item that tells the truth about the descriptor, but for its kind.
  void expect_no_end_point(const char* what, int descriptor, Family family, Bytes image = {}) {
    SCOPED_TRACE(what);
    const UniqueFd sent{adopt, descriptor};
    ASSERT_TRUE(sent.valid()) << std::strerror(errno);
    handoff::CallItem item = described(descriptor, family);
    item.iso_image = static_cast<std::uint32_t>(image.size());
    const auto call = call_frame_of(++move_, false, {&item, 1}, image);
    const Step seen = accepted(*peer_, link_to_peer_, move_);
    // Newer kernels let no descriptor of io_uring travel at all.
    const bool let_out = peer_->send(call, descriptor);
    ASSERT_TRUE(let_out || errno == EINVAL) << std::strerror(errno);
    EXPECT_TRUE(let_out || peer_->send(call)) << std::strerror(errno);
    EXPECT_ERRNO(EPROTO,
                 server_->call([=, link = link_to_peer_] { return system_tests::take(link, seen.header); }).value);
    EXPECT_EQ(outcome_in(peer_->receive_frame(5)), let_out ? TakeOutcome::WrongKind : TakeOutcome::NoDescriptor);
    close_in(*server_, {seen.header.fd_server});
  }
  Step take_after(const Step& seen) {
    return server_->call([=, link = link_to_peer_] { return system_tests::take(link, seen.header); }).value;
  }
  /// soc_take of at most two; how many came, and the number of the first.
  struct Taken {
    int count;
    int number;
  };
  Taken take_express() {
    return server_
        ->call([link = link_to_peer_] {
          soc_move moves[2] = {};
          const int count = soc_take(link, moves, 2, 20'000);
          return Taken{count, count > 0 ? moves[0].fd : -1};
        })
        .value;
  }
  void announce_credit(int count) {
    EXPECT_EQ(server_->call([=, link = link_to_peer_] { return soc_credit(link, count); }).value, count);
  }

  std::optional<RawPeer> peer_;
  int link_to_peer_ = -1;
  std::uint64_t move_ = 100;
};

int pipe_end() {
  int pair[2];
  if (::pipe2(pair, O_CLOEXEC) != 0) return -1;
  ::close(pair[1]);
  return pair[0];
}

int pair_end(int type) {
  int pair[2];
  if (::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair) != 0) return -1;
  ::close(pair[1]);
  return pair[0];
}

// Plain calls: the test's own process knows no library.
int listening_tcp() {
  const int made = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  return ::listen(made, 1) == 0 ? made : -1;  // at a port that the kernel chooses
}

int multipath() {
  const int made = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_MPTCP);
  // Where the kernel has none, a raw one stands for it.
  return made >= 0 ? made : ::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_TCP);
}

int ring() {
  alignas(8) char parameters[512] = {};
  const int made = static_cast<int>(::syscall(SYS_io_uring_setup, 2, parameters));
  // Where this system has none, something else that is no socket stands for it.
  return made >= 0 ? made : ::eventfd(0, EFD_CLOEXEC);
}

TEST_F(HostileListener, WhatIsNoTcpConnectionIsRefusedAndClosed) {
  const std::pair<const char*, std::function<int()>> things[] = {
      {"pipe", pipe_end},
      {"regular file", [] { return ::open("/proc/self/exe", O_RDONLY | O_CLOEXEC); }},
      {"folder", [] { return ::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC); }},
      {"path", [] { return ::open("/", O_PATH | O_CLOEXEC); }},
      {"device", [] { return ::open("/dev/null", O_RDWR | O_CLOEXEC); }},
      {"memory", [] { return ::memfd_create("large", MFD_CLOEXEC); }},
      {"event", [] { return ::eventfd(0, EFD_CLOEXEC); }},
      {"epoll", [] { return ::epoll_create1(EPOLL_CLOEXEC); }},
      {"inotify", [] { return ::inotify_init1(IN_CLOEXEC); }},
      {"io_uring", ring},
      {"pidfd", [] { return os::open_pidfd(::getpid()).value_or(UniqueFd{}).release(); }},
      {"UDP", [] { return ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0); }},
      {"MPTCP", multipath},
      {"netlink", [] { return ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE); }},
      {"AF_UNIX stream", [] { return pair_end(SOCK_STREAM); }},
      {"AF_UNIX datagram", [] { return pair_end(SOCK_DGRAM); }},
      {"AF_UNIX seqpacket", [] { return pair_end(SOCK_SEQPACKET); }},
      {"IPv6", [] { return ::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0); }},
      {"not connected", [] { return ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); }},
      {"listening", listening_tcp},
  };
  for (const auto& [what, make] : things) expect_no_end_point(what, make(), Family::Inet);
}

TEST_F(HostileListener, WhatIsNoConnectionWithinTheHostIsRefusedAndClosed) {
  const auto image = local_image();
  const std::pair<const char*, std::function<int()>> things[] = {
      {"pipe", pipe_end},
      {"AF_UNIX stream", [] { return pair_end(SOCK_STREAM); }},
      {"AF_UNIX datagram", [] { return pair_end(SOCK_DGRAM); }},
      {"not connected", [] { return ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0); }},
      {"listening",
       [] {
         const int made = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
         const sockaddr nameless{AF_UNIX, {}};
         return ::bind(made, &nameless, sizeof nameless.sa_family) == 0 && ::listen(made, 1) == 0 ? made : -1;
       }},
      {"TCP", [] { return ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); }},
  };
  for (const auto& [what, make] : things) expect_no_end_point(what, make(), Family::Iso, image);
}

TEST_F(HostileListener, AnImageThatIsNoneIsRefused) {
  auto another_version = local_image();
  another_version[0] = std::byte{99};
  expect_no_end_point("another version", pair_end(SOCK_SEQPACKET), Family::Iso, another_version);
  auto another_carrier = local_image();
  another_carrier[1] = std::byte{99};
  expect_no_end_point("another carrier", pair_end(SOCK_SEQPACKET), Family::Iso, another_carrier);
  const auto whole = local_image();
  expect_no_end_point("cut", pair_end(SOCK_SEQPACKET), Family::Iso, Bytes{whole}.first(whole.size() / 2));
  expect_no_end_point("huge", pair_end(SOCK_SEQPACKET), Family::Iso, std::vector<std::byte>(130'000, std::byte{1}));
}

TEST_F(HostileListener, AnEndPointWithAnUpperLayerIsRefused) {
  const Connection layered = connect_client();
  // Where the kernel has no TLS, the plain socket is taken instead.
  const bool has_tls = ::setsockopt(layered.client.get(), SOL_TCP, TCP_ULP, "tls", sizeof "tls") == 0;
  if (has_tls) expect_no_end_point("kTLS", ::fcntl(layered.client.get(), F_DUPFD_CLOEXEC, 3), Family::Inet);
  close_in(*listener_, {layered.number});
}

TEST_F(HostileListener, P37AnotherCookieAndAnotherPositionAreRefused) {
  const Connection stranger = connect_client();
  handoff::CallItem item = described(stranger.client.get());
  ++item.image.cookie;
  expect_refused(*peer_, link_to_peer_, call_frame_of(++move_, false, {&item, 1}), {stranger.client.get()},
                 TakeOutcome::WrongCookie, EPROTO);
  item = described(stranger.client.get());
  ++item.image.position.consumed;
  expect_refused(*peer_, link_to_peer_, call_frame_of(++move_, false, {&item, 1}), {stranger.client.get()},
                 TakeOutcome::Touched, EUCLEAN);
  item = described(stranger.client.get());
  item.image.position.tcp_state = 200;
  ++item.image.position.written;
  expect_refused(*peer_, link_to_peer_, call_frame_of(++move_, false, {&item, 1}), {stranger.client.get()},
                 TakeOutcome::Touched, EUCLEAN);
  item = described(stranger.client.get());
  item.family = Family::Inet6;
  expect_refused(*peer_, link_to_peer_, call_frame_of(++move_, false, {&item, 1}), {stranger.client.get()},
                 TakeOutcome::WrongKind, EPROTO);
  item = described(stranger.client.get());
  item.kind = handoff::Kind::ListeningSocket;
  expect_refused(*peer_, link_to_peer_, call_frame_of(++move_, false, {&item, 1}), {stranger.client.get()},
                 TakeOutcome::WrongKind, EPROTO);
  // The truth is taken.
  item = described(stranger.client.get());
  const Step seen = accepted(*peer_, link_to_peer_, ++move_);
  EXPECT_TRUE(peer_->send(call_frame_of(move_, false, {&item, 1}), stranger.client.get()));
  const Step taken = take_after(seen);
  EXPECT_TRUE(taken.ok()) << taken.text;
  EXPECT_EQ(outcome_in(peer_->receive_frame(5)), TakeOutcome::Taken);
  close_in(*server_, {taken.header.fd_server});
  close_in(*listener_, {stranger.number});
}

TEST_F(HostileListener, MoreOrFewerDescriptorsThanOneAreRefused) {
  const Connection one = connect_client();
  const Connection other = connect_client();
  const handoff::CallItem item = described(one.client.get());
  expect_refused(*peer_, link_to_peer_, call_frame_of(++move_, false, {&item, 1}), {}, TakeOutcome::NoDescriptor,
                 EPROTO);
  expect_refused(*peer_, link_to_peer_, call_frame_of(++move_, false, {&item, 1}),
                 {one.client.get(), other.client.get()}, TakeOutcome::NoDescriptor, EPROTO);
  const std::vector<int> many(253, one.client.get());
  const Step seen = accepted(*peer_, link_to_peer_, ++move_);
  EXPECT_TRUE(peer_->send_with(call_frame_of(move_, false, {&item, 1}), many));
  EXPECT_ERRNO(EPROTO, take_after(seen));
  close_in(*server_, {seen.header.fd_server});
  for (const Connection* each : {&one, &other}) {
    expect_serves(*listener_, each->number, *each);
    close_in(*listener_, {each->number});
  }
}

TEST_F(HostileListener, ABatchIsTakenAsFarAsItIsTrue) {
  announce_credit(4);
  const Connection one = connect_client();
  const Connection other = connect_client();
  // The same end point twice, one that is another, one without descriptor.
  handoff::CallItem items[4] = {described(one.client.get()), described(one.client.get()), described(one.client.get()),
                                described(other.client.get())};
  const int descriptors[] = {one.client.get(), one.client.get(), other.client.get()};
  EXPECT_TRUE(peer_->send_with(call_frame_of(++move_, true, items), descriptors));
  const Taken taken = take_express();
  EXPECT_EQ(taken.count, 1);
  EXPECT_EQ(outcome_in(peer_->receive_frame(5)), TakeOutcome::NoDescriptor);
  const auto answers = peer_->receive_frame(5);
  const auto frame = handoff::decode(answers);
  ASSERT_TRUE(frame.has_value());
  const auto& outcomes = std::get<handoff::Taken>(frame->body).items;
  ASSERT_EQ(outcomes.size(), 3U);
  EXPECT_EQ(outcomes[0].outcome, TakeOutcome::Taken);
  EXPECT_EQ(outcomes[1].outcome, TakeOutcome::WrongCookie);
  EXPECT_EQ(outcomes[2].outcome, TakeOutcome::WrongCookie);
  close_in(*server_, {taken.number});
  close_in(*listener_, {one.number, other.number});
}

TEST_F(HostileListener, ABatchBeyondTheCreditIsRefused) {
  announce_credit(1);
  const Connection one = connect_client();
  const std::vector<handoff::CallItem> items(252, described(one.client.get()));
  EXPECT_TRUE(peer_->send_with(call_frame_of(++move_, true, items), std::vector<int>(252, one.client.get())));
  const Taken taken = take_express();
  EXPECT_EQ(taken.count, 1);
  EXPECT_EQ(outcome_in(peer_->receive_frame(5)), TakeOutcome::NoCredit);
  close_in(*server_, {taken.number});
  close_in(*listener_, {one.number});
}

TEST_F(HostileListener, AnIsoEndPointThatIsHereDoesNotComeAgain) {
  int pair[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
  const UniqueFd moved{adopt, pair[0]};
  const RawPeer far{UniqueFd{adopt, pair[1]}};
  const auto image = local_image();
  handoff::CallItem item = described(moved.get(), Family::Iso);
  item.iso_image = static_cast<std::uint32_t>(image.size());
  announce_credit(2);
  EXPECT_TRUE(peer_->send(call_frame_of(++move_, true, {&item, 1}, image), moved.get()));
  const Taken taken = take_express();
  ASSERT_EQ(taken.count, 1);
  EXPECT_EQ(outcome_in(peer_->receive_frame(5)), TakeOutcome::Taken);
  expect_refused(*peer_, link_to_peer_, call_frame_of(++move_, false, {&item, 1}, image), {moved.get()},
                 TakeOutcome::WrongKind, EPROTO);
  // What came first goes on as what it is.
  EXPECT_EQ(server_->call([number = taken.number] { return soc_write(number, "iso", 3); }).value, 3);
  EXPECT_EQ(far.receive().size(), 6U);
  close_in(*server_, {taken.number});
}

TEST_F(HostileListener, DescriptorsWithEveryOtherFrameAreClosed) {
  const Step seen = accepted(*peer_, link_to_peer_, ++move_);  // from here on S lets descriptors in
  const std::vector<int> many(253, 0);
  const std::vector<std::vector<std::byte>> frames{hello_frame(),        answer_frame(7),        taken_frame(7),
                                                   cancel_frame(7),      cancelled_frame(7),     credit_frame(7),
                                                   call_frame(7, false), call_frame(7, true, 2), data_message(10)};
  for (const auto& frame : frames) EXPECT_TRUE(peer_->send_with(frame, many)) << std::strerror(errno);
  EXPECT_EQ(poll(*server_, link_to_peer_, 0).value, 1);
  EXPECT_EQ(server_
                ->call([link = link_to_peer_] {
                  char octets[16];
                  return soc_read(link, octets, sizeof octets);
                })
                .value,
            10);
  close_in(*server_, {seen.header.fd_server});
}

TEST_F(HostileListener, ASocketThatLingersHoldsUpNobodyWhoClosesIt) {
  // The sender's buffer is full and the client does not read: a close with SO_LINGER waits.
  Connection connection = connect_client();
  UniqueFd lingering{adopt, ::fcntl(connection.client.get(), F_DUPFD_CLOEXEC, 3)};
  const linger minute{1, 60};
  ASSERT_EQ(::setsockopt(lingering.get(), SOL_SOCKET, SO_LINGER, &minute, sizeof minute), 0);
  const std::string octets(1U << 16U, 'x');
  while (::send(lingering.get(), octets.data(), octets.size(), MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
  }
  const Step seen = accepted(*peer_, link_to_peer_, ++move_);
  handoff::CallItem item = described(lingering.get());
  ++item.image.cookie;
  EXPECT_TRUE(peer_->send(call_frame_of(move_, false, {&item, 1}), lingering.get()));
  // S's is the last: the test lets go of both.
  linger still_on{};
  socklen_t size = sizeof still_on;
  EXPECT_EQ(::getsockopt(lingering.get(), SOL_SOCKET, SO_LINGER, &still_on, &size), 0);
  EXPECT_EQ(still_on.l_linger, 60);
  connection.client.reset();
  lingering.reset();
  auto taking = server_->start([=, link = link_to_peer_] { return system_tests::take(link, seen.header); });
  EXPECT_TRUE(taking.done(10'000)) << "the close waits";
  EXPECT_ERRNO(EPROTO, taking.get().value);
  close_in(*server_, {seen.header.fd_server});
  close_in(*listener_, {connection.number});
}

TEST_F(HostileListener, AnEndPointThatRaisesSignalsRaisesNoneHere) {
  const Connection connection = connect_client();
  // The listening side's end point moves, so the test plays L with what the client has.
  const int number = connection.client.get();
  ASSERT_EQ(::fcntl(number, F_SETOWN, server_->pid()), 0);
  ASSERT_EQ(::fcntl(number, F_SETFL, ::fcntl(number, F_GETFL) | O_ASYNC), 0);
  const Step seen = accepted(*peer_, link_to_peer_, ++move_);
  const handoff::CallItem item = described(number);
  EXPECT_TRUE(peer_->send(call_frame_of(move_, false, {&item, 1}), number));
  const Step taken = take_after(seen);
  EXPECT_TRUE(taken.ok()) << taken.text;
  EXPECT_EQ(listener_->call([to = connection.number] { return soc_send(to, "octets", 6, 0); }).value, 6);
  EXPECT_EQ(server_
                ->call([from = taken.header.fd_server] {
                  char octets[8];
                  return soc_recv(from, octets, sizeof octets, 0);  // SIGIO would have ended S
                })
                .value,
            6);
  close_in(*server_, {taken.header.fd_server});
  close_in(*listener_, {connection.number});
}

TEST_F(HostileListener, AnOfferWithTooManyOctetsEndsTheLink) {
  handoff::Description description;
  std::vector<std::byte> frame(handoff::small_frame);
  const std::size_t head = handoff::encode_head(frame, ++move_, description, handoff::max_user_data).size();
  frame.resize(head + handoff::max_user_data + 1);
  // One octet more than the limit, and both lengths say so.
  const auto grow = [&](std::size_t at) {
    std::size_t length = 0;
    for (std::size_t i = 0; i < 4; ++i) length = length << 8U | std::to_integer<std::size_t>(frame[at + i]);
    ++length;
    for (std::size_t i = 0; i < 4; ++i) frame[at + 3 - i] = static_cast<std::byte>(length >> 8U * i & 0xffU);
  };
  grow(4);
  grow(head - 4);
  EXPECT_TRUE(peer_->send(frame));
  EXPECT_ERRNO(EPROTO, look_for_offer(*server_, link_to_peer_));
}

TEST_F(HostileListener, AHelloThatMakesNoSenseEndsTheLinkOrChangesNothing) {
  const auto answer_to = [this](const std::vector<std::byte>& hello) {
    RawPeer peer{folder_.path(), "S"};
    peer.request();
    const int link = server_->call([listening = listening_] { return accept_iso(listening); }).value;
    EXPECT_FALSE(peer.receive().empty());
    EXPECT_TRUE(peer.send(hello));
    const int error = look_for_offer(*server_, link, MSG_DONTWAIT).error;
    close_in(*server_, {link});
    return error;
  };
  for (const auto& [lowest, highest] : {std::pair{0, 0}, {0, 1}, {5, 3}, {2, 1}, {2, 255}, {255, 255}})
    EXPECT_EQ(answer_to(hello_frame(static_cast<std::uint8_t>(lowest), static_cast<std::uint8_t>(highest))), EPROTO);
  EXPECT_EQ(answer_to(hello_frame(1, 255)), EAGAIN);
  auto empty = cancel_frame(0);  // no fields
  empty[2] = std::byte{1};
  EXPECT_EQ(answer_to(empty), EPROTO);
  handoff::Hello large;
  large.features = large.credit = large.largest_frame = large.process = large.user = ~0U;
  std::vector<std::byte> room(handoff::small_frame);
  room.resize(handoff::encode(room, large).size());
  EXPECT_EQ(answer_to(room), EAGAIN);
  large.largest_frame = 0;
  std::vector<std::byte> none(handoff::small_frame);
  none.resize(handoff::encode(none, large).size());
  EXPECT_EQ(answer_to(none), EAGAIN);
}

TEST_F(HostileListener, AHalfClosedLinkIsOver) {
  const Step seen = accepted(*peer_, link_to_peer_, ++move_);
  const Connection connection = connect_client();
  const handoff::CallItem item = described(connection.client.get());
  // Nothing of L's is read any more: neither S's refusals nor S's TAKEN raise SIGPIPE.
  ASSERT_EQ(::shutdown(peer_->number(), SHUT_RD), 0);
  EXPECT_TRUE(peer_->send(call_frame(999, false), 0));
  EXPECT_TRUE(peer_->send(offer_frame(++move_)));
  EXPECT_TRUE(peer_->send(call_frame_of(move_ - 1, false, {&item, 1}), connection.client.get()));
  ASSERT_EQ(::shutdown(peer_->number(), SHUT_WR), 0);
  EXPECT_FALSE(peer_->send(offer_frame(++move_)));
  // A CALL that came whole is S's: L cannot hear of it, and does not need to.
  const Step taken = take_after(seen);
  EXPECT_TRUE(taken.ok()) << taken.text;
  // An OFFER is none any more.
  EXPECT_ERRNO(ECONNRESET, look_for_offer(*server_, link_to_peer_));
  close_in(*server_, {taken.header.fd_server});
  close_in(*listener_, {connection.number});
}

TEST_F(HostileListener, OffersNeverFollowedAreRefusedFromSomeNumberOn) {
  constexpr unsigned long limit = 1024;
  server_->call([] {
    rlimit set{};
    ::getrlimit(RLIMIT_NOFILE, &set);
    set.rlim_cur = limit;
    return ::setrlimit(RLIMIT_NOFILE, &set);
  });
  EXPECT_EQ(poll(*server_, link_to_peer_, 0).value, 0);  // from the HELLO on S holds a pidfd of the listener
  const std::size_t before = server_->descriptors();
  std::vector<int> numbers;
  for (unsigned i = 0; i < 1'000 && numbers.size() == i; ++i) {
    EXPECT_TRUE(peer_->send(offer_frame(++move_)));
    const Step seen = look_for_offer(*server_, link_to_peer_, MSG_DONTWAIT);
    if (!seen.ok()) break;
    EXPECT_STEP(server_->call([=, link = link_to_peer_] { return system_tests::answer(link, seen.header, 0); }).value);
    numbers.push_back(seen.header.fd_server);
  }
  EXPECT_EQ(numbers.size(), limit / 8);
  EXPECT_LE(server_->descriptors(), before + limit / 4);
  // The program heard nothing of the one too many, and the listener hears why.
  std::vector<std::byte> answer;
  for (std::size_t i = 0; i <= numbers.size(); ++i) answer = peer_->receive_frame(3);
  const auto frame = handoff::decode(answer);
  ASSERT_TRUE(frame.has_value());
  EXPECT_EQ(std::get<handoff::Answer>(frame->body).bind_ok, REDBIND_NO_DESCRIPTOR);
  for (const int number : numbers) close_in(*server_, {number});
}

}  // namespace
}  // namespace baton::system_tests
