// SPDX-License-Identifier: MIT
#include "seed/matrix_roles.hpp"

#include <netinet/tcp.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "os/test_support.hpp"
#include "support/seed_steps.hpp"
#include "support/sockets.hpp"

namespace baton::test {
namespace {

constexpr std::string_view server_name = "matrix";
constexpr std::size_t chunk = 16384;
/// What is sent outside of the streams' special part, in either direction.
constexpr std::uint64_t plain_part = 100'000;
/// What flows before the offer, and at least what flows after the take, where a stream never stops.
constexpr std::uint64_t before_move = 65'536;
constexpr std::uint64_t after_move = 1'000'000;
/// PartRead: what the listener has read.
constexpr std::size_t read_part = 10'000;

using Chunk = std::array<std::byte, chunk>;

/// What the server has to know to go on with both streams.
struct Handover {
  std::uint64_t cookie = 0;
  Tally received;
  Tally sent;
};

MutableBytes octets_of(Handover& handover) { return std::as_writable_bytes(std::span{&handover, 1}); }

// --- Client ----------------------------------------------------------------------------------------------------------

class Client {
 public:
  Client(const Cell& cell, std::uint16_t port, unsigned move, const Stage& stage)
      : stage_{stage},
        move_{move},
        socket_{tcp_connect(cell.family, port)},
        names_{local_name(socket_.get()) + peer_name(socket_.get())},
        cookie_{cookie_of(socket_.get())},
        sending_{upward(move)},
        receiving_{downward(move)} {}

  void act(Doing doing) {
    switch (doing) {
      case Doing::ClientIdle:
        (void)stage_.taken.receive();
        send(plain_part);
        break;
      case Doing::ClientSends:
        while (!stage_.taken.has_mail()) send(chunk);
        (void)stage_.taken.receive();
        break;
      case Doing::HalfClosed:
        send(plain_part);
        end_sending();
        stage_.client_done.send(0);
        (void)stage_.taken.receive();
        break;
      case Doing::PartRead:
        send(plain_part);
        stage_.client_done.send(0);
        (void)stage_.taken.receive();
        send(plain_part);
        break;
      case Doing::ClientReceives:
        while (receiving_.tally().octets < before_move) require(receive() > 0, "no end of file before the move");
        stage_.under_way.send(0);
        receive_to_the_end();
        (void)stage_.taken.receive();
        send(plain_part);
        break;
      case Doing::UnsentOutput:
        (void)stage_.taken.receive();
        receive_to_the_end();
        send(plain_part);
        break;
    }
    end_sending();
    receive_to_the_end();
    check_one_connection();
    (*stage_.accounts)[move_].client_sent = sending_.tally();
    (*stage_.accounts)[move_].client_received = receiving_.tally();
  }

 private:
  void send(std::uint64_t octets) {
    Chunk buffer;
    while (octets > 0) {
      const auto part = MutableBytes{buffer}.first(std::min<std::uint64_t>(octets, buffer.size()));
      sending_.peek(part);
      write_all(socket_.ref(), part);
      sending_.written(part);
      octets -= part.size();
    }
  }
  void end_sending() {
    if (sending_ended_) return;
    sending_ended_ = true;
    // In all cells but HalfClosed this is after the move. Later the kernel forgets the names when the other side
    // closes.
    require(local_name(socket_.get()) + peer_name(socket_.get()) == names_, "the client sees the same two ends");
    checked(::shutdown(socket_.get(), SHUT_WR), "shutdown");
  }
  std::size_t receive() {
    Chunk buffer;
    const std::size_t size = test::read_some(socket_.ref(), buffer);
    receiving_.read(Bytes{buffer}.first(size));
    return size;
  }
  void receive_to_the_end() {
    while (receive() > 0) {
    }
  }
  void check_one_connection() const {
    int error = -1;
    socklen_t size = sizeof error;
    checked(::getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &size), "getsockopt(SO_ERROR)");
    require(error == 0, "the client's socket knows no error");
    require(cookie_of(socket_.get()) == cookie_, "it is the socket that was connected");
  }

