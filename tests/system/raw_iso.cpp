// SPDX-License-Identifier: MIT
#include "raw_iso.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include "parties.hpp"

namespace baton::system_tests {
namespace {

char octet(std::size_t value) { return static_cast<char>(value & 0xffU); }

std::string parameter(int code, std::string_view value) {
  return std::string{octet(static_cast<std::size_t>(code))} + octet(value.size()) + std::string{value};
}

std::string with_length(std::string_view header, std::string_view rest = {}) {
  return octet(header.size()) + std::string{header} + std::string{rest};
}

}  // namespace

std::string packet(std::string_view tpdu) {
  const std::size_t length = tpdu.size() + 4;
  return std::string{'\3', '\0', octet(length >> 8U), octet(length)} + std::string{tpdu};
}

std::string connection_request(std::string_view called, std::string_view calling, int size,
                               std::string_view user_data) {
  const std::string fixed{'\xe0', '\0', '\0', '\1', '\2', '\0'};
  return packet(with_length(fixed + parameter(0xc0, std::string{octet(static_cast<std::size_t>(size))}) +
                                parameter(0xc1, calling) + parameter(0xc2, called),
                            user_data));
}

std::string data_packet(std::string_view payload, bool last) {
  return packet(std::string{'\2', '\xf0', last ? '\x80' : '\0'} + std::string{payload});
}

std::string disconnect(int reason, std::string_view text) {
  const std::string fixed{'\x80', '\0', '\0', '\1', '\2', octet(static_cast<std::size_t>(reason))};
  return packet(with_length(text.empty() ? fixed : fixed + parameter(0xe0, text)));
}

UniqueFd connect_raw(unsigned short port) { return UniqueFd{adopt, connect_tcp(AF_INET, port)}; }

std::string read_packet(int number) {
  const std::string head = read_some(number, 4);
  if (head.size() < 4) return {};
  const auto high = static_cast<unsigned char>(head[2]);
  const auto low = static_cast<unsigned char>(head[3]);
  return read_some(number, std::size_t{high} * 256 + low - 4);
}

std::string read_tsdu(int number) {
  std::string all;
  for (;;) {
    const std::string tpdu = read_packet(number);
    if (tpdu.size() < 3 || tpdu[1] != '\xf0') return all;
    all += tpdu.substr(3);
    if (tpdu[2] == '\x80') return all;
  }
}

std::string pattern(std::size_t size, unsigned seed) {
  std::string octets(size, '\0');
  for (std::size_t i = 0; i < size; ++i) octets[i] = octet((i + seed) * 7 + (i + seed) / 251);
  return octets;
}

}  // namespace baton::system_tests
