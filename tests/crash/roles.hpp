// SPDX-License-Identifier: MIT
// baton: crash/roles.hpp: what the processes of a round do.
//
// The roles know the library by its public calls only, so that the same code runs with the shipped library and with the
// one that has fault points. A failed check ends the role with a report (support/process.hpp).
#pragma once

#include <string>
#include <vector>

#include "crash/scenario.hpp"
#include "support/seed_steps.hpp"

namespace baton::crash {

void run_client();
void run_listener();
void run_server();
void run_fresh();

/// A whole-round role that runs `role` in a child, the victim: kills it where the round says. With `under_tracer` at a
/// boundary of a system call, else the victim ends itself at its fault point.
void run_victim(void (*role)(), bool under_tracer);

// --- What the roles share
// ---------------------------------------------------------------------------------------------

inline constexpr const char* server_name = "server";
inline constexpr const char* fresh_name = "fresh";
/// The TSEL under which a listener has its clients of the same host.
[[nodiscard]] std::string front_of(std::uint32_t port);
[[nodiscard]] constexpr std::uint64_t upward(std::size_t connection) { return 2 * connection + 1; }
[[nodiscard]] constexpr std::uint64_t downward(std::size_t connection) { return 2 * connection + 2; }

/// Where the client connects to.
class Front {
 public:
  explicit Front(Party of);
  ~Front();
  Front(const Front&) = delete;
  Front& operator=(const Front&) = delete;
  void publish() const;
  [[nodiscard]] test::EndPoint accept() const;

 private:
  int number_ = -1;
  std::uint32_t port_ = 0;
};

/// An end point of the client's connection `index`, in the hands of its owner.
struct Held {
  std::size_t index = 0;
  test::EndPoint at;
  std::vector<std::byte> carried = {};  // read and not yet counted
};
/// Reads and writes a little, as far as the client lets it.
void serve_some(Held& held);
/// Reads without counting: for the offer.
void read_ahead(Held& held, std::size_t octets);
/// Until the client and the owner have come to their end; closes it.
void serve_to_end(Held& held);

/// An errno, 0 for success.
using Errno = int;
/// One end point moves over `link`, by the seed's steps, without anybody dying: for what follows a death.
void give_onward(int link, Held& held);
/// ... and comes. False: the link has ended.
bool take_onward(int link, Held& held);
/// As many end points as come over the next link, each served to its end.
void serve_next_link(int listening);

/// Descriptors open now. At the end of a role there are as many as at its beginning.
[[nodiscard]] std::size_t count_descriptors();
void expect_descriptors(std::size_t before, std::size_t kept_by_library);
/// A child of this process that holds `link` and nothing else until the round is over.
void fork_holder_of(int link);

}  // namespace baton::crash
