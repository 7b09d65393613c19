// SPDX-License-Identifier: MIT
#include "dispatch/host_lookup.hpp"

#include <pthread.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <deque>
#include <mutex>
#include <utility>

#include "os/event.hpp"
#include "os/resolve_host.hpp"

namespace baton::dispatch {

struct HostLookup::Question {
  std::string host;
  std::uint16_t port = 0;
  UniqueFd done;
  Addresses addresses{};
  std::atomic<bool> answered{false};

  void ask() {
    addresses = os::resolve_host(host, port, os::Lookup::Names);
    answered = true;
    os::signal_event(done.ref());
  }
};

namespace {

constexpr std::size_t most_threads = 8;

/// What waits for a thread, as functions. It is never destroyed: a thread may outlive main().
template <class Work>
struct Queue {
  std::mutex mutex;
  std::deque<Work> work;
  std::size_t threads = 0;

  static Queue& of_process() {
    static Queue& queue = *new Queue;
    return queue;
  }

  static void* run(void*) {
    Queue& queue = of_process();
    std::unique_lock lock{queue.mutex};
    while (!queue.work.empty()) {
      const Work next = std::move(queue.work.front());
      queue.work.pop_front();
      lock.unlock();
      next->ask();
      lock.lock();
    }
    --queue.threads;
    return nullptr;
  }
};

/// Detached, and without signals, which are the event loop's. False: there is none to be had.
bool start_thread(void* (*run)(void*)) {
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  (void)::pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread{};
  const bool started = ::pthread_create(&thread, nullptr, run, nullptr) == 0;
  (void)::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (started) (void)::pthread_detach(thread);
  return started;
}

}  // namespace

os::Result<HostLookup> HostLookup::begin(std::string host, std::uint16_t port) {
  auto done = os::event_descriptor();
  if (!done) return std::unexpected{done.error()};
  auto question = std::make_shared<Question>();
  question->host = std::move(host);
  question->port = port;
  question->done = std::move(*done);
  using Waiting = Queue<std::shared_ptr<Question>>;
  Waiting& queue = Waiting::of_process();
  const std::lock_guard lock{queue.mutex};
  if (queue.threads < most_threads) {
    if (start_thread(Waiting::run))
      ++queue.threads;
    else if (queue.threads == 0)
      return os::failure(EAGAIN);
  }
  queue.work.push_back(question);
  return HostLookup{std::move(question)};
}

FdRef HostLookup::done() const noexcept { return question_->done.ref(); }

const HostLookup::Addresses* HostLookup::answer() const noexcept {
  return question_->answered ? &question_->addresses : nullptr;
}

}  // namespace baton::dispatch
