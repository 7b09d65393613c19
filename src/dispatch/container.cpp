// SPDX-License-Identifier: MIT
#include "dispatch/container.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <string_view>

#include "os/text_file.hpp"

namespace baton::dispatch {
namespace {

/// By the names of their processes: of `docker run --init`, of `podman run --init`, and as images have them.
constexpr std::array<std::string_view, 6> small_inits{"docker-init", "podman-init", "catatonit",
                                                      "tini",        "tini-static", "dumb-init"};

/// Of process 1, as far as it can be known.
std::string name_of_init() {
  constexpr std::size_t most = 64;  // proc(5): 16
  std::string name = os::read_text_file("/proc/1/comm", most).value_or(std::string{});
  if (name.ends_with('\n')) name.pop_back();
  return name;
}

}  // namespace

void mind_orphans() {
  if (::getpid() == 1) std::signal(SIGCHLD, SIG_IGN);  // sigaction(2): the kernel reaps them
}

std::optional<std::string> container_ends_with_it() {
  std::string who;
  if (::getpid() == 1) {
    who = "it is process 1";
  } else if (::getppid() == 1) {
    const std::string init = name_of_init();
    if (std::ranges::find(small_inits, init) == small_inits.end()) return std::nullopt;
    who = "process 1, " + init + ", ends with it";
  } else {
    return std::nullopt;
  }
  return who +
         ": this container would end with it, and the batond that follows in it; start another container in its "
         "place, or `baton reload` for a configuration";
}

}  // namespace baton::dispatch
