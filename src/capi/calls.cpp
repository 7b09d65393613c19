// SPDX-License-Identifier: MIT
// socket, names, connections, closing, waiting.
#include <netinet/in.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <vector>

#include "baton/soc.h"
#include "capi/address.hpp"
#include "capi/faults.hpp"
#include "capi/resolve.hpp"
#include "endpoint/host_table.hpp"
#include "endpoint/in_use.hpp"
#include "endpoint/outcome_reader.hpp"
#include "endpoint/statistics.hpp"
#include "endpoint/waiting.hpp"
#include "os/plain_calls.hpp"
#include "os/process.hpp"
#include "os/socket.hpp"
#include "os/wake.hpp"

namespace plain = baton::os::plain;
using namespace baton;
using namespace baton::capi;
using endpoint::Fault;

namespace {

/// At the first socket of a process: it can be woken, and asked how it is, if the environment says so.
void prepare_process() {
  (void)os::own_wake_socket();
  static std::once_flag once;
  std::call_once(once, [] {
    const char* status = ::secure_getenv("BATON_STATUS");
    if (status != nullptr && std::strcmp(status, "1") == 0) (void)endpoint::serve_status(true);
  });
}

int give_address(const endpoint::Result<tsap::IsoAddress>& address, void* name, socklen_t* length) {
  if (!address) return report(address.error());
  if (name == nullptr || length == nullptr) return report_errno(EFAULT);
  write_address(*address, name, length);
  return 0;
}

/// Of an end point in a move.
int give_address(const handoff::Description& description, bool local, void* name, socklen_t* length) {
  if (description.family == handoff::Family::Iso)
    return give_address(local ? description.iso_local : description.iso_peer, name, length);
  if (name == nullptr || length == nullptr) return report_errno(EFAULT);
  write_address(local ? description.local : description.peer, description.family, name, length);
  return 0;
}

/// getsockname and getpeername differ in which side they ask for.
enum class Side { Local, Peer };

int name_of_side(int s, void* name, socklen_t* length, Side side) {
  const Target target = resolve(s);
  const bool local = side == Side::Local;
  if (const auto* socket = std::get_if<std::shared_ptr<endpoint::IsoSocket>>(&target))
    return give_address(local ? (*socket)->local_address() : (*socket)->peer_address(), name, length);
  // Behind a parked number there still are the names of the connection.
  if (const auto* given = std::get_if<std::shared_ptr<endpoint::GivenMove>>(&target);
      given != nullptr && (*given)->stands_in(s))
    return give_address((*given)->description, local, name, length);
  if (const auto* awaited = std::get_if<std::shared_ptr<endpoint::AwaitedMove>>(&target))
    return give_address((*awaited)->description, local, name, length);
  return through(local ? plain::getsockname(s, name, length) : plain::getpeername(s, name, length));
}

}  // namespace

