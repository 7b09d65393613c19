// SPDX-License-Identifier: MIT
// listen, close, dup, fcntl, ioctl and their likes: what happens to numbers that the library knows.
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdarg>

#include "preload/door.hpp"
#include "preload/export.hpp"
#include "preload/listeners.hpp"
#include "preload/numbers.hpp"
#include "preload/real.hpp"
#include "preload/section.hpp"
#include "preload/sets.hpp"
#include "preload/told.hpp"

using namespace baton;
using namespace baton::preload;

namespace {

bool is_known(int number) noexcept { return active() && Numbers::kind(number) != Kind::None && !in_section(); }

/// In a Section: the number is about to be closed, or to become another file's. False: it is the library's.
bool let_go(int number) {
  switch (Numbers::kind(number)) {
    case Kind::Own:
      return false;
    case Kind::Listener:
      sets().listener_closed(number);
      listeners().forget(number);
      if (listeners().empty()) door().leave();  // the process takes no more
      break;
    case Kind::Set:
      sets().set_closed(number);
      break;
    case Kind::Told:
      told().forget(number);
      break;
    case Kind::Waited:
      Numbers::set(number, Kind::None);
      break;
    case Kind::None:
      break;
  }
  return true;
}

/// The program takes numbers that it believes to be free.
void clear(int number) {
  const Section section;
  if (!section.ours() || let_go(number)) return;
  door().give_up();
  sets().bells_lost();
}

void clear_range(unsigned first, unsigned last) {
  const Section section;
  if (!section.ours()) return;
  bool own = false;
  const auto end = static_cast<int>(std::min<unsigned>(last, Numbers::size - 1));
  for (int number = static_cast<int>(std::min<unsigned>(first, Numbers::size)); number <= end; ++number)
    own = !let_go(number) || own;
  // The library beneath has numbers of its own that are not known here: all go before they are taken from it.
  door().give_up();
  sets().bells_lost();
}

/// `number` is another one for the same open file.
int duplicated(int of, int number) {
  if (number < 0 || of == number || !is_known(of)) return number;
  const Section section;
  if (!section.ours()) return number;
  if (Numbers::kind(of) == Kind::Listener) (void)listeners().learn(number);
  if (Numbers::kind(of) == Kind::Set) sets().set_duplicated(of, number);
  if (Numbers::kind(of) == Kind::Told) told().duplicated(of, number);
  return number;
}

std::optional<Listener> known_listener(int number) {
  if (!is_known(number) || Numbers::kind(number) != Kind::Listener) return std::nullopt;
  const Section section;
  return section.ours() ? listeners().find(number) : std::nullopt;
}

/// Whether it is non-blocking underneath either way.
bool tell_mode(const Listener& listener, bool nonblocking) {
  const Section section;
  return listeners().set_nonblocking(listener, nonblocking);
}

using FileControl = int (*)(int, int, ...);

int control(FileControl call, int number, int command, long argument) {
  if (command == F_DUPFD || command == F_DUPFD_CLOEXEC) return duplicated(number, call(number, command, argument));
  if (command != F_GETFL && command != F_SETFL) return call(number, command, argument);
  const auto listener = known_listener(number);
  if (!listener) return call(number, command, argument);
  if (command == F_GETFL) {
    const int flags = call(number, command, argument);
    return flags >= 0 && listener->veiled ? flags & ~O_NONBLOCK : flags;
  }
  return call(number, command, tell_mode(*listener, (argument & O_NONBLOCK) != 0) ? argument | O_NONBLOCK : argument);
}

}  // namespace

extern "C" {

BATON_EXPORT int listen(int number, int backlog) {
  const int outcome = real().listen(number, backlog);
  if (outcome == 0 && active() && !in_section()) {
    const Section section;
    if (section.ours()) (void)listeners().learn(number);
  }
  return outcome;
}

BATON_EXPORT int close(int number) {
  if (is_known(number)) {
    const Section section;
    if (section.ours() && !let_go(number)) number = -1;  // as if it were not open: EBADF
  }
  return real().close(number);
}

BATON_EXPORT int close_range(unsigned first, unsigned last, int flags) {
  if (real().close_range == nullptr) {
    errno = ENOSYS;
    return -1;
  }
  if (active() && !in_section() && first <= last && flags == 0) clear_range(first, last);
  return real().close_range(first, last, flags);
}

BATON_EXPORT void closefrom(int first) {
  if (real().closefrom == nullptr) return;
  if (active() && !in_section()) clear_range(static_cast<unsigned>(std::max(first, 0)), UINT_MAX);
  real().closefrom(first);
}

BATON_EXPORT int dup(int number) { return duplicated(number, real().dup(number)); }

BATON_EXPORT int dup2(int number, int wanted) {
  if (number != wanted && is_known(wanted)) clear(wanted);
  return duplicated(number, real().dup2(number, wanted));
}

BATON_EXPORT int dup3(int number, int wanted, int flags) {
  if (number != wanted && is_known(wanted)) clear(wanted);
  return duplicated(number, real().dup3(number, wanted, flags));
}

BATON_EXPORT int fcntl(int number, int command, ...) {
  va_list arguments;
  va_start(arguments, command);
  const long argument = va_arg(arguments, long);
  va_end(arguments);
  return control(real().fcntl, number, command, argument);
}

BATON_EXPORT int fcntl64(int number, int command, ...) {
  va_list arguments;
  va_start(arguments, command);
  const long argument = va_arg(arguments, long);
  va_end(arguments);
  return control(real().fcntl64, number, command, argument);
}

BATON_EXPORT int ioctl(int number, unsigned long request, ...) {
  va_list arguments;
  va_start(arguments, request);
  void* const argument = va_arg(arguments, void*);
  va_end(arguments);
  if (request == FIONBIO && argument != nullptr) {
    if (const auto listener = known_listener(number))
      if (tell_mode(*listener, *static_cast<const int*>(argument) != 0)) return 0;
  }
  return real().ioctl(number, request, argument);
}

}  // extern "C"
