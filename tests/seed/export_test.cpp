// SPDX-License-Identifier: MIT
// AF_ISO connections across exec: a program becomes another one in the middle of a TSDU, and its partner goes on.
//
//   seed_export                     the test
//   seed_export --imported FD HEX   what it becomes
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "support/process.hpp"
#include "support/runtime_dir.hpp"
#include "support/seed_steps.hpp"

namespace {

using namespace baton;
using namespace baton::test;

constexpr std::string_view first = "before the exec, ";
constexpr std::string_view second = "and behind it";
constexpr std::string_view reply = "all of it";

Bytes octets_of(std::string_view text) { return std::as_bytes(std::span{text}); }

void expect_text(const Steps& steps, int link, std::string_view text) {
  std::string room(text.size(), '?');
  steps.read_all(link, std::as_writable_bytes(std::span{room}));
  require(room == text, "the octets, in order");
}

[[noreturn]] void become_another(int link, const std::vector<std::byte>& state) {
  std::string hex;
  for (const std::byte octet : state) {
    std::array<char, 3> two{};
    (void)std::snprintf(two.data(), two.size(), "%02x", std::to_integer<unsigned>(octet));
    hex += two.data();
  }
  const std::string number = std::to_string(link);
  ::execl("/proc/self/exe", "seed_export", "--imported", number.c_str(), hex.c_str(), nullptr);
  fail_call("execl");
}

void exporter(const Mailbox& ready) {
  const Steps steps{Waits::Blocking};
  const int tsap = steps.listen("export");
  ready.send(0);
  const int link = steps.accept(tsap);
  require(soc_export(tsap, nullptr, 0) == -1 && errno == ENOTCONN, "what listens is not exported");
  std::array<std::byte, 1> small{};
  pollfd entry{link, POLLIN, 0};
  checked(soc_poll_ms(&entry, 1, -1), "soc_poll_ms");  // confirms
  expect_text(steps, link, first);
  const auto size = static_cast<std::size_t>(checked(soc_export(link, nullptr, 0), "soc_export, asking"));
  require(soc_export(link, small.data(), small.size()) == -1 && errno == EMSGSIZE, "too little room");
  require((::fcntl(link, F_GETFD) & FD_CLOEXEC) != 0, "nothing has happened to it");
  std::vector<std::byte> state(size);
  require(checked(soc_export(link, state.data(), state.size()), "soc_export") == static_cast<ssize_t>(size),
          "its size");
  require(soc_import(link, state.data(), state.size()) == -1 && errno == EISCONN, "it is one here");
  become_another(link, state);
}

void partner(const Mailbox& ready) {
  (void)ready.receive();
  const Steps steps{Waits::Blocking};
  const int link = steps.connect("export");
  // One TSDU, of which the exporter reads the first part only.
  steps.write_all(link, octets_of(std::string{first} + std::string{second}));
  expect_text(steps, link, reply);
  std::byte octet{};
  require(soc_read(link, &octet, 1) <= 0, "the end");
  checked(soc_close(link), "soc_close");
}

int imported(int link, std::string_view hex) {
  std::vector<std::byte> state;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    state.push_back(static_cast<std::byte>(std::stoul(std::string{hex.substr(i, 2)}, nullptr, 16)));
  const auto refused = [&](int number, std::vector<std::byte> octets, int error) {
    if (soc_import(number, octets.data(), octets.size()) == -1 && errno == error) return true;
    std::cerr << "soc_import takes what it must not\n";
    return false;
  };
  auto torn = state;
  torn.resize(torn.size() / 2);
  if (!refused(link, torn, EINVAL) || !refused(0, state, EINVAL) || !refused(9999, state, EBADF)) return 1;
  if (soc_import(link, state.data(), state.size()) != 0) return std::perror("soc_import"), 1;
  if ((::fcntl(link, F_GETFD) & FD_CLOEXEC) == 0) return std::cerr << "not close-on-exec\n", 1;
  std::string rest;
  while (rest.size() < second.size()) {
    std::array<char, 64> room{};
    const ssize_t got = soc_read(link, room.data(), room.size());
    if (got <= 0) return std::perror("soc_read"), 1;
    rest.append(room.data(), static_cast<std::size_t>(got));
  }
  if (rest != second) return std::cerr << "other octets: " << rest << '\n', 1;
  if (soc_write(link, reply.data(), reply.size()) != static_cast<ssize_t>(reply.size())) return std::perror("write"), 1;
  return soc_close(link);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 4 && std::string_view{argv[1]} == "--imported") return imported(std::atoi(argv[2]), argv[3]);
  const RuntimeDir folder;
  const Mailbox ready;
  std::vector<Child> roles;
  roles.emplace_back("exporter", [&] { exporter(ready); });
  roles.emplace_back("partner", [&] { partner(ready); });
  const std::string failure = finish(roles);
  std::cout << (failure.empty() ? "went on behind the exec" : failure) << '\n';
  return failure.empty() ? 0 : 1;
}
