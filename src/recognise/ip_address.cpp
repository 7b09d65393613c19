// SPDX-License-Identifier: MIT
#include "recognise/ip_address.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

namespace baton::recognise {
namespace {

constexpr std::size_t v4_octets = 4;
constexpr std::size_t v6_octets = 16;
constexpr std::array<std::byte, 12> mapped_prefix{
    {{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, std::byte{255}, std::byte{255}}};

/// The bits of octet `at` that belong to the first `bits` of the address.
std::byte mask_at(std::size_t at, std::size_t bits) noexcept {
  const std::size_t before = at * 8;
  if (bits <= before) return std::byte{0};
  return bits - before >= 8 ? std::byte{0xFF} : static_cast<std::byte>(0xFF00U >> (bits - before));
}

}  // namespace

std::optional<IpAddress> IpAddress::from(Bytes octets) noexcept {
  if (octets.size() == v6_octets && std::ranges::equal(octets.first(mapped_prefix.size()), mapped_prefix))
    octets = octets.subspan(mapped_prefix.size());
  if (octets.size() != v4_octets && octets.size() != v6_octets) return std::nullopt;
  IpAddress address;
  address.size_ = static_cast<std::uint8_t>(octets.size());
  std::ranges::copy(octets, address.octets_.begin());
  return address;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) noexcept {
  std::array<char, INET6_ADDRSTRLEN> terminated{};
  if (text.size() >= terminated.size() || text.contains('\0')) return std::nullopt;
  std::ranges::copy(text, terminated.begin());
  std::array<std::byte, v6_octets> octets{};
  if (inet_pton(AF_INET, terminated.data(), octets.data()) == 1) return from(Bytes{octets}.first(v4_octets));
  if (inet_pton(AF_INET6, terminated.data(), octets.data()) == 1) return from(octets);
  return std::nullopt;
}

std::string IpAddress::text() const {
  std::array<char, INET6_ADDRSTRLEN> room{};
  inet_ntop(is_v4() ? AF_INET : AF_INET6, octets_.data(), room.data(), room.size());
  return room.data();
}

std::optional<Network> Network::parse(std::string_view text) noexcept {
  const std::size_t slash = text.find('/');
  const auto address = IpAddress::parse(text.substr(0, slash));
  if (!address) return std::nullopt;
  const auto most = static_cast<std::uint8_t>(address->octets().size() * 8);
  if (slash == std::string_view::npos) return Network{*address, most};
  const std::string_view digits = text.substr(slash + 1);
  std::uint8_t bits = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
  if (error != std::errc{} || end != digits.data() + digits.size() || bits > most) return std::nullopt;
  return Network{*address, bits};
}

bool Network::contains(const IpAddress& other) const noexcept {
  const Bytes ours = address.octets();
  const Bytes theirs = other.octets();
  if (ours.size() != theirs.size()) return false;
  for (std::size_t at = 0; at < ours.size(); ++at)
    if (((ours[at] ^ theirs[at]) & mask_at(at, bits)) != std::byte{0}) return false;
  return true;
}

bool Network::is_exact() const noexcept {
  const Bytes ours = address.octets();
  for (std::size_t at = 0; at < ours.size(); ++at)
    if ((ours[at] & ~mask_at(at, bits)) != std::byte{0}) return false;
  return true;
}

}  // namespace baton::recognise
