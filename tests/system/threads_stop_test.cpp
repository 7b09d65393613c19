// SPDX-License-Identifier: MIT
// A thread that reads or writes an end point without pause, while another begins and lifts its data stop again and
// again: no call may meet what stands in for the end point, and no octet may go astray.
#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <thread>

#include "remote.hpp"

namespace baton::system_tests {
namespace {

constexpr int enough = 100;
constexpr int most_rounds = 20'000;

/// Both ends of a link, in one process.
struct Link {
  int giving = -1;
  int taking = -1;
};
Link link_to_oneself() {
  Link link;
  const int listening = listen_iso("SELF");
  std::thread accepting{[&] { link.taking = accept_iso(listening); }};
  link.giving = connect_iso("SELF");
  accepting.join();
  soc_close(listening);
  return link;
}

struct Told {
  int stops = 0;
  int refused = 0;  // EBUSY: a call was inside
  int wrong = 0;
  char what[200] = {};
};

void note(Told& told, const char* what, int error) {
  if (told.wrong++ == 0) std::snprintf(told.what, sizeof told.what, "%s: %d %s", what, error, soc_error_text());
}

/// Up to the data stop, and back.
void stop_and_lift(const Link& link, int number, int domain, Told& told) {
  if (const Step step = offer(link.giving, number, domain); !step.ok()) {
    step.error == EBUSY ? ++told.refused : (note(told, "offer", step.error), 0);
    return;
  }
  const Step offered = receive_offer(link.taking);
  if (!offered.ok() || !answer(link.taking, offered.header).ok()) return note(told, "answer", offered.error);
  const Step stopped = await_answer(link.giving, number, domain);
  if (stopped.ok())
    ++told.stops;
  else if (stopped.error == EBUSY)
    ++told.refused;
  else
    note(told, "data stop", stopped.error);
  if (stopped.ok() && soc_cancel(link.giving, number) < 0) note(told, "cancel", errno);
  soc_close(offered.header.fd_server);
}

enum class Work { Read, Write };

Told disturb(int number, int domain, Work work) {
  const Link link = link_to_oneself();
  Told told;
  std::atomic<bool> done{false};
  std::atomic<int> wrong{0};
  std::thread worker{[&] {
    for (unsigned char next = 0; !done.load();) {
      char octet = static_cast<char>(next);
      const ssize_t size =
          work == Work::Read ? soc_recv(number, &octet, 1, MSG_DONTWAIT) : soc_send(number, &octet, 1, MSG_DONTWAIT);
      if (size == 1 && octet == static_cast<char>(next))
        ++next;
      else if (size >= 0 || (errno != EWOULDBLOCK && errno != EBUSY))
        wrong.store(errno == 0 ? 1 : errno);
      ::usleep(20);  // lets the other thread find nobody inside, now and then
    }
  }};
  for (int i = 0; i < most_rounds && told.stops < enough; ++i) stop_and_lift(link, number, domain, told);
  done.store(true);
  worker.join();
  if (wrong.load() != 0) note(told, "the worker", wrong.load());
  soc_close(link.giving);
  soc_close(link.taking);
  return told;
}

class Stops : public Remote {
 protected:
  void expect_undisturbed(const Connection& connection, Work work) {
    auto disturbing = listener_->start(
        [number = connection.number, domain = connection.family, work] { return disturb(number, domain, work); });
    const bool iso = connection.family == AF_ISO;
    // The client's side: each octet follows the one before.
    unsigned char next = 0;
    while (!disturbing.done(0)) {
      const std::string octet(1, static_cast<char>(next));
      if (work == Work::Read) {
        write_all(connection.client.get(), iso ? data_packet(octet) : octet);
        ++next;
        ::usleep(50);
        continue;
      }
      pollfd entry{connection.client.get(), POLLIN, 0};
      if (::poll(&entry, 1, 10) != 1) continue;
      ASSERT_EQ(iso ? read_tsdu(connection.client.get()) : read_some(connection.client.get(), 1), octet);
      ++next;
    }
    const Told told = disturbing.get().value;
    EXPECT_EQ(told.wrong, 0) << told.what;
    EXPECT_EQ(told.stops, enough) << told.refused << " were refused";
  }
};

TEST_F(Stops, OfTcpThatIsRead) { expect_undisturbed(connect_client(), Work::Read); }
TEST_F(Stops, OfTcpThatIsWritten) { expect_undisturbed(connect_client(), Work::Write); }
TEST_F(Stops, OfIsoThatIsRead) { expect_undisturbed(opened(), Work::Read); }
TEST_F(Stops, OfIsoThatIsWritten) { expect_undisturbed(opened(), Work::Write); }

}  // namespace
}  // namespace baton::system_tests
