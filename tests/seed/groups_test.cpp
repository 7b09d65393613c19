// SPDX-License-Identifier: MIT
// Held groups of real connections and a listening socket: the whole road, and each way in which a group goes off.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <vector>

#include "os/process.hpp"
#include "os/test_support.hpp"
#include "support/process.hpp"
#include "support/runtime_dir.hpp"
#include "support/seed_steps.hpp"
#include "support/sockets.hpp"

namespace baton::test {
namespace {

constexpr const char* server_name = "group";

void raise_descriptor_limit() {
  rlimit limit{};
  checked(::getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
  limit.rlim_cur = limit.rlim_max;
  checked(::setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
}

/// A listening socket and connections to it, both ends in this process. Every client has sent its number.
struct Service {
  UniqueFd listening = tcp_listen(AF_INET);
  std::vector<UniqueFd> clients;
  std::vector<int> end_points;

  explicit Service(std::uint32_t count) {
    for (std::uint32_t k = 0; k < count; ++k) {
      add_client(k);
      end_points.push_back(checked(::accept4(listening.get(), nullptr, nullptr, SOCK_CLOEXEC), "accept4"));
    }
  }
  /// Waits in the accept queue.
  void add_client(std::uint32_t k) {
    clients.push_back(tcp_connect(AF_INET, port_of(listening.ref())));
    write_all(clients.back().ref(), std::as_bytes(std::span{&k, 1}));
  }
  void expect_answers() const {
    for (std::uint32_t k = 0; k < clients.size(); ++k) {
      std::uint32_t answer = 0;
      require(read_some(clients[k].ref(), std::as_writable_bytes(std::span{&answer, 1})) == sizeof answer, "an answer");
      require(answer == k, "its own");
    }
  }
};

/// What the application says of the end point: its length and octets tell which one it is.
std::vector<std::byte> blob_of(std::uint32_t k) {
  constexpr std::array<std::size_t, 6> sizes{0, 1, 300, 64 * 1024, 64 * 1024 + 1, 1024 * 1024};
  return std::vector<std::byte>(sizes[k % sizes.size()], static_cast<std::byte>(k));
}

/// Reads a client's number and sends it back.
void answer(int end_point) {
  std::uint32_t number = 0;
  require(soc_read(end_point, &number, sizeof number) == sizeof number, "the client's number");
  require(soc_write(end_point, &number, sizeof number) == sizeof number, "the answer");
}

void hold_all(int link, const std::vector<int>& numbers, bool with_blobs) {
  for (std::size_t done = 0; done < numbers.size();) {
    std::vector<std::vector<std::byte>> blobs;
    std::vector<soc_move> moves;
    for (std::size_t i = done; i < std::min(numbers.size(), done + SOC_MOVES_MAX); ++i) {
      blobs.push_back(with_blobs ? blob_of(static_cast<std::uint32_t>(i)) : std::vector<std::byte>{});
      moves.push_back({});
      moves.back().fd = numbers[i];
      moves.back().blob = blobs.back().data();
      moves.back().blob_length = static_cast<std::uint32_t>(blobs.back().size());
    }
    const int held = checked(soc_hold(link, moves.data(), static_cast<int>(moves.size())), "soc_hold");
    require(held > 0, "a blocking soc_hold waits for credit");
    done += static_cast<std::size_t>(held);
  }
}

/// All that is held, up to the end of the group; `each` sees every move.
template <class Each>
std::size_t take_whole_group(int link, Each each) {
  for (std::size_t count = 0;;) {
    std::vector<soc_move> moves(SOC_MOVES_MAX);
    const int got = checked(soc_take(link, moves.data(), SOC_MOVES_MAX, -1), "soc_take");
    for (int i = 0; i < got; ++i) {
      const soc_move& move = moves[static_cast<std::size_t>(i)];
      if (move.flags == SOC_GROUP_END) {
        require(move.fd == -1 && move.length == count && i == got - 1, "the end says how many");
        return count;
      }
      require(move.flags == SOC_HELD && move.fd >= 0, "held");
      each(static_cast<std::uint32_t>(count), move);
      ++count;
    }
  }
}

/// Outcomes of `count` moves: `error` for all, and who comes back comes under its number.
void expect_outcomes(int link, std::vector<int> numbers, int error) {
  std::vector<soc_move> outcomes(SOC_MOVES_MAX);
  std::vector<int> back;
  for (std::size_t count = 0; count < numbers.size();) {
    const int got = checked(soc_outcomes(link, outcomes.data(), SOC_MOVES_MAX, -1), "soc_outcomes");
    require(got > 0, "soc_outcomes waits for ever");
    for (int i = 0; i < got; ++i) {
      const soc_move& outcome = outcomes[static_cast<std::size_t>(i)];
      if (outcome.error != error) fail("error " + std::to_string(outcome.error));
      if (outcome.fd >= 0) back.push_back(outcome.fd);
    }
    count += static_cast<std::size_t>(got);
  }
  std::ranges::sort(numbers);
  std::ranges::sort(back);
  require(back == (error == 0 ? std::vector<int>{} : numbers), "each under its number, or gone");
}

class Groups : public ::testing::Test {
 protected:
  int accept_link(int listener) const {
    const int link = steps.accept(listener);
    pollfd entry{link, POLLIN, 0};
    checked(soc_poll_ms(&entry, 1, 0), "soc_poll_ms");  // confirms
    return link;
  }
  template <class Listener, class Server>
  void play(Listener listener, Server server) {
    std::vector<Child> roles;
    roles.emplace_back("server", [&] {
      raise_descriptor_limit();
      const int tsap = steps.listen(server_name);
      ready.send(0);
      server(accept_link(tsap));
    });
    roles.emplace_back("listener", [&] {
      raise_descriptor_limit();
      (void)ready.receive();
      listener(steps.connect(server_name));
    });
    EXPECT_EQ(finish(roles), "");
  }

  RuntimeDir folder;
  Mailbox ready;
  Mailbox told;
  Mailbox done;
  Steps steps{Waits::Blocking};
};

TEST_F(Groups, AWholeServiceMovesWithItsListeningSocketAndWhatTheApplicationSays) {
  constexpr std::uint32_t count = 40;
  play(
      [&](int link) {
        Service service{count};
        service.add_client(count);
        std::vector<int> numbers = service.end_points;
        numbers.push_back(service.listening.release());
        const std::size_t before = os::testing::open_descriptors();
        hold_all(link, numbers, true);
        std::uint32_t octet = 0;
        require(soc_write(numbers[0], &octet, 1) == -1 && errno == EBUSY, "held ones are out of reach");
        checked(soc_commit(link, -1), "soc_commit");
        expect_outcomes(link, numbers, 0);
        service.expect_answers();
        require(soc_abort(link) == -1 && errno == ENOENT, "the group is over");
        checked(soc_close(link), "soc_close");
        require(os::testing::open_descriptors() < before - numbers.size(), "every descriptor has gone");
        done.send(0);
      },
      [&](int link) {
        std::vector<soc_move> held;
        const std::size_t size = take_whole_group(link, [&](std::uint32_t k, const soc_move& move) {
          const auto blob = blob_of(k);
          require(move.blob_length == blob.size() && (move.blob == nullptr) == blob.empty(), "the blob's size");
          require(blob.empty() || std::memcmp(move.blob, blob.data(), blob.size()) == 0, "the blob");
          std::free(move.blob);
          require(move.kind == (k == count ? SOC_LISTENING : SOC_CONNECTION), "its kind");
          sockaddr_in name{};
          socklen_t length = sizeof name;
          checked(soc_getsockname(move.fd, &name, &length), "soc_getsockname");
          require(name.sin_family == AF_INET && name.sin_port != 0, "a parked number has the end point's names");
          std::uint32_t octet = 0;
          require(::recv(move.fd, &octet, 1, MSG_DONTWAIT) == -1 && errno == EAGAIN, "parked");
          held.push_back(move);
        });
        require(size == count + 1, "all of it");
        require(static_cast<std::size_t>(checked(soc_ready(link, -1), "soc_ready")) == size, "all usable");
        for (const soc_move& move : held) {
          if (move.kind == SOC_CONNECTION) {
            answer(move.fd);
          } else {
            const int queued = checked(soc_accept(move.fd, nullptr, nullptr), "soc_accept");
            answer(queued);  // it waited in the queue
          }
        }
        require(soc_ready(link, 0) == -1 && errno == ENOENT, "the group is over");
        (void)done.receive();
      });
}

TEST_F(Groups, TwoThousandConnectionsCommitAtOnce) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  constexpr std::uint32_t count = 400;
#else
  constexpr std::uint32_t count = 2000;
#endif
  play(
      [&](int link) {
        Service service{count};
        std::vector<int> numbers = service.end_points;
        numbers.push_back(service.listening.release());
        hold_all(link, numbers, false);
        require(soc_commit(link, 0) == -1 && errno == EWOULDBLOCK, "not ready yet");
        done.send(0);
        (void)told.receive();
        const Instant begin = os::monotonic_now();
        const std::clock_t used = std::clock();
        checked(soc_commit(link, -1), "soc_commit");
        expect_outcomes(link, numbers, 0);
        const auto took = std::chrono::duration_cast<std::chrono::microseconds>(os::monotonic_now() - begin);
        std::printf("%u end points, one of them listening: committed in %lld us\n", count + 1,
                    static_cast<long long>(took.count()));
        (void)std::fflush(stdout);  // a role ends without
        // On a busy machine the two may have to wait for a processor.
        require(std::clock() - used < CLOCKS_PER_SEC && took < std::chrono::seconds{10}, "at once");
        service.expect_answers();
      },
      [&](int link) {
        checked(soc_credit(link, 512), "soc_credit");
        std::vector<soc_move> held;
        (void)take_whole_group(link, [&](std::uint32_t, const soc_move& move) { held.push_back(move); });
        (void)done.receive();
        told.send(0);
        const std::clock_t used = std::clock();
        require(checked(soc_ready(link, -1), "soc_ready") == count + 1, "all usable");
        require(std::clock() - used < CLOCKS_PER_SEC, "at once");
        for (const soc_move& move : held)
          if (move.kind == SOC_CONNECTION) answer(move.fd);
      });
}

TEST_F(Groups, AnAbortBringsAllBackAndTheNextGroupCanBegin) {
  play(
      [&](int link) {
        Service service{20};
        hold_all(link, service.end_points, true);
        require(soc_cancel(link, service.end_points[0]) == -1 && errno == ENOENT, "none is called off alone");
        require(soc_abandon(link, 0) == 0, "none is in doubt");
        require(soc_commit(link, 0) == -1 && errno == EWOULDBLOCK, "not ready yet");
        require(soc_hold(link, std::vector<soc_move>(1).data(), 1) == -1, "complete is complete");
        checked(soc_abort(link), "soc_abort");
        expect_outcomes(link, service.end_points, ECANCELED);
        (void)told.receive();
        hold_all(link, service.end_points, true);
        checked(soc_commit(link, -1), "soc_commit");
        expect_outcomes(link, service.end_points, 0);
        service.expect_answers();
      },
      [&](int link) {
        std::vector<soc_move> moves(SOC_MOVES_MAX);
        std::vector<int> parked;
        int got = 0;
        while ((got = soc_take(link, moves.data(), SOC_MOVES_MAX, -1)) > 0)
          for (int i = 0; i < got; ++i) {
            std::free(moves[static_cast<std::size_t>(i)].blob);
            if (moves[static_cast<std::size_t>(i)].fd >= 0) parked.push_back(moves[static_cast<std::size_t>(i)].fd);
          }
        require(got == -1 && errno == ECANCELED, "the group is off");
        for (const int number : parked) checked(soc_close(number), "soc_close");
        told.send(0);
        std::vector<int> numbers;
        (void)take_whole_group(link, [&](std::uint32_t, const soc_move& move) {
          std::free(move.blob);
          numbers.push_back(move.fd);
        });
        require(checked(soc_ready(link, -1), "soc_ready") == 20, "all usable");
        for (const int number : numbers) answer(number);
      });
}

TEST_F(Groups, WhatAServerRefusesComesBackWhole) {
  play(
      [&](int link) {
        for (int way = 0; way < 3; ++way) {
          Service service{20};
          hold_all(link, service.end_points, false);
          require(soc_commit(link, -1) == -1 && errno == ECANCELED, "the server refuses");
          expect_outcomes(link, service.end_points, ECANCELED);
          for (const int number : service.end_points) answer(number);  // here, as before
          service.expect_answers();
          told.send(0);
        }
      },
      [&](int link) {
        for (int way = 0; way < 3; ++way) {
          std::vector<int> parked;
          (void)take_whole_group(link, [&](std::uint32_t, const soc_move& move) { parked.push_back(move.fd); });
          if (way == 0) {
            checked(soc_decline(link), "soc_decline");
            require(soc_ready(link, 0) == -1 && errno == ENOENT, "there is none any more");
          } else {
            checked(way == 1 ? soc_close(parked[7]) : ::close(parked[7]), "close");
            require(soc_ready(link, 0) == -1 && errno == ECANCELED, "the group is off");
          }
          for (const int number : parked) (void)soc_close(number);
          (void)told.receive();
        }
      });
}

TEST_F(Groups, ALinkThatTheListenerClosesLeavesAllUnderItsNumbers) {
  play(
      [&](int link) {
        Service service{20};
        hold_all(link, service.end_points, false);
        require(soc_commit(link, 0) == -1 && errno == EWOULDBLOCK, "not ready yet");
        (void)told.receive();
        checked(soc_close(link), "soc_close");
        done.send(0);
        for (const int number : service.end_points) answer(number);
        service.expect_answers();
      },
      [&](int link) {
        std::vector<int> parked;
        (void)take_whole_group(link, [&](std::uint32_t, const soc_move& move) { parked.push_back(move.fd); });
        told.send(0);
        (void)done.receive();
        require(soc_ready(link, -1) == -1 && errno == ECANCELED, "the group is off");
        for (const int number : parked) checked(soc_close(number), "soc_close");
      });
}

TEST_F(Groups, AServerThatDiesBeforeTheCommitGivesAllBackAlsoWhereAForkedChildLives) {
  play(
      [&](int link) {
        Service service{20};
        hold_all(link, service.end_points, false);
        require(soc_commit(link, -1) == -1 && errno == ECONNRESET, "it died");
        expect_outcomes(link, service.end_points, ECONNRESET);
        for (const int number : service.end_points) answer(number);
        service.expect_answers();
        done.send(0);
      },
      [&](int link) {
        (void)take_whole_group(link, [](std::uint32_t, const soc_move&) {});
        // The child holds the link and the parked numbers, and not the end points.
        if (checked(::fork(), "fork") == 0) {
          (void)done.receive();
          ::_exit(0);
        }
        ::_exit(0);
      });
}

TEST_F(Groups, AListenerThatDiesAfterTheCommitLeavesAllToTheServer) {
  const Mailbox begun;
  std::vector<Child> roles;
  roles.emplace_back("server", [&] {
    const int tsap = steps.listen(server_name);
    ready.send(0);
    const int link = accept_link(tsap);
    std::vector<int> parked;
    (void)take_whole_group(link, [&](std::uint32_t, const soc_move& move) { parked.push_back(move.fd); });
    (void)begun.receive();
    require(soc_ready(link, 0) == -1 && errno == EWOULDBLOCK, "not committed");
    told.send(0);
    (void)done.receive();  // L is gone
    require(checked(soc_ready(link, -1), "soc_ready") == 20, "COMMIT was the commit");
    for (const int number : parked) answer(number);
    for (const int number : parked) {
      char octet = 0;
      require(soc_read(number, &octet, 1) == 0, "the client goes");
    }
  });
  roles.emplace_back("clients", [&] {
    Service service{20};
    (void)ready.receive();
    const pid_t listener = checked(::fork(), "fork");
    if (listener == 0) {
      service.clients.clear();
      const int link = steps.connect(server_name);
      hold_all(link, service.end_points, false);
      require(soc_commit(link, 0) == -1 && errno == EWOULDBLOCK, "not ready yet");
      begun.send(0);
      (void)told.receive();
      checked(soc_commit(link, -1), "soc_commit");
      ::_exit(0);
    }
    for (const int number : service.end_points) ::close(number);
    int status = 0;
    checked(::waitpid(listener, &status, 0), "waitpid");
    require(status == 0, "the listener committed and ended");
    done.send(0);
    service.expect_answers();
  });
  EXPECT_EQ(finish(roles), "");
}

TEST_F(Groups, AListenerThatDiesBeforeTheCommitLeavesNothing) {
  const Mailbox begun;
  std::vector<Child> roles;
  roles.emplace_back("server", [&] {
    const int tsap = steps.listen(server_name);
    ready.send(0);
    const int link = accept_link(tsap);
    std::vector<int> parked;
    (void)take_whole_group(link, [&](std::uint32_t, const soc_move& move) { parked.push_back(move.fd); });
    (void)begun.receive();
    told.send(0);
    require(soc_ready(link, -1) == -1 && errno == ECANCELED, "the group is off");
    for (const int number : parked) checked(soc_close(number), "soc_close");
    done.send(0);
  });
  roles.emplace_back("clients", [&] {
    Service service{20};
    (void)ready.receive();
    const pid_t listener = checked(::fork(), "fork");
    if (listener == 0) {
      const int link = steps.connect(server_name);
      hold_all(link, service.end_points, false);
      require(soc_commit(link, 0) == -1 && errno == EWOULDBLOCK, "not ready yet");
      begun.send(0);
      (void)told.receive();
      ::_exit(0);
    }
    for (const int number : service.end_points) ::close(number);
    (void)done.receive();
    for (const UniqueFd& client : service.clients) {
      std::byte octet{};
      const auto got = ::recv(client.get(), &octet, 1, 0);
      require(got == 0 || (got < 0 && errno == ECONNRESET), "the connection is over");
    }
  });
  EXPECT_EQ(finish(roles), "");
}

}  // namespace
}  // namespace baton::test
