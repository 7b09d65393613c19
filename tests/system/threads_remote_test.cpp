// SPDX-License-Identifier: MIT
// Threads at connections from other hosts: several at one port, a reader that is closed under, a reader at a data stop.
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <thread>
#include <vector>

#include "remote.hpp"

namespace baton::system_tests {
namespace {

class RemoteThreads : public Remote {};

/// Serves connections until one of them says "end": every TSDU goes back.
void echo(int listening, std::atomic<bool>& ended) {
  while (!ended.load()) {
    pollfd entry{listening, POLLIN, 0};
    (void)soc_poll_ms(&entry, 1, 20);
    const int number = soc_accept(listening, nullptr, nullptr);
    if (number < 0) continue;
    soc_setsockopt(number, SOL_TRANSPORT, TPOPT_CFRM_DATA, "", 0);
    for (;;) {
      char octets[4096];
      const ssize_t size = soc_recv(number, octets, sizeof octets, 0);
      if (size <= 0) break;
      if (std::string_view{octets, static_cast<std::size_t>(size)} == "end") ended.store(true);
      (void)soc_send(number, octets, static_cast<std::size_t>(size), 0);
    }
    soc_close(number);
  }
}

TEST_F(RemoteThreads, SeveralAcceptAndServeAtOneTsap) {
  auto serving = listener_->start([at = iso_listening_] {
    ::fcntl(at, F_SETFL, O_NONBLOCK);
    std::atomic<bool> ended{false};
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) threads.emplace_back([&] { echo(at, ended); });
    for (std::thread& each : threads) each.join();
    return 0;
  });
  for (int round = 0; round < 10; ++round) {
    std::vector<UniqueFd> clients;
    for (int i = 0; i < 4; ++i) {
      clients.push_back(connect_raw(iso_port_));
      write_all(clients.back().get(), connection_request("APP"));
    }
    for (const UniqueFd& each : clients) EXPECT_EQ(read_packet(each.get()).substr(1, 1), "\xd0");
    for (int turn = 0; turn < 20; ++turn) {
      for (std::size_t i = 0; i < clients.size(); ++i)
        write_all(clients[i].get(), data_packet(pattern(1000, static_cast<unsigned>(i))));
      for (std::size_t i = 0; i < clients.size(); ++i)
        EXPECT_EQ(read_tsdu(clients[i].get()), pattern(1000, static_cast<unsigned>(i)));
    }
  }
  const UniqueFd last = connect_raw(iso_port_);
  write_all(last.get(), connection_request("APP"));
  (void)read_packet(last.get());
  write_all(last.get(), data_packet("end"));
  EXPECT_EQ(read_tsdu(last.get()), "end");
  ::shutdown(last.get(), SHUT_WR);
  EXPECT_EQ(serving.get().value, 0);
}

TEST_F(RemoteThreads, OneReadsWhileAnotherWrites) {
  const Connection connection = opened();
  auto talking = listener_->start([number = connection.number] {
    std::thread writer{[=] {
      for (unsigned i = 0; i < 200; ++i) soc_send(number, pattern(3000, i).data(), 3000, 0);
    }};
    bool right = true;
    for (unsigned i = 0; i < 200; ++i) {
      std::string got;
      for (int flags = 0; flags == 0;) {
        const Read part = read_once(number);
        right = right && part.size > 0;
        got += part.text();
        flags = part.flags == 0 && part.size > 0 ? 0 : 1;
      }
      right = right && got == pattern(3000, i + 7);
    }
    writer.join();
    return right;
  });
  std::thread sender{[&] {
    for (unsigned i = 0; i < 200; ++i) write_all(connection.client.get(), data_packet(pattern(3000, i + 7)));
  }};
  for (unsigned i = 0; i < 200; ++i) EXPECT_EQ(read_tsdu(connection.client.get()), pattern(3000, i));
  sender.join();
  EXPECT_TRUE(talking.get().value);
}

/// Waits until a thread of this process other than this one sleeps in recvmsg: the process has two.
void await_other_thread_in_kernel(const std::atomic<int>& thread) {
  while (thread.load() == 0) ::sched_yield();
  const std::string path = "/proc/self/task/" + std::to_string(thread.load()) + "/stat";
  for (;;) {
    char stat[512] = {};
    std::FILE* const file = std::fopen(path.c_str(), "re");
    if (file == nullptr) return;
    const std::size_t size = std::fread(stat, 1, sizeof stat - 1, file);
    std::fclose(file);
    const std::string_view text{stat, size};
    const std::size_t end = text.rfind(')');
    if (end != std::string_view::npos && text.substr(end).starts_with(") S")) return;
    ::sched_yield();
  }
}

TEST_F(RemoteThreads, AReaderIsWokenByTheClose) {
  const Connection connection = opened();
  const auto told = listener_->call([number = connection.number] {
    std::atomic<int> thread{0};
    Read read;
    std::thread reader{[&] {
      thread.store(::gettid());
      read = read_once(number);
    }};
    await_other_thread_in_kernel(thread);
    soc_close(number);
    reader.join();
    return read;
  });
  EXPECT_EQ(told.value.size, -1);
  EXPECT_EQ(told.value.error, EBADF);
}

TEST_F(RemoteThreads, WhoAcceptsIsWokenByTheClose) {
  const auto told = listener_->call([at = iso_listening_] {
    std::atomic<int> thread{0};
    int error = 0;
    std::thread accepting{[&] {
      thread.store(::gettid());
      error = soc_accept(at, nullptr, nullptr) < 0 ? errno : 0;
    }};
    await_other_thread_in_kernel(thread);
    soc_close(at);
    accepting.join();
    return error;
  });
  EXPECT_EQ(told.value, EBADF);
}

TEST_F(RemoteThreads, AReaderInsideRefusesTheMove) {
  const Connection connection = opened();
  struct Told {
    int error;
    Read read;
  };
  const auto told = listener_
                        ->call([link = link_.in_listener, number = connection.number] {
                          std::atomic<int> thread{0};
                          Told made{};
                          std::thread reader{[&] {
                            thread.store(::gettid());
                            made.read = read_once(number);
                          }};
                          await_other_thread_in_kernel(thread);
                          made.error = system_tests::offer(link, number, AF_ISO).error;
                          ::shutdown(number, SHUT_RD);  // lets the reader go
                          reader.join();
                          return made;
                        })
                        .value;
  EXPECT_EQ(told.error, EBUSY);
  EXPECT_EQ(told.read.error, ECONNRESET);
}

}  // namespace
}  // namespace baton::system_tests
