// SPDX-License-Identifier: MIT
// A program at one end of a link, in either part and in any order of its calls; at the other end a peer that sends
// whatever the octets say: frames right and wrong, with end points or other files, TPDUs, plain rubbish.
//
// Each step is an octet and what it needs.
#include <fcntl.h>
#include <array>
#include <vector>

#include "endpoint/position.hpp"
#include "fuzz/stage.hpp"
#include "handoff/frames.hpp"
#include "handoff/unread.hpp"
#include "os/memfd.hpp"
#include "os/socket.hpp"

namespace baton::fuzz {
namespace {

constexpr std::size_t most_files = 6;
constexpr std::size_t most_end_points = 8;

class Session {
 public:
  explicit Session(Input& input) : input_{input}, link_{Stage::the().open_raw_link()} {}
  ~Session() {
    clients_.clear();
    link_.peer.reset();
    Stage::the().clear({link_.number}, numbers_);
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void step() {
    // The program's numbers stay its own until it closes them.
    for (const int number : numbers_)
      BATON_REQUIRE(::fcntl(number, F_GETFD) >= 0 && std::ranges::count(numbers_, number) == 1);
    const std::uint8_t choice = input_.u8();
    switch (choice % 20) {
      case 0:
      case 1:
      case 2:
      case 3:
        return send_frame(choice / 20 % 12);
      case 4:
        return send(input_.take(input_.u8()), {});
      case 5:
        return send_user_data();
      case 6:
        return drain();
      case 7:
        return close_peer(choice / 20 % 8);
      case 8:
        return receive_offer();
      case 9:
        return answer();
      case 10:
        return take();
      case 11:
        return take_express();
      case 12:
        return offer();
      case 13:
        return receive_answer();
      case 14:
        return call();
      case 15:
        return outcome();
      case 16:
        return give();
      case 17:
        return outcomes();
      case 18:
        return other_calls(choice / 20);
      case 19:
        return close_number();
    }
  }

 private:
  // --- The peer ------------------------------------------------------------------------------------------------------
  void send(Bytes message, const std::vector<int>& files) {
    if (link_.peer.valid()) send_from(link_.peer.ref(), message, files);
  }
  static void send_from(FdRef peer, Bytes message, const std::vector<int>& files) {
    iovec part{const_cast<std::byte*>(message.data()), message.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(most_files * sizeof(int))> control{};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    if (!files.empty()) {
      header.msg_control = control.data();
      header.msg_controllen = CMSG_SPACE(files.size() * sizeof(int));
      cmsghdr* const rights = CMSG_FIRSTHDR(&header);
      rights->cmsg_len = CMSG_LEN(files.size() * sizeof(int));
      rights->cmsg_level = SOL_SOCKET;
      rights->cmsg_type = SCM_RIGHTS;
      std::memcpy(CMSG_DATA(rights), files.data(), files.size() * sizeof(int));
    }
    (void)::sendmsg(peer.get(), &header, MSG_NOSIGNAL);
  }

  void send_frame(int kind) {
    std::array<std::byte, 2048> room;
    const handoff::MoveId move = input_.u8() % 8;
    std::vector<int> files;
    std::vector<TcpPair> pairs;
    std::vector<UniqueFd> others;
    Bytes frame;
    switch (kind) {
      case 0:
        frame = handoff::encode(room, handoff::Hello{.features = handoff::feature_restart, .credit = input_.u8()});
        break;
      case 1: {
        const std::size_t octets = input_.u8();
        handoff::Description description;
        description.descriptor = input_.u8();
        const Bytes head = handoff::encode_head(room, move, description, octets);
        for (std::size_t i = 0; i < octets; ++i) room[head.size() + i] = static_cast<std::byte>(i);
        frame = Bytes{room}.first(head.size() + octets);
        break;
      }
      case 2:
        frame = handoff::encode(room, move, handoff::Answer{static_cast<std::int16_t>(input_.u8() % 4 - 2), 5, 1});
        break;
      case 3:
        frame = call(room, move, pairs, others, files);
        break;
      case 4: {
        std::vector<handoff::TakenItem> items(1 + input_.u8() % 4);
        for (auto& item : items)
          item = {input_.u8() % 8ULL, static_cast<handoff::TakeOutcome>(input_.u8() % 8), input_.u8()};
        frame = handoff::encode(room, items);
        break;
      }
      case 5:
        frame = handoff::encode(room, move, handoff::Cancel{});
        break;
      case 6:
        frame = handoff::encode(room, move, handoff::Cancelled{});
        break;
      case 7:
        frame = handoff::encode(room, handoff::Credit{input_.u8() * 0x01010101U});
        break;
      case 8:
        frame = handoff::encode(room, move, handoff::Held{input_.u8()});
        break;
      case 9:
        frame = handoff::encode(room, move, handoff::Commit{input_.u8()});
        break;
      case 10:
        frame = handoff::encode(room, move, handoff::Abort{});
        break;
      case 11:
        frame = handoff::encode(room, move, handoff::Complete{input_.u8()});
        break;
    }
    // Right in most cases, or nothing behind the first check would ever be reached.
    std::vector<std::byte> octets{frame.begin(), frame.end()};
    for (int changes = input_.u8() % 8 - 4; changes > 0 && !octets.empty(); --changes) {
      const std::size_t at = input_.u8() % octets.size();
      octets[at] = static_cast<std::byte>(input_.u8());
    }
    send(octets, files);
    for (TcpPair& pair : pairs) clients_.push_back(std::move(pair.client));
  }

  /// A CALL whose items mostly agree with the end points that go along.
  Bytes call(MutableBytes room, handoff::MoveId move, std::vector<TcpPair>& pairs, std::vector<UniqueFd>& others,
             std::vector<int>& files) {
    const std::uint8_t choice = input_.u8();
    std::vector<handoff::CallItem> items(choice % 4);
    for (handoff::CallItem& item : items) {
      const std::uint8_t what = input_.u8();
      if (what % 4 == 3) {
        others.push_back(some_file(what / 4));
        files.push_back(others.back().get());
        continue;
      }
      pairs.push_back(connect_tcp());
      const FdRef end_point = pairs.back().server.ref();
      files.push_back(end_point.get());
      item.image.cookie = os::cookie(end_point).value_or(0) + (what == 8 ? 1 : 0);
      if (const auto position = os::read_position(end_point)) item.image.position = endpoint::to_image(*position);
      if (what == 16) ++item.image.position.consumed;
    }
    // Held: a new group, or more of the one whose first move was 1. Its last item brings a blob: a memfd, or not.
    if ((choice & 32) != 0 && (choice & 12) == 12 && !items.empty()) {
      handoff::CallExtras extras{(choice & 16) != 0 ? move : handoff::MoveId{1}, {}};
      const std::uint8_t size = input_.u8();
      items.back().blob = size;
      items.back().blob_apart = size % 2 == 1;
      const std::array blobs{Bytes{std::as_bytes(std::span{octets_})}.first(size)};
      if (!items.back().blob_apart) extras.blobs = blobs;
      if (items.back().blob_apart && size % 4 == 1) {
        if (auto memory = os::sealed_memory(blobs[0])) others.push_back(std::move(*memory));
        if (!others.empty()) files.push_back(others.back().get());
      } else if (items.back().blob_apart) {
        others.push_back(some_file(size / 4));
        files.push_back(others.back().get());
      }
      return handoff::encode_call(room, move, true, items, {}, 0, extras);
    }
    if ((choice & 64) != 0 && !files.empty()) files.push_back(files.front());
    if ((choice & 192) == 128 && !files.empty()) files.pop_back();
    return handoff::encode_call(room, move, (choice & 32) != 0, items, {}, 0);
  }

  /// A dispatcher of this host gives the program a connection whose CR nobody has read, or something else.
  void give_unread() {
    const std::uint8_t choice = input_.u8();
    UniqueFd giver = Stage::the().connect_raw();
    TcpPair pair = connect_tcp();
    const UniqueFd another = some_file(input_.u8());
    const FdRef file = choice % 4 == 3 ? another.ref() : pair.server.ref();
    std::vector<int> files{file.get()};
    if ((choice & 4) != 0) files.push_back(another.get());
    if ((choice & 12) == 8) files.clear();

    // The client says a CR, or what looks like one, or nothing yet.
    auto said = Stage::the().connect_request(true);
    if ((choice & 16) != 0) change(said);
    said.resize(said.size() - ((choice & 32) != 0 ? input_.u8() % said.size() : 0));
    const Bytes more = (choice & 64) != 0 ? input_.take(input_.u8()) : Bytes{};
    said.insert(said.end(), more.begin(), more.end());
    (void)::send(pair.client.get(), said.data(), said.size(), MSG_NOSIGNAL);

    handoff::CallItem item;
    item.image.cookie = os::cookie(file).value_or(0);
    if (const auto position = os::read_position(file)) item.image.position = endpoint::to_image(*position);
    std::array<std::byte, handoff::small_frame> room;
    const Bytes frame = handoff::encode_unread_call(room, item);
    std::vector<std::byte> octets{frame.begin(), frame.end()};
    if ((choice & 128) != 0) change(octets);
    send_from(giver.ref(), octets, files);
    pair.server.reset();

    const int number = soc_accept(Stage::the().listening(), nullptr, nullptr);
    if (number >= 0) {
      pollfd entry{number, POLLIN, 0};
      look_at({&entry, 1});  // confirms
      (void)soc_recv(number, octets_.data(), octets_.size(), MSG_DONTWAIT);
      numbers_.push_back(number);
    }
    // Nothing stays behind for the next one who connects, whose request would not be the first.
    giver.reset();
    pair.client.reset();
    Stage::the().refuse_all();
  }

  void change(std::vector<std::byte>& octets) {
    for (int changes = 1 + input_.u8() % 4; changes > 0 && !octets.empty(); --changes)
      octets[input_.u8() % octets.size()] = static_cast<std::byte>(input_.u8());
  }

  void send_user_data() {
    std::array<std::byte, 3 + 256> message{std::byte{2}, std::byte{0xF0}, std::byte{0x80}};
    const std::uint8_t size = input_.u8();
    if ((size & 1) != 0) message[2] = std::byte{0};
    send(Bytes{message}.first(3U + size), {});
  }

  /// Reads what the program has sent; descriptors that come along are closed.
  void drain() {
    if (!link_.peer.valid()) return;
    std::array<std::byte, 4096> octets;
    alignas(cmsghdr) std::array<char, 2048> control;
    for (;;) {
      iovec part{octets.data(), octets.size()};
      msghdr header{};
      header.msg_iov = &part;
      header.msg_iovlen = 1;
      header.msg_control = control.data();
      header.msg_controllen = control.size();
      if (::recvmsg(link_.peer.get(), &header, MSG_CMSG_CLOEXEC) <= 0) return;
      for (cmsghdr* at = CMSG_FIRSTHDR(&header); at != nullptr; at = CMSG_NXTHDR(&header, at)) {
        if (at->cmsg_level != SOL_SOCKET || at->cmsg_type != SCM_RIGHTS) continue;
        for (std::size_t i = 0; i < (at->cmsg_len - CMSG_LEN(0)) / sizeof(int); ++i) {
          int file = -1;
          std::memcpy(&file, CMSG_DATA(at) + i * sizeof(int), sizeof file);
          const UniqueFd unwanted{adopt, file};
        }
      }
    }
  }

  void close_peer(int how) {
    if (!link_.peer.valid()) return;
    if (how < 3)
      (void)::shutdown(link_.peer.get(), how);
    else if (how == 7)
      link_.peer.reset();
  }

  // --- The program ---------------------------------------------------------------------------------------------------
  static cmsg_redhdr header_of(int type) {
    cmsg_redhdr header{};
    header.cmsg_len = sizeof header;
    header.cmsg_level = SOL_TRANSPORT;
    header.cmsg_type = type;
    return header;
  }
  [[nodiscard]] msghdr message_of(cmsg_redhdr& header) {
    msghdr message{};
    message.msg_control = &header;
    message.msg_controllen = sizeof header;
    message.msg_iov = &part_;
    message.msg_iovlen = 1;
    part_ = {octets_.data(), octets_.size()};
    return message;
  }
  /// A number of the program: an end point, one that stands for a coming one, one that has gone.
  int some_number() { return numbers_.empty() ? -1 : numbers_[input_.u8() % numbers_.size()]; }
  int end_point() {
    if (numbers_.size() >= most_end_points) return some_number();
    TcpPair pair = connect_tcp();
    numbers_.push_back(pair.server.release());
    clients_.push_back(std::move(pair.client));
    return numbers_.back();
  }

  void receive_offer() {
    cmsg_redhdr header = header_of(TPOPT_REDI_DATA);
    msghdr message = message_of(header);
    if (soc_recvmsg(link_.number, &message, 0) < 0) return;
    BATON_REQUIRE(header.fd_server >= 0);
    numbers_.push_back(header.fd_server);
  }
  void answer() {
    cmsg_redhdr header = header_of(TPOPT_REDI_BDOK);
    header.domain = AF_INET;
    header.fd_server = static_cast<short>(some_number());
    header.bind_ok = static_cast<short>(input_.u8() % 4 == 3 ? -1 : 0);
    msghdr message{};
    message.msg_control = &header;
    message.msg_controllen = sizeof header;
    (void)soc_sendmsg(link_.number, &message, 0);
  }
  void take() {
    cmsg_redhdr header = header_of(TPOPT_REDI_CALL);
    header.domain = AF_INET;
    header.fd_server = static_cast<short>(some_number());
    socklen_t size = sizeof header;
    if (soc_getsockopt(link_.number, SOL_TRANSPORT, TPOPT_REDI_CALL, &header, &size) == 0) use(header.fd_server);
  }
  void take_express() {
    std::array<soc_move, 4> moves{};
    const int taken = soc_take(link_.number, moves.data(), 1 + input_.u8() % 4, 0);
    for (int i = 0; i < taken; ++i) {
      const soc_move& move = moves[static_cast<std::size_t>(i)];
      std::free(move.blob);
      if ((move.flags & SOC_GROUP_END) != 0) continue;
      numbers_.push_back(move.fd);
      if ((move.flags & SOC_HELD) == 0) use(move.fd);
    }
  }
  /// What has been taken is a TCP connection, whatever the peer sent.
  static void use(int number) {
    int kind = 0;
    socklen_t size = sizeof kind;
    BATON_REQUIRE(soc_getsockopt(number, SOL_SOCKET, SO_PROTOCOL, &kind, &size) == 0 && kind == IPPROTO_TCP);
    std::array<char, 16> octets;
    (void)soc_recv(number, octets.data(), octets.size(), MSG_DONTWAIT);
  }
  void offer() {
    cmsg_redhdr header = header_of(TPOPT_REDI_DATA);
    header.domain = AF_INET;
    header.redhdr_red_ltcp.fd = static_cast<short>(end_point());
    msghdr message = message_of(header);
    part_.iov_len = input_.u8();
    (void)soc_sendmsg(link_.number, &message, 0);
  }
  void receive_answer() {
    cmsg_redhdr header = header_of(TPOPT_REDI_BDOK);
    const int number = some_number();
    header.domain = static_cast<short>(number < 0 ? 0 : AF_INET);
    header.redhdr_red_ltcp.fd = static_cast<short>(number);
    msghdr message{};
    message.msg_control = &header;
    message.msg_controllen = sizeof header;
    (void)soc_recvmsg(link_.number, &message, 0);
  }
  void call() {
    cmsg_redhdr header = header_of(TPOPT_REDI_CALL);
    header.domain = AF_INET;
    header.redhdr_red_ltcp.fd = static_cast<short>(some_number());
    (void)soc_setsockopt(link_.number, SOL_TRANSPORT, TPOPT_REDI_CALL, &header, sizeof header);
  }
  void outcome() {
    cmsg_redhdr header = header_of(TPOPT_REDI_CALL);
    header.domain = AF_INET;
    header.fd_server = -1;
    header.redhdr_red_ltcp.fd = static_cast<short>(some_number());
    socklen_t size = sizeof header;
    (void)soc_getsockopt(link_.number, SOL_TRANSPORT, TPOPT_REDI_CALL, &header, &size);
  }
  void give() {
    std::array<soc_move, 3> moves{};
    const int count = 1 + input_.u8() % 3;
    for (int i = 0; i < count; ++i) moves[static_cast<std::size_t>(i)].fd = end_point();
    const int given = soc_give(link_.number, moves.data(), count);
    BATON_REQUIRE(given <= count);
    // The library's until they come back.
    for (int i = 0; i < given; ++i) std::erase(numbers_, moves[static_cast<std::size_t>(i)].fd);
  }
  void outcomes() {
    std::array<soc_move, 4> moves{};
    const int count = soc_outcomes(link_.number, moves.data(), moves.size(), 0);
    for (int i = 0; i < count; ++i)
      if (const int back = moves[static_cast<std::size_t>(i)].fd; back >= 0) numbers_.push_back(back);
  }
  void other_calls(int which) {
    switch (which) {
      case 0:
        (void)soc_cancel(link_.number, some_number());
        return;
      case 1:
        (void)soc_abandon(link_.number, input_.u8());
        return;
      case 2:
        (void)soc_credit(link_.number, input_.u8() % 16);
        return;
      case 3:
        (void)soc_read(link_.number, octets_.data(), octets_.size());
        return;
      case 4:
        (void)soc_write(link_.number, octets_.data(), input_.u8());
        return;
      case 5: {
        std::array<pollfd, 2> entries{{{link_.number, POLLIN | POLLOUT, 0}, {some_number(), POLLIN | POLLOUT, 0}}};
        look_at(entries);
        return;
      }
      case 6:
        (void)soc_pending(link_.number);
        return read_some();
      case 7:
        (void)soc_ready(link_.number, 0);
        return;
      case 8:
        (void)soc_abort(link_.number);
        return;
      case 9:
        (void)soc_commit(link_.number, 0);
        return;
      case 10:
        (void)soc_decline(link_.number);
        return;
      case 11:
        return give_unread();
      default:
        (void)soc_write(some_number(), octets_.data(), 16);
        return;
    }
  }
  /// Only what does not wait: what was taken may be in blocking mode, and its client says nothing.
  void read_some() {
    pollfd entry{some_number(), POLLIN, 0};
    if (soc_poll_ms(&entry, 1, 0) > 0) (void)soc_read(entry.fd, octets_.data(), 16);
  }
  void close_number() {
    if (numbers_.empty()) return;
    const std::size_t at = input_.u8() % numbers_.size();
    if (soc_close(numbers_[at]) == 0) numbers_.erase(numbers_.begin() + static_cast<std::ptrdiff_t>(at));
  }

  Input& input_;
  Stage::RawLink link_;
  std::vector<int> numbers_;
  std::vector<UniqueFd> clients_;
  std::array<std::byte, 256> octets_{};
  iovec part_{};
};

}  // namespace
}  // namespace baton::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  baton::fuzz::Input input{data, size};
  baton::fuzz::Session session{input};
  while (!input.at_end()) session.step();
  return 0;
}
