// SPDX-License-Identifier: MIT
// baton: baton/address.hpp: where a listener or the other end is: an IP address with a port, or a host and a TSEL.
//
//   Address::loopback(8080)  Address::any(0)  Address::parse("[::1]:8080")    // TCP; port 0: any that is free
//   Address{Selector{"work"}}                                                // AF_ISO, this host
//   Address::iso("PLC00001", selector)                                       // AF_ISO, another one: docs/iso.md
//
// Threads: values.
#ifndef BATON_ADDRESS_HPP
#define BATON_ADDRESS_HPP

#include <arpa/inet.h>
#include <baton/soc.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <baton/error.hpp>
#include <baton/selector.hpp>

#include <array>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace baton {

class Address {
 public:
  /// Characters of an NSEL, a host's name.
  static constexpr std::size_t nsel_size = 8;

  /// None: the address of no one.
  Address() noexcept = default;
  /// A TSAP of this host.
  Address(const Selector& selector) noexcept { set_iso("", selector); }
  /// A TSAP of the host `nsel`: up to 8 characters; none: this host. EINVAL.
  [[nodiscard]] static std::expected<Address, Error> iso(std::string_view nsel, const Selector& selector) noexcept {
    if (nsel.size() > nsel_size) return std::unexpected{Error{EINVAL, "an NSEL has at most 8 characters"}};
    Address address;
    address.set_iso(nsel, selector);
    return address;
  }
  [[nodiscard]] static Address loopback(std::uint16_t port) noexcept { return inet(INADDR_LOOPBACK, port); }
  [[nodiscard]] static Address loopback6(std::uint16_t port) noexcept { return inet6(in6addr_loopback, port); }
  /// Every address of the host: IPv4; IPv6, which as Linux has it takes IPv4 too.
  [[nodiscard]] static Address any(std::uint16_t port) noexcept { return inet(INADDR_ANY, port); }
  [[nodiscard]] static Address any6(std::uint16_t port) noexcept { return inet6(in6addr_any, port); }
  /// "192.0.2.7:80", "[2001:db8::7]:80": numbers, no names. EINVAL.
  [[nodiscard]] static std::expected<Address, Error> parse(std::string_view text) noexcept;
  /// A copy of `size` octets of an address that a call of the system has filled. EINVAL: it cannot be one.
  [[nodiscard]] static std::expected<Address, Error> from_socket(const void* address, socklen_t size) noexcept {
    if (address == nullptr || size < sizeof(sa_family_t) || size > room)
      return std::unexpected{Error{EINVAL, "not an address of a family that baton knows"}};
    Address copy;
    std::memcpy(copy.octets_.data(), address, size);
    copy.size_ = size;
    return copy;
  }

  /// AF_INET, AF_INET6, AF_ISO; AF_UNSPEC: none.
  [[nodiscard]] int family() const noexcept {
    if (size_ == 0) return AF_UNSPEC;
    // sockaddr_iso begins with its length, the others with a family of two octets.
    if (size_ == sizeof(sockaddr_iso) && as<sockaddr_iso>().siso_family == AF_ISO) return AF_ISO;
    return as<sa_family_t>();
  }
  [[nodiscard]] bool is_iso() const noexcept { return family() == AF_ISO; }
  /// 0 of an AF_ISO one.
  [[nodiscard]] std::uint16_t port() const noexcept {
    if (family() == AF_INET) return ntohs(as<sockaddr_in>().sin_port);
    if (family() == AF_INET6) return ntohs(as<sockaddr_in6>().sin6_port);
    return 0;
  }
  /// The TSEL; empty of a TCP one.
  [[nodiscard]] Selector selector() const noexcept {
    if (!is_iso()) return {};
    const auto address = as<sockaddr_iso>();
    return Selector::from_text({address.siso_addr.isoa_genaddr + nsel_size, address.siso_tlen}).value_or(Selector{});
  }
  /// The host's 8 characters, blanks behind; empty of a TCP one.
  [[nodiscard]] std::string nsel() const noexcept {
    return is_iso() ? std::string{as<sockaddr_iso>().siso_addr.isoa_genaddr, nsel_size} : std::string{};
  }
  /// "192.0.2.7", "2001:db8::7"; empty of an AF_ISO one.
  [[nodiscard]] std::string ip() const noexcept {
    std::array<char, INET6_ADDRSTRLEN> text{};
    const int family = this->family();
    const std::size_t at = family == AF_INET ? offsetof(sockaddr_in, sin_addr) : offsetof(sockaddr_in6, sin6_addr);
    if (family != AF_INET && family != AF_INET6) return {};
    return ::inet_ntop(family, octets_.data() + at, text.data(), text.size()) == nullptr ? "" : text.data();
  }
  /// As parse() reads it; of an AF_ISO one "NSEL/TSEL in hexadecimal".
  [[nodiscard]] std::string text() const noexcept {
    if (family() == AF_INET) return ip() + ":" + std::to_string(port());
    if (family() == AF_INET6) return "[" + ip() + "]:" + std::to_string(port());
    return is_iso() ? nsel() + "/" + selector().hex() : std::string{};
  }

