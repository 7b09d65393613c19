// SPDX-License-Identifier: MIT
// execve and its kin: the process that `baton serve` has become keeps the library, whatever program it executes in its
// own place: behind a script whose last word is `exec`, behind setpriv or env. A child has it only with --inherit.
#include <alloca.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "preload/export.hpp"
#include "preload/listeners.hpp"
#include "preload/real.hpp"
#include "preload/settings.hpp"

using namespace baton::preload;

namespace {

constexpr std::string_view preload = "LD_PRELOAD=";

bool has_name_of(const char* variable, const std::string& other) noexcept {
  return std::strncmp(variable, other.c_str(), other.find('=') + 1) == 0;
}

constexpr std::size_t longest_cookie = 20;  // digits

/// Room for the variable of the veiled sockets.
using VeiledText = std::array<char, veiled_variable.size() + Veiled::most*(longest_cookie + 1) + 1>;

/// Whether there are any.
bool tell_veiled(VeiledText& text) noexcept {
  char* at = std::ranges::copy(veiled_variable, text.data()).out;
  char separator = '=';
  for (std::size_t place = 0; place < Veiled::most; ++place) {
    const std::uint64_t cookie = listeners().veiled().at(place);
    if (cookie == 0) continue;
    *at++ = std::exchange(separator, ',');
    at = std::to_chars(at, at + longest_cookie, cookie).ptr;
  }
  *at = '\0';
  return separator == ',';
}

/// call(environment), with the one that a successor in this process is to have: `given`, and what was taken from this
/// one. All of it on the stack: exec is called in signal handlers, too.
template <class Call>
int with_environment(char* const* given, Call call) noexcept {
  const Taken* const taken = taken_here();
  if (taken == nullptr) return call(given);
  std::size_t count = 0;
  while (given != nullptr && given[count] != nullptr) ++count;
  auto* const all = static_cast<char**>(alloca((count + taken->others.size() + 3) * sizeof(char*)));
  std::size_t size = 0;
  std::string_view users;  // other libraries
  for (std::size_t i = 0; i < count; ++i) {
    if (std::string_view{given[i]}.starts_with(preload))
      users = std::string_view{given[i]}.substr(preload.size());
    else if (std::ranges::none_of(taken->others, [&](const std::string& each) { return has_name_of(given[i], each); }))
      all[size++] = given[i];
  }
  for (const std::string& each : taken->others) all[size++] = const_cast<char*>(each.c_str());
  VeiledText veiled;
  if (tell_veiled(veiled)) all[size++] = veiled.data();
  auto* const libraries = static_cast<char*>(alloca(taken->preload.size() + 1 + users.size() + 1));
  char* end = std::ranges::copy(taken->preload, libraries).out;
  if (!users.empty()) *end++ = ':';
  *std::ranges::copy(users, end).out = '\0';
  all[size++] = libraries;
  all[size] = nullptr;
  return call(all);
}

/// Words of execl(3) and its kin, with the null pointer.
std::size_t count_of(const char* first, std::va_list rest) noexcept {
  std::size_t count = 1;
  for (const char* word = first; word != nullptr; word = va_arg(rest, const char*)) ++count;
  return count;
}

/// Also the null pointer; what follows it in `rest` is next.
void read_words(char** words, const char* first, std::va_list* rest) noexcept {
  *words = const_cast<char*>(first);
  while (*words != nullptr) *++words = va_arg(*rest, char*);
}

}  // namespace

// The words of `first, ...` as an array on the caller's stack, the list `rest` at what follows them.
#define BATON_WORDS(words, first, rest)                                                   \
  std::va_list rest;                                                                      \
  va_start(rest, first);                                                                  \
  auto* const words = static_cast<char**>(alloca(count_of(first, rest) * sizeof(char*))); \
  va_end(rest);                                                                           \
  va_start(rest, first);                                                                  \
  read_words(words, first, &rest)

extern "C" {

BATON_EXPORT int execve(const char* path, char* const words[], char* const environment[]) {
  return with_environment(environment, [&](char* const* all) { return real().execve(path, words, all); });
}

BATON_EXPORT int execv(const char* path, char* const words[]) { return execve(path, words, environ); }

BATON_EXPORT int execvpe(const char* file, char* const words[], char* const environment[]) {
  return with_environment(environment, [&](char* const* all) { return real().execvpe(file, words, all); });
}

BATON_EXPORT int execvp(const char* file, char* const words[]) { return execvpe(file, words, environ); }

BATON_EXPORT int fexecve(int program, char* const words[], char* const environment[]) {
  return with_environment(environment, [&](char* const* all) { return real().fexecve(program, words, all); });
}

BATON_EXPORT int execveat(int folder, const char* path, char* const words[], char* const environment[], int flags) {
  if (real().execveat == nullptr) {
    errno = ENOSYS;
    return -1;
  }
  return with_environment(environment,
                          [&](char* const* all) { return real().execveat(folder, path, words, all, flags); });
}

BATON_EXPORT int execl(const char* path, const char* first, ...) {
  BATON_WORDS(words, first, rest);
  va_end(rest);
  return execve(path, words, environ);
}

BATON_EXPORT int execlp(const char* file, const char* first, ...) {
  BATON_WORDS(words, first, rest);
  va_end(rest);
  return execvpe(file, words, environ);
}

BATON_EXPORT int execle(const char* path, const char* first, ...) {
  BATON_WORDS(words, first, rest);
  char* const* const environment = va_arg(rest, char* const*);
  va_end(rest);
  return execve(path, words, environment);
}

}  // extern "C"
