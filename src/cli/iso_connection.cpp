// SPDX-License-Identifier: MIT
#include "cli/iso_connection.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "baton/soc.h"
#include "cotp/reasons.hpp"
#include "os/resolve_host.hpp"
#include "os/socket.hpp"
#include "tsap/address.hpp"

namespace baton::cli {
namespace {

constexpr std::size_t room_octets = 65536;
constexpr int reads_at_once = 16;
// A name that this process gives to the host it calls; any valid NSEL will do.
constexpr std::string_view private_nsel = "#BATON#0";

std::string library_sentence() { return soc_error_text(); }

sockaddr_iso to_library(const tsap::IsoAddress& address) {
  sockaddr_iso name{};
  const auto area = std::as_writable_bytes(std::span{name.siso_addr.isoa_genaddr});
  name.siso_len = sizeof name;
  name.siso_family = AF_ISO;
  name.siso_tlen = static_cast<unsigned char>(tsap::encode_address(address, area).value_or(0));
  return name;
}

using NameCall = int (*)(int, void*, socklen_t*);
std::optional<tsap::IsoAddress> address_from(NameCall call, int number) {
  sockaddr_iso name{};
  socklen_t length = sizeof name;
  if (call(number, &name, &length) != 0) return std::nullopt;
  const auto address = tsap::decode_address(std::as_bytes(std::span{name.siso_addr.isoa_genaddr}), name.siso_tlen);
  return address ? std::optional{*address} : std::nullopt;
}

std::optional<int> number_option(int number, int name) {
  int value = 0;
  socklen_t length = sizeof value;
  if (soc_getsockopt(number, SOL_TRANSPORT, name, &value, &length) != 0) return std::nullopt;
  return value;
}

std::optional<std::string> address_option(int number, int name) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  if (soc_getsockopt(number, SOL_TRANSPORT, name, &storage, &length) != 0) return std::nullopt;
  return os::printable(os::Address{reinterpret_cast<const sockaddr*>(&storage), length});
}

/// "the called selector is unknown (reason 3); it says 'no such TSEL'": of the peer's disconnect request, if it sent
/// one.
std::optional<std::string> disconnect_words(int number) {
  const auto reason = number_option(number, TPOPT_DISC_REASON);
  if (!reason) return std::nullopt;
  std::string words{cotp::describe(static_cast<cotp::DisconnectReason>(*reason))};
  words += " (reason " + std::to_string(*reason) + ")";
  std::array<char, 256> text{};  // more than any DR can bring
  socklen_t length = text.size();
  if (soc_getsockopt(number, SOL_TRANSPORT, TPOPT_DISC_DATA, text.data(), &length) == 0 && length > 0)
    words += "; it says '" + visible(std::string_view{text.data(), length}) + "'";
  return words;
}

std::expected<tsap::Nsel, std::string> nsel_for(const Place& place) {
  switch (place.kind) {
    case Place::Kind::Local:
      return tsap::Nsel{};
    case Place::Kind::Nsel:
      return tsap::Nsel::parse_padded(place.nsel).value_or(tsap::Nsel{});
    case Place::Kind::Address:
      break;
  }
  if (soc_set_host(std::string{private_nsel}.c_str(), place.text().c_str()) != 0)
    return std::unexpected{library_sentence()};
  return tsap::Nsel::parse(private_nsel).value_or(tsap::Nsel{});
}

bool set_number(int number, int name, int value) {
  return soc_setsockopt(number, SOL_TRANSPORT, name, &value, sizeof value) == 0;
}

bool bind_as(int number, const tsap::Selector& selector) {
  const sockaddr_iso own = to_library({tsap::Nsel{}, selector});
  return soc_bind(number, &own, sizeof own) == 0;
}

}  // namespace

IsoNumber::IsoNumber(IsoNumber&& other) noexcept : number_{std::exchange(other.number_, -1)} {}
IsoNumber& IsoNumber::operator=(IsoNumber&& other) noexcept {
  if (this != &other) {
    if (number_ >= 0) soc_close(number_);
    number_ = std::exchange(other.number_, -1);
  }
  return *this;
}
IsoNumber::~IsoNumber() {
  if (number_ >= 0) soc_close(number_);
}

std::expected<IsoNumber, std::string> connect_to(const Call& call) {
  const auto nsel = nsel_for(call.place);
  if (!nsel) return std::unexpected{nsel.error()};
  IsoNumber number{soc_socket(AF_ISO, SOCK_STREAM, 0)};
  if (number.get() < 0 || !bind_as(number.get(), call.calling) ||
      !set_number(number.get(), TPOPT_CONNECT_TIMEOUT, static_cast<int>(call.timeout.count())))
    return std::unexpected{library_sentence()};
  if (call.tpdu_size && !set_number(number.get(), TPOPT_TPDU_SIZE, *call.tpdu_size))
    return std::unexpected{"TPDUs of " + std::to_string(*call.tpdu_size) + " octets: " + library_sentence()};
  const sockaddr_iso name = to_library({*nsel, call.called});
  if (soc_connect(number.get(), &name, sizeof name) == 0) return number;
  const std::string sentence = library_sentence();
  if (const auto words = disconnect_words(number.get()))
    return std::unexpected{call.place.text() + " refuses the connection to TSEL " + call.called.printable() + ": " +
                           *words};
  return std::unexpected{"no connection to TSEL " + call.called.printable() + " of " + call.place.text() + ": " +
                         sentence};
}