  // For calls of the system and of the library.
  [[nodiscard]] const sockaddr* data() const noexcept { return reinterpret_cast<const sockaddr*>(octets_.data()); }
  [[nodiscard]] socklen_t size() const noexcept { return size_; }

  friend bool operator==(const Address& a, const Address& b) noexcept {
    if (a.family() != b.family()) return false;
    return a.is_iso() ? a.nsel() == b.nsel() && a.selector() == b.selector() : a.ip() == b.ip() && a.port() == b.port();
  }

 private:
  static constexpr std::size_t room = sizeof(sockaddr_storage);

  template <class Structure>
  [[nodiscard]] Structure as() const noexcept {
    Structure copy{};
    std::memcpy(&copy, octets_.data(), sizeof copy);
    return copy;
  }
  template <class Structure>
  void set(const Structure& address) noexcept {
    std::memcpy(octets_.data(), &address, sizeof address);
    size_ = sizeof address;
  }
  void set_iso(std::string_view nsel, const Selector& selector) noexcept {
    sockaddr_iso address{};
    address.siso_len = sizeof address;
    address.siso_family = AF_ISO;
    address.siso_tlen = static_cast<unsigned char>(selector.size());
    address.siso_addr.isoa_len = static_cast<unsigned char>(nsel_size + selector.size());
    char* const text = address.siso_addr.isoa_genaddr;
    std::memset(text, ' ', nsel_size);
    std::ranges::copy(nsel, text);
    std::ranges::copy(selector.text(), text + nsel_size);
    set(address);
  }
  static Address inet(in_addr_t host, std::uint16_t port) noexcept {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(host);
    Address made;
    made.set(address);
    return made;
  }
  static Address inet6(const in6_addr& host, std::uint16_t port) noexcept {
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(port);
    address.sin6_addr = host;
    Address made;
    made.set(address);
    return made;
  }

  alignas(sockaddr_storage) std::array<std::byte, room> octets_{};
  socklen_t size_ = 0;
};

inline std::expected<Address, Error> Address::parse(std::string_view text) noexcept {
  const auto wrong = [] {
    return std::unexpected{Error{EINVAL, "not an IP address with a port, as in 192.0.2.7:80 or [2001:db8::7]:80"}};
  };
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return wrong();
  const std::string_view digits = text.substr(colon + 1);
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc{} || end != digits.data() + digits.size()) return wrong();
  std::string_view host = text.substr(0, colon);
  const bool six = host.starts_with('[') && host.ends_with(']');
  if (six) host = host.substr(1, host.size() - 2);
  Address address = six ? any6(port) : any(port);
  const std::size_t at = six ? offsetof(sockaddr_in6, sin6_addr) : offsetof(sockaddr_in, sin_addr);
  if (::inet_pton(six ? AF_INET6 : AF_INET, std::string{host}.c_str(), address.octets_.data() + at) != 1)
    return wrong();
  return address;
}

}  // namespace baton
#endif