  const Stage& stage_;
  unsigned move_;
  UniqueFd socket_;
  std::string names_;
  std::uint64_t cookie_;
  Producer sending_;
  Checker receiving_;
  bool sending_ended_ = false;
};

// --- Listener --------------------------------------------------------------------------------------------------------

/// The listener's service of one connection until it is moved.
class Service {
 public:
  Service(const Steps& steps, EndPoint client, unsigned move)
      : steps_{steps}, client_{client}, receiving_{upward(move)}, sending_{downward(move)} {}

  void receive(std::size_t at_most) {
    Chunk buffer;
    const auto room = MutableBytes{buffer}.first(std::min(at_most, buffer.size()));
    const std::size_t size = steps_.read_some(client_.number, room);
    require(size > 0, "no end of file before the move");
    receiving_.read(Bytes{buffer}.first(size));
  }
  void send(std::uint64_t octets) {
    Chunk buffer;
    while (octets > 0) {
      const auto part = MutableBytes{buffer}.first(std::min<std::uint64_t>(octets, buffer.size()));
      sending_.peek(part);
      steps_.write_all(client_.number, part);
      sending_.written(part);
      octets -= part.size();
    }
  }
  /// Until the kernel takes no more.
  void send_without_reader() {
    Chunk buffer;
    for (;;) {
      sending_.peek(buffer);
      const ssize_t sent = soc_send(client_.number, buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (sent < 0 && errno == EWOULDBLOCK) return;
      sending_.written(Bytes{buffer}.first(static_cast<std::size_t>(checked(sent, "soc_send"))));
    }
  }
  /// What one wake-up gives.
  void serve_once(Doing doing) {
    Chunk buffer;
    if (doing == Doing::ClientReceives) {
      sending_.peek(buffer);
      const ssize_t sent = soc_write(client_.number, buffer.data(), buffer.size());
      if (sent < 0 && errno == EWOULDBLOCK) return;
      sending_.written(Bytes{buffer}.first(static_cast<std::size_t>(checked(sent, "soc_write"))));
    } else {
      const ssize_t size = soc_read(client_.number, buffer.data(), buffer.size());
      if (size < 0 && errno == EWOULDBLOCK) return;
      require(checked(size, "soc_read") > 0, "no end of file before the move");
      receiving_.read(Bytes{buffer}.first(static_cast<std::size_t>(size)));
    }
  }
  [[nodiscard]] const Tally& received() const { return receiving_.tally(); }
  [[nodiscard]] const Tally& sent() const { return sending_.tally(); }

 private:
  const Steps& steps_;
  EndPoint client_;
  Checker receiving_;
  Producer sending_;
};

/// Brings the connection to where the cell wants it before the offer; gives the octets to offer.
std::vector<std::byte> prepare(Doing doing, EndPoint client, Service& service, const Steps& steps, const Stage& stage) {
  std::vector<std::byte> offered;
  switch (doing) {
    case Doing::ClientIdle:
      break;
    case Doing::ClientSends:
      while (service.received().octets < before_move) service.receive(chunk);
      break;
    case Doing::ClientReceives:
      service.send(before_move);
      (void)stage.under_way.receive();
      break;
    case Doing::HalfClosed:
      (void)stage.client_done.receive();
      require(os::testing::eventually([&] { return tcp_state_of(client.number) == TCP_CLOSE_WAIT; }),
              "the client's end of file has arrived");
      break;
    case Doing::PartRead:
      (void)stage.client_done.receive();
      offered.resize(read_part);
      steps.read_all(client.number, offered);
      break;
    case Doing::UnsentOutput:
      service.send_without_reader();
      require(unsent_octets(client.number) > 0, "the kernel holds output");
      break;
  }
  return offered;
}

/// Waits for the answer. Who can wait for two things serves the client meanwhile; with epoll the end point is
/// deregistered before the offer, as the manual asks.
void await_answer(const Cell& cell, int link, EndPoint client, Service& service, const Steps& steps) {
  const bool streams = cell.doing == Doing::ClientSends || cell.doing == Doing::ClientReceives;
  if (!streams || (cell.waits != Waits::Select && cell.waits != Waits::SocPoll)) {
    (void)steps.await_answer(link, client);
    return;
  }
  const short wanted = cell.doing == Doing::ClientReceives ? POLLOUT : POLLIN;
  cmsg_redhdr header;
  for (;;) {
    std::array<pollfd, 2> entries{pollfd{link, POLLIN, 0}, pollfd{client.number, wanted, 0}};
    steps.waiter().wait(entries);
    if (entries[0].revents != 0 && steps.try_answer(link, client, header)) return;
    if (entries[1].revents != 0) service.serve_once(cell.doing);
  }
}

void move_one(const Cell& cell, const Stage& stage, const Steps& steps, int link, EndPoint client, unsigned move) {
  Service service{steps, client, move};
  const std::vector<std::byte> offered = prepare(cell.doing, client, service, steps, stage);
  Handover handover{.cookie = cookie_of(client.number), .received = {}, .sent = {}};
  steps.offer(link, client, offered);
  await_answer(cell, link, client, service, steps);
  handover.received = service.received();
  handover.sent = service.sent();
  steps.write_all(link, octets_of(handover));
  steps.call(link, client);
  if (waits_for_outcome(move)) (void)steps.await_outcome(link, client);
  checked(soc_close(client.number), "soc_close of the accept descriptor");
}

// --- Server ----------------------------------------------------------------------------------------------------------

class Server {
 public:
  Server(const Steps& steps, EndPoint client, const Handover& handover, unsigned move)
      : steps_{steps},
        client_{client},
        receiving_{upward(move), handover.received},
        sending_{downward(move), handover.sent} {}

