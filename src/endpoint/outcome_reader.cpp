// SPDX-License-Identifier: MIT
#include "endpoint/outcome_reader.hpp"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <vector>

#include "endpoint/link.hpp"
#include "endpoint/statistics.hpp"
#include "os/event.hpp"
#include "os/process.hpp"
#include "os/status_socket.hpp"
#include "os/wait.hpp"

namespace baton::endpoint {
namespace {

/// The thread stays this long without work: a listener that closes one end point after the other starts it once.
constexpr Duration linger = std::chrono::milliseconds{50};
/// Who asks for the status while no descriptor is left waits so long for the next try.
constexpr Duration status_retry = std::chrono::milliseconds{100};
/// poll(2) takes no more entries than the process may have descriptors, and a program may lower that: then the thread
/// looks so often.
constexpr Duration blind_time = std::chrono::milliseconds{20};

struct Reader {
  std::mutex mutex;
  std::vector<std::shared_ptr<Link>> links;
  HiddenFd event;
  os::StatusSocket status;
  Instant status_from{};  // the thread's: the status is not looked at before
  bool running = false;
  std::uint32_t in_generation = generation();
  Reader* parents = nullptr;  // of the process that forked us: its mutex may be locked for ever
};

// Never destroyed: the thread may outlive static destruction.
Reader& reader() {
  static Reader* instance = new Reader;
  // In a forked child there is no thread, and the links are the parent's.
  if (instance->in_generation != generation()) {
    auto* fresh = new Reader;
    fresh->parents = instance;
    instance = fresh;
  }
  return *instance;
}

/// One round: waits, reads what can be read. False: nothing is left to do.
bool serve(Reader& r, std::vector<std::shared_ptr<Link>>& links, std::vector<pollfd>& entries) {
  entries.clear();
  FdRef status;
  {
    const std::lock_guard lock{r.mutex};
    links = r.links;
    status = r.status.descriptor();
    entries.push_back({r.event.ref().get(), POLLIN, 0});
  }
  const bool rests = r.status_from > os::monotonic_now();
  entries.push_back({rests ? -1 : status.get(), POLLIN, 0});
  const bool idle = links.empty() && !status.valid();
  Instant deadline = idle ? os::monotonic_now() + linger : status.valid() && rests ? r.status_from : never;
  for (const auto& link : links) deadline = std::min(deadline, link->add_reader_entries(entries));
  const auto ready = os::poll_until(entries, deadline);
  if (!ready) (void)os::poll_until({}, std::min(deadline, os::monotonic_now() + blind_time));
  os::reset_event(r.event.ref());
  const bool asked = !rests && (!ready || (entries[1].revents & POLLIN) != 0);
  if (status.valid() && asked && !os::StatusSocket::answer(status, statistics_as_json()))
    r.status_from = os::monotonic_now() + status_retry;
  std::vector<std::shared_ptr<Link>> done;
  for (const auto& link : links)
    if (!link->read_outcomes()) done.push_back(link);
  links.clear();
  bool stop = false;
  {
    const std::lock_guard lock{r.mutex};
    for (const auto& link : done) std::erase(r.links, link);
    stop = idle && ready.value_or(0) == 0 && r.links.empty() && !r.status.descriptor().valid();
    if (stop) r.running = false;
  }
  // Watched again by a close in the meantime. Asked without our lock: a link's is taken before ours.
  for (const auto& link : done)
    if (link->is_watched()) outcome_reader_watch(link);
  return !stop;
}

void* run(void* argument) {
  auto& r = *static_cast<Reader*>(argument);
  std::vector<std::shared_ptr<Link>> links;
  std::vector<pollfd> entries;
  while (serve(r, links, entries)) {
  }
  return nullptr;
}

/// Under the reader's lock. Without the thread, moves stay in doubt until the program looks at the link: nothing is
/// lost.
os::Result<void> start(Reader& r) {
  if (!r.event.valid()) {
    auto event = os::event_descriptor();
    if (!event) return std::unexpected{event.error()};
    r.event = HiddenFd{std::move(*event)};
  }
  os::signal_event(r.event.ref());
  if (r.running) return {};
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_t thread;
  const int error = pthread_create(&thread, &attributes, run, &r);
  pthread_attr_destroy(&attributes);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error != 0) return os::failure(error);
  r.running = true;
  return {};
}

}  // namespace

void outcome_reader_watch(std::shared_ptr<Link> link) {
  Reader& r = reader();
  const std::lock_guard lock{r.mutex};
  if (std::ranges::find(r.links, link) == r.links.end()) r.links.push_back(std::move(link));
  (void)start(r);
}

void outcome_reader_look_again() {
  Reader& r = reader();
  const std::lock_guard lock{r.mutex};
  if (r.event.valid()) os::signal_event(r.event.ref());
}

Result<void> serve_status(bool on) {
  Reader& r = reader();
  const std::lock_guard lock{r.mutex};
  if (!on) {
    r.status.close();
  } else if (!r.status.descriptor().valid()) {
    if (auto opened = r.status.open(); !opened) return fail(opened.error());
  }
  if (auto started = start(r); !started) return fail(started.error());
  return {};
}

}  // namespace baton::endpoint