std::optional<IsoNumber> number_to_ask_with() {
  IsoNumber number{soc_socket(AF_ISO, SOCK_STREAM, 0)};
  if (number.get() < 0 || !os::set_nonblocking(FdRef{number.get()}, true) || !bind_as(number.get(), {}))
    return std::nullopt;
  return number;
}

bool ask(const IsoNumber& number, const tsap::Selector& called) {
  const sockaddr_iso name = to_library({{}, called});
  return soc_connect(number.get(), &name, sizeof name) == 0;
}

std::expected<IsoNumber, std::string> listen_as(const tsap::Selector& called) {
  constexpr int backlog = 128;
  IsoNumber number{soc_socket(AF_ISO, SOCK_STREAM, 0)};
  if (number.get() >= 0 && bind_as(number.get(), called) && soc_listen(number.get(), backlog) == 0) return number;
  return std::unexpected{"TSEL " + called.printable() + " cannot be taken: " + library_sentence()};
}

std::expected<std::optional<IsoNumber>, std::string> accept_from(const IsoNumber& listening) {
  // The library's poll tells the truth, so accept is called only where it does not wait.
  pollfd entry{.fd = listening.get(), .events = POLLIN, .revents = 0};
  if (soc_poll_ms(&entry, 1, 0) < 1 || (entry.revents & POLLIN) == 0) return std::optional<IsoNumber>{};
  const int number = soc_accept(listening.get(), nullptr, nullptr);
  if (number >= 0) return std::optional<IsoNumber>{std::in_place, number};
  switch (errno) {
    case EAGAIN:
    case EINTR:
    case ECONNABORTED:
      return std::optional<IsoNumber>{};
    default:
      return std::unexpected{library_sentence()};
  }
}

std::optional<std::string> listening_address(const IsoNumber& listening) {
  return address_option(listening.get(), TPOPT_LOCAL_ADDRESS);
}

std::string other_side(const IsoNumber& connection) {
  const auto address = address_from(soc_getpeername, connection.get());
  const auto place = address_option(connection.get(), TPOPT_PEER_ADDRESS);
  return (address ? address->selector.printable() : "?") + (place ? " at " + *place : " on this host");
}

std::optional<tsap::Selector> called_selector(const IsoNumber& accepted) {
  const auto address = address_from(soc_getsockname, accepted.get());
  return address ? std::optional{address->selector} : std::nullopt;
}

std::optional<int> tpdu_size_of(const IsoNumber& connection) {
  return number_option(connection.get(), TPOPT_TPDU_SIZE);
}

Traffic& Traffic::operator+=(const Traffic& other) noexcept {
  octets_sent += other.octets_sent;
  tsdus_sent += other.tsdus_sent;
  octets_received += other.octets_received;
  tsdus_received += other.tsdus_received;
  return *this;
}

void IsoConnection::queue(std::string tsdu) {
  queued_octets_ += tsdu.size();
  queue_.push_back(std::move(tsdu));
}

void IsoConnection::send() {
  while (!queue_.empty() && !ended()) {
    const std::string_view rest = std::string_view{queue_.front()}.substr(sent_of_front_);
    const ssize_t sent = soc_send(number(), rest.data(), rest.size(), MSG_DONTWAIT);
    if (sent < 0) {
      if (errno != EAGAIN && errno != EINTR) end(errno);
      return;
    }
    const auto octets = static_cast<std::size_t>(sent);
    sent_of_front_ += octets;
    queued_octets_ -= octets;
    traffic_.octets_sent += octets;
    if (octets < rest.size()) continue;
    ++traffic_.tsdus_sent;
    queue_.pop_front();
    sent_of_front_ = 0;
  }
}

void IsoConnection::receive(const std::function<void(std::string_view octets, bool end)>& take) {
  room_.resize(room_octets);
  for (int i = 0; i < reads_at_once && !ended(); ++i) {
    iovec part{room_.data(), room_.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    const ssize_t size = soc_recvmsg(number(), &message, MSG_DONTWAIT);
    if (size < 0) {
      if (errno != EAGAIN && errno != EINTR) end(errno);
      return;
    }
    const bool last = (message.msg_flags & MSG_EOR) != 0;
    traffic_.octets_received += static_cast<std::size_t>(size);
    traffic_.tsdus_received += last ? 1 : 0;
    in_tsdu_ = !last;
    take({room_.data(), static_cast<std::size_t>(size)}, last);
  }
}

void IsoConnection::end(int error) {
  const std::string sentence = library_sentence();
  switch (error) {
    case ECONNRESET:
    case EPIPE:
    case ENOTCONN:
      ending_ = "";
      // 0 and 128 are what many peers send in place of just closing.
      if (const auto reason = number_option(number(), TPOPT_DISC_REASON); reason && *reason != 0 && *reason != 128)
        ending_ = "the peer released the connection: " + disconnect_words(number()).value_or("");
      return;
    case EIO:
      ending_ = "the peer begins to move a connection of its own, which this command does not take";
      return;
    default:
      ending_ = sentence;
  }
}

std::optional<std::string> IsoConnection::complaint() const {
  std::string text = ending_.value_or("");
  const auto add = [&](const std::string& more) { text += (text.empty() ? "the connection ended: " : "; ") + more; };
  if (in_tsdu_) add("the last TSDU received is incomplete");
  if (!queue_.empty())
    add(std::to_string(queue_.size()) + (queue_.size() == 1 ? " TSDU was" : " TSDUs were") + " not sent");
  return text.empty() ? std::nullopt : std::optional{text};
}

}  // namespace baton::cli