  void offered(Bytes octets) { receiving_.read(octets); }
  void serve(Doing doing, const Stage& stage) {
    if (doing == Doing::ClientSends)
      for (const auto until = receiving_.tally().octets + after_move; receiving_.tally().octets < until;)
        require(receive() > 0, "the client never stops sending");
    if (doing != Doing::ClientReceives) stage.taken.send(0);
    if (doing == Doing::ClientReceives || doing == Doing::UnsentOutput) {
      send(after_move);
      checked(soc_shutdown(client_.number, SHUT_WR), "soc_shutdown");
      if (doing == Doing::ClientReceives) stage.taken.send(0);
      receive_to_the_end();
    } else {
      receive_to_the_end();
      send(plain_part);
    }
    checked(soc_close(client_.number), "soc_close of the end point");
  }
  [[nodiscard]] const Tally& received() const { return receiving_.tally(); }
  [[nodiscard]] const Tally& sent() const { return sending_.tally(); }

 private:
  std::size_t receive() {
    Chunk buffer;
    const std::size_t size = steps_.read_some(client_.number, buffer);
    receiving_.read(Bytes{buffer}.first(size));
    return size;
  }
  void receive_to_the_end() {
    while (receive() > 0) {
    }
  }
  void send(std::uint64_t octets) {
    Chunk buffer;
    while (octets > 0) {
      const auto part = MutableBytes{buffer}.first(std::min<std::uint64_t>(octets, buffer.size()));
      sending_.peek(part);
      steps_.write_all(client_.number, part);
      sending_.written(part);
      octets -= part.size();
    }
  }

