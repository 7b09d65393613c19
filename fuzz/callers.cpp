// SPDX-License-Identifier: MIT
// A careless caller: both ends of a link, end points, and calls whose structures, lengths, flags and numbers are
// whatever the octets make of them. Pointers are valid for as much as is said, or null.
//
// Each step is an octet and what it needs. Header fields begin as the seed has them, and then some are changed.
#include <sys/ioctl.h>

#include <array>
#include <vector>

#include "fuzz/stage.hpp"

namespace baton::fuzz {
namespace {

constexpr std::size_t most_end_points = 8;
constexpr std::array types{TPOPT_REDI_DATA, TPOPT_REDI_BDOK, TPOPT_REDI_CALL};

class Caller {
 public:
  explicit Caller(Input& input) : input_{input}, link_{Stage::the().open_link()} {}
  ~Caller() {
    clients_.clear();
    Stage::the().clear({link_.active, link_.passive}, numbers_);
  }
  Caller(const Caller&) = delete;
  Caller& operator=(const Caller&) = delete;

  void step() {
    switch (input_.u8() % 12) {
      case 0:
        return send_message();
      case 1:
        return receive_message();
      case 2:
        return set_option();
      case 3:
        return get_option();
      case 4:
        return data();
      case 5:
        return names();
      case 6:
        return poll();
      case 7:
        return select();
      case 8:
        return express();
      case 9:
        return small_calls();
      case 10:
        return close();
      case 11:
        return open_end_point();
    }
  }

 private:
  // --- Numbers -------------------------------------------------------------------------------------------------------
  void open_end_point() {
    if (numbers_.size() >= most_end_points) return;
    TcpPair pair = connect_tcp();
    numbers_.push_back(pair.server.release());
    clients_.push_back(std::move(pair.client));
  }
  int link() { return (input_.u8() & 1) == 0 ? link_.active : link_.passive; }
  int end_point() { return numbers_.empty() ? -1 : numbers_[input_.u8() % numbers_.size()]; }
  int any_number() {
    switch (input_.u8() % 8) {
      case 0:
        return -1;
      case 1:
        return 100000;
      case 2:
        return Stage::the().listening();
      case 3:
      case 4:
        return end_point();
      default:
        return link();
    }
  }

  // --- Structures ----------------------------------------------------------------------------------------------------
  cmsg_redhdr header() {
    const std::uint8_t choice = input_.u8();
    cmsg_redhdr header{};
    header.cmsg_len = sizeof header;
    header.cmsg_level = SOL_TRANSPORT;
    header.cmsg_type = types[choice % types.size()];
    header.domain = AF_INET;
    const int number = end_point();
    header.fd_server = static_cast<short>(number);
    header.redhdr_red_ltcp.fd = static_cast<short>(number);
    auto* const octets = reinterpret_cast<std::uint8_t*>(&header);
    for (int changes = choice >> 6; changes > 0; --changes) {
      const std::size_t at = input_.u8() % sizeof header;
      octets[at] = input_.u8();
    }
    return header;
  }

  struct Message {
    msghdr head{};
    cmsg_redhdr header{};
    alignas(cmsghdr) std::array<std::byte, 256> control{};
    std::array<std::byte, 512> octets{};
    std::array<iovec, 4> parts{};
    std::array<std::byte, 128> name{};
  };
  void fill(Message& message) {
    const std::uint8_t choice = input_.u8();
    message.header = header();
    message.head.msg_control = &message.header;
    message.head.msg_controllen = sizeof message.header;
    if ((choice & 3) == 1) {
      message.head.msg_controllen = input_.up_to<std::size_t>(sizeof message.header);
    } else if ((choice & 3) == 2) {
      // A cmsghdr, as connection data travels.
      auto* const data = reinterpret_cast<cmsghdr*>(message.control.data());
      data->cmsg_len = input_.u8();
      data->cmsg_level = SOL_TRANSPORT;
      data->cmsg_type = TPOPT_CONN_DATA + (input_.u8() % 4) * 0x100;
      message.head.msg_control = message.control.data();
      message.head.msg_controllen = input_.up_to<std::size_t>(message.control.size());
    } else if ((choice & 15) == 3) {
      message.head.msg_control = nullptr;
      message.head.msg_controllen = 0;
    }
    std::size_t at = 0;
    for (iovec& part : message.parts) {
      const std::size_t size = std::min<std::size_t>(input_.u8() >> 1, message.octets.size() - at);
      part = {message.octets.data() + at, size};
      at += size;
    }
    message.head.msg_iov = message.parts.data();
    message.head.msg_iovlen = choice >> 4 & 3;
    if ((choice & 128) != 0) {
      message.head.msg_name = message.name.data();
      message.head.msg_namelen = input_.up_to<socklen_t>(message.name.size());
    }
  }
  int flags() {
    constexpr std::array<int, 8> known{0,         MSG_DONTWAIT, MSG_PEEK,     MSG_OOB,
                                       MSG_TRUNC, MSG_EOR,      MSG_NOSIGNAL, MSG_CMSG_CLOEXEC};
    return known[input_.u8() % known.size()] | known[input_.u8() % known.size()];
  }