extern "C" {

int soc_socket(int domain, int type, int protocol) {
  prepare_process();
  if (domain != AF_ISO) return through(plain::socket(domain, type, protocol));
  const int flags = SOCK_NONBLOCK | SOCK_CLOEXEC;
  if ((type & ~flags) != SOCK_STREAM) return report_errno(ESOCKTNOSUPPORT);
  if (protocol != 0) return report_errno(EPROTONOSUPPORT);
  const auto number = endpoint::IsoSocket::create((type & SOCK_NONBLOCK) != 0);
  return number ? *number : report(number.error());
}

int soc_bind(int s, const void* name, int namelen) {
  const Target target = resolve(s);
  if (const auto* socket = std::get_if<std::shared_ptr<endpoint::IsoSocket>>(&target)) {
    const auto address = read_address(name, namelen);
    if (!address) return report(address.error());
    const auto bound = (*socket)->bind(*address);
    return bound ? 0 : report_made(bound.error(), "tsap");
  }
  if (std::holds_alternative<Inherited>(target)) return report(Fault::OtherProcess);
  return through(plain::bind(s, name, static_cast<socklen_t>(namelen)));
}

int soc_listen(int s, int backlog) {
  const Target target = resolve(s);
  if (const auto* socket = std::get_if<std::shared_ptr<endpoint::IsoSocket>>(&target)) {
    const auto listening = (*socket)->listen(backlog);
    return listening ? 0 : report(listening.error());
  }
  if (std::holds_alternative<Inherited>(target)) return report(Fault::OtherProcess);
  return through(plain::listen(s, backlog));
}

int soc_accept(int s, void* addr, socklen_t* addrlen) {
  prepare_process();
  const Target target = resolve(s);
  if (const auto* socket = std::get_if<std::shared_ptr<endpoint::IsoSocket>>(&target)) {
    const auto accepted = (*socket)->accept(waiting_of(s));
    if (!accepted) return report(accepted.error());
    if (addr != nullptr && addrlen != nullptr) (void)name_of_side(*accepted, addr, addrlen, Side::Peer);
    return *accepted;
  }
  if (std::holds_alternative<Inherited>(target)) return report(Fault::OtherProcess);
  const endpoint::UseGuard guard{s};
  return through(plain::accept(s, addr, addrlen));
}

int soc_connect(int s, const void* name, int namelen) {
  const Target target = resolve(s);
  if (const auto* socket = std::get_if<std::shared_ptr<endpoint::IsoSocket>>(&target)) {
    const auto address = read_address(name, namelen);
    if (!address) return report(address.error());
    const auto connected = (*socket)->connect(*address, waiting_of(s));
    return connected ? 0 : report(connected.error());
  }
  if (std::holds_alternative<Inherited>(target)) return report(Fault::OtherProcess);
  const endpoint::UseGuard guard{s};
  const int outcome = plain::connect(s, name, static_cast<socklen_t>(namelen));
  // The manual knows EWOULDBLOCK only, at the first call and at those after it.
  if (outcome < 0 && (errno == EINPROGRESS || errno == EALREADY)) return report_errno(EWOULDBLOCK);
  return through(outcome);
}

int soc_getsockname(int s, void* name, socklen_t* namelen) { return name_of_side(s, name, namelen, Side::Local); }
int soc_getpeername(int s, void* name, socklen_t* namelen) { return name_of_side(s, name, namelen, Side::Peer); }

int soc_shutdown(int s, int how) {
  const Target target = resolve(s);
  if (std::holds_alternative<std::shared_ptr<endpoint::IsoSocket>>(target)) return report(Fault::Unsupported);
  if (const auto* given = std::get_if<std::shared_ptr<endpoint::GivenMove>>(&target))
    if (auto back = await_give_back(**given, Use::Write, waiting_of(s)); !back) return report(back.error());
  if (std::holds_alternative<std::shared_ptr<endpoint::AwaitedMove>>(target)) return report(Fault::Busy);
  const endpoint::UseGuard guard{s};
  return through(plain::shutdown(s, how));
}

int soc_close(int s) {
  const Target target = resolve(s);
  if (const auto* socket = std::get_if<std::shared_ptr<endpoint::IsoSocket>>(&target)) {
    // Of a duplicate only the number goes, as with close(2).
    if (!(*socket)->adopt(s)) return through(plain::close(s));
    if (const auto move = (*socket)->given()) {
      if (move->express) return report(Fault::Busy);  // not collected
      const auto lock = move->link->lock();
      move->link->give_up_number(lock, move);
    }
    (*socket)->close();
  } else if (const auto* given = std::get_if<std::shared_ptr<endpoint::GivenMove>>(&target)) {
    if ((*given)->number != s) return through(plain::close(s));
    if ((*given)->express) return report(Fault::Busy);  // the library has taken the number over
    const auto lock = (*given)->link->lock();
    (*given)->link->give_up_number(lock, *given);
  } else if (const auto* awaited = std::get_if<std::shared_ptr<endpoint::AwaitedMove>>(&target)) {
    if ((*awaited)->number != s) return through(plain::close(s));
    const auto lock = (*awaited)->link->lock();
    (*awaited)->link->decline(lock, *awaited);
  }
  if (!std::holds_alternative<Plain>(target)) endpoint::erase_number(s);
  return through(plain::close(s));
}

int soc_ioctl(int s, unsigned long request, void* argument) {
  const Target target = resolve(s);
  if (request == FIONREAD)
    if (const auto* socket = std::get_if<std::shared_ptr<endpoint::IsoSocket>>(&target)) {
      const auto connection = (*socket)->connection();
      if (!connection) return report(connection.error());
      if (argument == nullptr) return report_errno(EFAULT);
      auto lock = (*connection)->lock();
      *static_cast<int*>(argument) = static_cast<int>((*connection)->readable_octets(lock));
      return 0;
    }
  return through(plain::ioctl(s, request, argument));
}

int soc_pending(int link) {
  const auto socket = resolve_iso(link);
  if (!socket) return report(socket.error());
  const auto connection = (*socket)->connection();
  if (!connection) return report(connection.error());
  auto lock = (*connection)->lock();
  return static_cast<int>((*connection)->pending(lock));
}

int soc_poll_ms(struct pollfd fds[], unsigned long nfds, int timeout_ms) {
  if (fds == nullptr && nfds != 0) return report_errno(EFAULT);
  prepare_process();
  endpoint::tell_lost();
  const Instant deadline = timeout_ms < 0 ? never : os::monotonic_now() + std::chrono::milliseconds{timeout_ms};
  const auto ready = endpoint::poll({fds, nfds}, deadline);
  return ready ? *ready : report(ready.error());
}

int soc_poll(struct pollfd fds[], unsigned long nfds, int timeout) {
  // Seconds; above 2^31 ms (24.85 days) it waits until there is an event (manual, soc_poll).
  constexpr int most_seconds = 2147483;
  const bool for_ever = timeout < 0 || timeout > most_seconds;
  return soc_poll_ms(fds, nfds, for_ever ? -1 : timeout * 1000);
}

int soc_select(int nfds, fd_set* readfds, fd_set* writefds, fd_set* exceptfds, struct timeval* timeout) {
  if (nfds < 0 || (timeout != nullptr && (timeout->tv_sec < 0 || timeout->tv_usec < 0 || timeout->tv_usec >= 1000000)))
    return report_errno(EINVAL);
  // Only the caller's nfds bits are read and written: the sets may be smaller or larger than an fd_set.
  constexpr int bits = 8 * sizeof(fd_mask);
  const auto masks = [](fd_set* set) { return reinterpret_cast<fd_mask*>(set); };
  const auto has = [&](fd_set* set, int number) {
    return set != nullptr && (static_cast<unsigned long>(masks(set)[number / bits]) >> (number % bits) & 1U) != 0;
  };
  std::vector<pollfd> entries;
  for (int number = 0; number < nfds; ++number) {
    const short events =
        static_cast<short>((has(readfds, number) ? POLLIN : 0) | (has(writefds, number) ? POLLOUT : 0) |
                           (has(exceptfds, number) ? POLLPRI : 0));
    if (events != 0) entries.push_back({number, events, 0});
  }
  prepare_process();
  endpoint::tell_lost();
  Instant deadline = never;
  if (timeout != nullptr)
    deadline =
        os::monotonic_now() + std::chrono::seconds{timeout->tv_sec} + std::chrono::microseconds{timeout->tv_usec};
  const auto ready = endpoint::poll(entries, deadline);
  if (!ready) return report(ready.error());
  if (std::ranges::any_of(entries, [](const pollfd& entry) { return (entry.revents & POLLNVAL) != 0; }))
    return report(Fault::BadDescriptor);
  int count = 0;
  const auto answer = [&](fd_set* set, const pollfd& entry, bool asked, bool yes) {
    if (!asked) return;
    const auto mask = static_cast<fd_mask>(1UL << (entry.fd % bits));
    if (yes) {
      ++count;
      masks(set)[entry.fd / bits] |= mask;
    } else {
      masks(set)[entry.fd / bits] &= ~mask;
    }
  };
  for (const pollfd& entry : entries) {
    // A hang-up ends reading (end of file), an error both; a moved end point also is the exception that z/OS posts.
    answer(readfds, entry, (entry.events & POLLIN) != 0, (entry.revents & (POLLIN | POLLHUP | POLLERR)) != 0);
    const bool moved = (entry.revents & POLLHUP) != 0 && !std::holds_alternative<Plain>(resolve(entry.fd));
    answer(writefds, entry, (entry.events & POLLOUT) != 0, (entry.revents & (POLLOUT | POLLERR)) != 0 || moved);
    answer(exceptfds, entry, (entry.events & POLLPRI) != 0, (entry.revents & POLLPRI) != 0 || moved);
  }
  return count;
}

int soc_wake(const int* pid) {
  const int saved = errno;
  if (pid == nullptr) return errno = EFAULT, -1;
  const auto woken = os::wake(*pid);
  // No sentence here: this may be a signal handler.
  errno = woken ? saved : os::number(woken.error());
  return woken ? 0 : -1;
}

int soc_get_statistics(struct soc_statistics* given) {
  if (given == nullptr) return report_errno(EFAULT);
  const endpoint::Statistics& counters = endpoint::statistics();
  const auto value = [](const endpoint::Statistics::Counter& counter) {
    return counter.load(std::memory_order_relaxed);
  };
  struct soc_statistics all = {};
  all.size = static_cast<uint32_t>(std::min<std::size_t>(given->size, sizeof all));
  all.version = 1;
  all.offered = value(counters.offered);
  all.moved = value(counters.moved);
  all.refused = value(counters.refused);
  all.cancelled = value(counters.cancelled);
  all.given_back = value(counters.given_back);
  all.in_doubt = value(counters.in_doubt);
  all.touched = value(counters.touched);
  all.abandoned = value(counters.abandoned);
  all.received = value(counters.received);
  all.taken = value(counters.taken);
  all.links = value(counters.links);
  all.pause_count = value(counters.pause_count);
  all.pause_total_ns = value(counters.pause_total_ns);
  all.pause_longest_ns = value(counters.pause_longest_ns);
  if (given->size < 2 * sizeof(uint32_t)) return report_errno(EINVAL);
  std::memcpy(given, &all, all.size);
  return 0;
}

int soc_status(int on) {
  const auto served = endpoint::serve_status(on != 0);
  return served ? 0 : report_made(served.error(), "status");
}

int soc_set_host(const char* nsel, const char* addresses) {
  if (nsel == nullptr) return report_errno(EFAULT);
  const auto set =
      endpoint::set_host(nsel, addresses == nullptr ? std::nullopt : std::optional<std::string>{addresses});
  return set ? 0 : report(set.error());
}

const char* soc_error_text(void) { return last_sentence(); }

const char* soc_version(void) { return BATON_VERSION; }

}  // extern "C"