  const Steps& steps_;
  EndPoint client_;
  Checker receiving_;
  Producer sending_;
};

/// False: the link has ended.
bool take_one(const Cell& cell, const Stage& stage, const Steps& steps, int link, unsigned move) {
  std::array<std::byte, read_part> room;
  const bool with_octets = cell.doing == Doing::PartRead;
  auto offered = steps.await_offer(link, with_octets ? MutableBytes{room} : MutableBytes{});
  if (!offered) return false;
  require(offered->octets == (with_octets ? read_part : 0), "the offer brings what the listener has read");
  require(offered->header.domain == cell.family, "the offer tells of the family");
  steps.answer(link, *offered);
  Handover handover;
  steps.read_all(link, octets_of(handover));
  const EndPoint client = steps.take(link, *offered);

  require(cookie_of(client.number) == handover.cookie, "it is the very socket of the listener");
  const auto port = static_cast<std::uint16_t>(offered->header.redhdr_red_ctcp.port);
  if (const std::string name = peer_name(client.number); !name.ends_with(":" + std::to_string(port)))
    fail("the header says port " + std::to_string(port) + ", the client is " + name);

  Server server{steps, client, handover, move};
  server.offered(Bytes{room}.first(offered->octets));
  server.serve(cell.doing, stage);
  (*stage.accounts)[move].served_received = server.received();
  (*stage.accounts)[move].served_sent = server.sent();
  return true;
}

/// Descriptors open once the library has what it keeps for the whole process.
std::size_t descriptors_before() {
  checked(soc_close(checked(soc_socket(AF_ISO, SOCK_STREAM, 0), "soc_socket")), "soc_close");
  return os::testing::open_descriptors();
}

/// Nothing may be left open that was not open before. The outcome of the last moves may still be under way.
void check_descriptors(std::size_t before, std::size_t kept_by_library) {
  const bool settled = os::testing::eventually([&] {
    const std::size_t now = os::testing::open_descriptors();
    return now >= before && now <= before + kept_by_library;
  });
  if (!settled) fail("not " + std::to_string(before) + " descriptors as before: " + described_descriptors());
}

}  // namespace

const char* name_of(Doing doing) noexcept {
  switch (doing) {
    case Doing::ClientIdle:
      return "ClientIdle";
    case Doing::ClientSends:
      return "ClientSends";
    case Doing::ClientReceives:
      return "ClientReceives";
    case Doing::HalfClosed:
      return "HalfClosed";
    case Doing::PartRead:
      return "PartRead";
    case Doing::UnsentOutput:
      return "UnsentOutput";
  }
  return "";
}

void run_client(const Cell& cell, const Stage& stage) {
  const auto port = static_cast<std::uint16_t>(stage.port.receive());
  for (unsigned move = 0; move < moves; ++move) Client{cell, port, move, stage}.act(cell.doing);
}

void run_listener(const Cell& cell, const Stage& stage) {
  const Steps steps{cell.waits};
  const UniqueFd listening = tcp_listen(cell.family);
  const std::size_t before = descriptors_before();
  (void)stage.server_ready.receive();
  stage.port.send(port_of(listening.ref()));
  int link = -1;
  for (unsigned move = 0; move < moves; ++move) {
    if (link < 0) link = steps.connect(server_name);
    const EndPoint client = end_point(checked(soc_accept(listening.get(), nullptr, nullptr), "soc_accept"));
    steps.waiter().prepare(client.number);
    move_one(cell, stage, steps, link, client, move);
    if (keeps_link(move)) continue;
    checked(soc_close(link), "soc_close of the link");
    link = -1;
  }
  check_descriptors(before, 1);  // the thread that reads outcomes keeps an event
}

void run_server(const Cell& cell, const Stage& stage) {
  const Steps steps{cell.waits};
  const std::size_t before = descriptors_before();
  const int listening = steps.listen(server_name);
  stage.server_ready.send(0);
  for (unsigned move = 0; move < moves;) {
    const int link = steps.accept(listening);
    while (take_one(cell, stage, steps, link, move)) ++move;
    checked(soc_close(link), "soc_close of the link");
  }
  checked(soc_close(listening), "soc_close of the AF_ISO listening socket");
  check_descriptors(before, 0);
}

}  // namespace baton::test