  // --- Calls ---------------------------------------------------------------------------------------------------------
  void send_message() {
    Message message;
    fill(message);
    (void)soc_sendmsg(any_number(), &message.head, flags());
  }
  void receive_message() {
    Message message;
    fill(message);
    if (soc_recvmsg(any_number(), &message.head, flags()) < 0) return;
    if (message.head.msg_control == &message.header && message.header.cmsg_type == TPOPT_REDI_DATA)
      keep(message.header);
  }
  void keep(const cmsg_redhdr& header) {
    if (header.fd_server >= 0 && std::ranges::find(numbers_, header.fd_server) == numbers_.end())
      numbers_.push_back(header.fd_server);
  }
  int option() {
    constexpr std::array known{TPOPT_CONN_DATA,       TPOPT_DISC_DATA,   TPOPT_CFRM_DATA, TPOPT_REDI_DATA,
                               TPOPT_REDI_BDOK,       TPOPT_REDI_CALL,   TPOPT_REDI_CALL, TPOPT_MOVE_TIMEOUT,
                               TPOPT_CONNECT_TIMEOUT, TPOPT_TPDU_SIZE,   TPOPT_OWED,      TPOPT_DISC_REASON,
                               TPOPT_LOCAL_ADDRESS,   TPOPT_PEER_ADDRESS};
    return known[input_.u8() % known.size()];
  }
  void set_option() {
    cmsg_redhdr value = header();
    const int name = option();
    const int size = (input_.u8() & 3) == 0 ? input_.up_to<int>(sizeof value) : static_cast<int>(sizeof value);
    const bool null = input_.u8() == 255;
    (void)soc_setsockopt(any_number(), SOL_TRANSPORT, name, null ? nullptr : &value, size);
  }
  void get_option() {
    cmsg_redhdr value = header();
    const int name = option();
    socklen_t size = sizeof value;
    if ((input_.u8() & 3) == 0) size = input_.up_to<socklen_t>(sizeof value);
    const std::uint8_t nulls = input_.u8();
    (void)soc_getsockopt(any_number(), SOL_TRANSPORT, name, nulls == 255 ? nullptr : &value,
                         nulls == 254 ? nullptr : &size);
  }
  void data() {
    std::array<std::byte, 300> octets{};
    std::array<iovec, 2> parts{{{octets.data(), input_.u8()}, {octets.data() + 256, 16}}};
    const int number = any_number();
    switch (input_.u8() % 6) {
      case 0:
        (void)soc_read(number, octets.data(), parts[0].iov_len);
        return;
      case 1:
        (void)soc_write(number, octets.data(), parts[0].iov_len);
        return;
      case 2:
        (void)soc_readv(number, parts.data(), input_.u8() % 3 - 1);
        return;
      case 3:
        (void)soc_writev(number, parts.data(), input_.u8() % 3 - 1);
        return;
      case 4:
        (void)soc_send(number, octets.data(), parts[0].iov_len, flags() | MSG_NOSIGNAL);
        return;
      case 5:
        (void)soc_recv(number, octets.data(), parts[0].iov_len, flags());
        return;
    }
  }
  void names() {
    std::array<std::byte, 128> name{};
    sockaddr_iso address = iso_address("fuzz");
    auto* const octets = reinterpret_cast<std::uint8_t*>(&address);
    for (int changes = input_.u8() % 4; changes > 0; --changes) {
      const std::size_t at = input_.u8() % sizeof address;
      octets[at] = input_.u8();
    }
    socklen_t size = input_.up_to<socklen_t>(name.size());
    const int number = any_number();
    switch (input_.u8() % 4) {
      case 0:
        (void)soc_getsockname(number, name.data(), &size);
        return;
      case 1:
        (void)soc_getpeername(number, name.data(), &size);
        return;
      case 2:
        (void)soc_bind(link(), &address, input_.up_to<int>(sizeof address));
        return;
      case 3:
        (void)soc_connect(link(), &address, input_.up_to<int>(sizeof address));
        return;
    }
  }
  void poll() {
    std::array<pollfd, 4> entries{};
    for (pollfd& entry : entries) entry = {any_number(), static_cast<short>(input_.u8()), 0};
    (void)soc_poll_ms(entries.data(), input_.up_to<unsigned long>(entries.size()), 0);
  }
  void select() {
    std::array<fd_set, 3> sets{};
    for (fd_set& set : sets)
      for (int count = input_.u8() % 4; count > 0; --count)
        if (const int number = any_number(); number >= 0 && number < FD_SETSIZE) FD_SET(number, &set);
    timeval now{};
    (void)soc_select(input_.u8(), &sets[0], &sets[1], &sets[2], &now);
  }
  void express() {
    std::array<soc_move, 4> moves{};
    std::array<std::byte, 64> octets{};
    const int count = input_.u8() % 6 - 1;
    const int asked = std::min<int>(count, moves.size());
    const int at = link();
    switch (input_.u8() % 4) {
      case 0: {
        for (soc_move& move : moves) {
          move.fd = any_number();
          move.data = octets.data();
          move.length = input_.u8() % 65;
        }
        const int given = soc_give(at, moves.data(), asked);
        for (int i = 0; i < given; ++i) std::erase(numbers_, moves[static_cast<std::size_t>(i)].fd);
        return;
      }
      case 1: {
        const int out = soc_outcomes(at, moves.data(), asked, 0);
        for (int i = 0; i < out; ++i) keep_number(moves[static_cast<std::size_t>(i)].fd);
        return;
      }
      case 2: {
        moves[0].data = octets.data();
        moves[0].length = input_.u8() % 65;
        const int taken = soc_take(at, moves.data(), asked, 0);
        for (int i = 0; i < taken; ++i) keep_number(moves[static_cast<std::size_t>(i)].fd);
        return;
      }
      case 3:
        (void)soc_credit(at, input_.u8() % 32 - 1);
        return;
    }
  }
  void keep_number(int number) {
    if (number >= 0) numbers_.push_back(number);
  }
  void small_calls() {
    std::array<std::byte, 64> room{};
    switch (input_.u8() % 6) {
      case 0:
        (void)soc_pending(any_number());
        return;
      case 1:
        (void)soc_cancel(link(), end_point());
        return;
      case 2:
        (void)soc_abandon(link(), input_.u8() % 4);
        return;
      case 3:
        (void)soc_ioctl(any_number(), FIONREAD, room.data());
        return;
      case 4:
        (void)soc_shutdown(any_number(), input_.u8() % 4);
        return;
      case 5:
        BATON_REQUIRE(soc_error_text() != nullptr);
        return;
    }
  }
  void close() {
    if (numbers_.empty()) return;
    const std::size_t at = input_.u8() % numbers_.size();
    if (soc_close(numbers_[at]) == 0) numbers_.erase(numbers_.begin() + static_cast<std::ptrdiff_t>(at));
  }

  Input& input_;
  Stage::Link link_;
  std::vector<int> numbers_;
  std::vector<UniqueFd> clients_;
};

}  // namespace
}  // namespace baton::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  baton::fuzz::Input input{data, size};
  baton::fuzz::Caller caller{input};
  while (!input.at_end()) caller.step();
  return 0;
}
