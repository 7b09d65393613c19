// SPDX-License-Identifier: MIT
#include "endpoint/table.hpp"

#include <pthread.h>

#include <atomic>
#include <mutex>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/check.hpp"
#include "os/descriptors.hpp"
#include "os/epoll.hpp"
#include "os/socket.hpp"

namespace baton::endpoint {
namespace {

struct Table {
  std::mutex mutex;
  struct Entry {
    std::shared_ptr<Object> object;
    int number = -1;  // under which it was registered; -1: an alias
  };
  std::unordered_map<std::uint64_t, Entry> by_cookie;
  std::unordered_map<int, Found> by_number;          // objects without cookie
  std::unordered_map<int, std::uint64_t> cookie_of;  // the number under which a cookie was registered
  std::unordered_set<int> hidden;
  std::vector<std::shared_ptr<Object>> lost;  // to be told by tell_lost()
  std::atomic<bool> any_lost = false;
  // What the parent made: never destroyed here, because destruction would act on the parent's links.
  std::unordered_map<std::uint64_t, Found> inherited_by_cookie;
  std::unordered_map<int, Found> inherited_by_number;
  std::atomic<std::uint64_t> changes = 0;  // counts what was put in and taken out
  std::atomic<std::size_t> known = 0;      // entries of any kind: zero makes find() free
  std::atomic<std::uint32_t> generation = 0;

  void count() noexcept {
    known.store(by_cookie.size() + by_number.size() + inherited_by_cookie.size() + inherited_by_number.size(),
                std::memory_order_release);
    changes.fetch_add(1, std::memory_order_acq_rel);
  }
};

Table& table();

/// What a parent process made stays as it is: its destructor would close numbers that are this process's own by now.
void keep_for_ever(std::shared_ptr<Object> object) {
  static auto* const kept = new std::vector<std::shared_ptr<Object>>;
  if (object) kept->push_back(std::move(object));
}

void before_fork() { table().mutex.lock(); }
void after_fork_in_parent() { table().mutex.unlock(); }
void after_fork_in_child() {
  Table& t = table();
  for (const int number : t.hidden) UniqueFd{adopt, number}.reset();
  t.hidden.clear();
  for (auto& [cookie, entry] : t.by_cookie) t.inherited_by_cookie[cookie] = Found{std::move(entry.object), true, 0};
  for (auto& [number, found] : t.by_number) t.inherited_by_number[number] = Found{std::move(found.object), true, 0};
  t.by_cookie.clear();
  t.by_number.clear();
  t.cookie_of.clear();
  // Objects of the parent that were to be told stay untold here, and alive.
  for (auto& object : t.lost) keep_for_ever(std::move(object));
  t.lost.clear();
  t.any_lost.store(false, std::memory_order_relaxed);
  t.generation.fetch_add(1, std::memory_order_relaxed);
  t.count();
  t.mutex.unlock();
}

// Never destroyed: calls may come from other threads while the process exits.
Table& table() {
  static Table& instance = [&]() -> Table& {
    static auto* made = new Table;
    BATON_CHECK(::pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child) == 0);
    return *made;
  }();
  return instance;
}

/// Under the lock: another number of the program for the socket with this cookie, -1 if there is none.
int number_elsewhere(const Table& t, std::uint64_t cookie, int but) {
  for (const int number : os::open_descriptors())
    if (number != but && !t.hidden.contains(number) && os::cookie(FdRef{number}) == cookie) return number;
  return -1;
}

/// Under the lock: forgets what `number` stood for before. `closed`: behind the library's back, and perhaps only this
/// one of several numbers (dup(2)).
std::shared_ptr<Object> evict(Table& t, int number, std::uint64_t unless_cookie, bool closed) {
  std::shared_ptr<Object> lost;
  if (const auto old = t.cookie_of.find(number); old != t.cookie_of.end() && old->second != unless_cookie) {
    const std::uint64_t cookie = old->second;
    t.cookie_of.erase(old);
    if (const auto entry = t.by_cookie.find(cookie); entry != t.by_cookie.end() && entry->second.number == number) {
      const int elsewhere = closed ? number_elsewhere(t, cookie, number) : -1;
      if (elsewhere >= 0) {
        entry->second.number = elsewhere;
        t.cookie_of[elsewhere] = cookie;
      } else {
        lost = std::move(entry->second.object);
        t.by_cookie.erase(entry);
      }
    }
  }
  if (const auto entry = t.by_number.find(number); entry != t.by_number.end()) {
    lost = std::move(entry->second.object);
    t.by_number.erase(entry);
  }
  if (const auto inherited = t.inherited_by_number.find(number); inherited != t.inherited_by_number.end()) {
    keep_for_ever(std::move(inherited->second.object));
    t.inherited_by_number.erase(inherited);
  }
  return lost;
}

/// Under the lock.
void lose(Table& t, std::shared_ptr<Object> object, const std::shared_ptr<Object>& successor) {
  if (!object || object == successor) return;
  t.lost.push_back(std::move(object));
  t.any_lost.store(true, std::memory_order_release);
}

}  // namespace

bool Object::verify(int) const noexcept { return true; }

Found find(int number) noexcept {
  Table& t = table();
  if (t.known.load(std::memory_order_acquire) == 0) return {};
  const std::uint64_t before = t.changes.load(std::memory_order_acquire);
  const auto cookie = os::cookie(FdRef{number});
  Found found;
  {
    std::unique_lock lock{t.mutex};
    if (cookie) {
      if (const auto entry = t.by_cookie.find(*cookie); entry != t.by_cookie.end())
        return Found{entry->second.object, false, *cookie};
      if (const auto entry = t.inherited_by_cookie.find(*cookie); entry != t.inherited_by_cookie.end())
        return Found{entry->second.object, true, *cookie};
    }
    if (const auto entry = t.by_number.find(number); entry != t.by_number.end())
      found = entry->second;
    else if (const auto inherited = t.inherited_by_number.find(number); inherited != t.inherited_by_number.end())
      found = inherited->second;
    if (!found.object && t.changes.load(std::memory_order_acquire) != before) {
      // Between the two looks the number may have come to name another socket of ours.
      lock.unlock();
      return find(number);
    }
  }
  found.cookie = cookie.value_or(0);
  if (!found.object) return found;
  // Of a set that the parent made this process knows no member any more.
  if (found.foreign ? os::is_epoll_set(number) : found.object->verify(number)) return found;
  const std::lock_guard lock{t.mutex};
  if (found.foreign)
    keep_for_ever(found.object);
  else
    lose(t, found.object, nullptr);
  t.by_number.erase(number);
  t.inherited_by_number.erase(number);
  t.count();
  return {};
}

void tell_lost() noexcept {
  Table& t = table();
  if (!t.any_lost.load(std::memory_order_acquire)) return;
  std::vector<std::shared_ptr<Object>> lost;
  {
    const std::lock_guard lock{t.mutex};
    lost.swap(t.lost);
    t.any_lost.store(false, std::memory_order_relaxed);
  }
  for (const auto& object : lost) object->number_lost();
}

void insert(int number, std::uint64_t cookie, std::shared_ptr<Object> object) {
  Table& t = table();
  Table::Entry last;  // destroyed without the lock
  const std::lock_guard lock{t.mutex};
  lose(t, evict(t, number, cookie, true), object);
  last = std::exchange(t.by_cookie[cookie], {std::move(object), number});
  t.cookie_of[number] = cookie;
  t.count();
}

void insert_alias(std::uint64_t cookie, std::shared_ptr<Object> object) {
  Table& t = table();
  Table::Entry last;  // destroyed without the lock
  const std::lock_guard lock{t.mutex};
  last = std::exchange(t.by_cookie[cookie], {std::move(object), -1});
  t.count();
}

void erase_alias(std::uint64_t cookie, const Object& object) noexcept {
  Table& t = table();
  std::shared_ptr<Object> last;  // destroyed without the lock
  const std::lock_guard lock{t.mutex};
  if (const auto entry = t.by_cookie.find(cookie);
      entry != t.by_cookie.end() && entry->second.object.get() == &object) {
    last = std::move(entry->second.object);
    t.by_cookie.erase(entry);
  }
  t.count();
}

void insert_by_number(int number, std::shared_ptr<Object> object) {
  Table& t = table();
  const std::lock_guard lock{t.mutex};
  lose(t, evict(t, number, 0, true), object);
  t.by_number[number] = Found{std::move(object), false, 0};
  t.count();
}

void erase(std::uint64_t cookie) noexcept {
  Table& t = table();
  std::shared_ptr<Object> last;  // destroyed without the lock
  const std::lock_guard lock{t.mutex};
  if (const auto entry = t.by_cookie.find(cookie); entry != t.by_cookie.end()) {
    last = std::move(entry->second.object);
    t.by_cookie.erase(entry);
  }
  t.count();
}

void erase_number(int number) noexcept {
  Table& t = table();
  std::shared_ptr<Object> last;
  {
    const std::lock_guard lock{t.mutex};
    last = evict(t, number, 0, false);
    t.count();
  }
}

HiddenFd::HiddenFd(UniqueFd descriptor) : descriptor_{std::move(descriptor)} {
  if (!descriptor_.valid()) return;
  Table& t = table();
  const std::lock_guard lock{t.mutex};
  t.hidden.insert(descriptor_.get());
}

HiddenFd& HiddenFd::operator=(HiddenFd&& other) noexcept {
  if (this != &other) {
    reset();
    descriptor_ = std::move(other.descriptor_);
  }
  return *this;
}

void HiddenFd::reset() noexcept { release().reset(); }

UniqueFd HiddenFd::release() noexcept {
  if (descriptor_.valid()) {
    Table& t = table();
    const std::lock_guard lock{t.mutex};
    t.hidden.erase(descriptor_.get());
  }
  return std::move(descriptor_);
}

std::uint32_t generation() noexcept { return table().generation.load(std::memory_order_relaxed); }

}  // namespace baton::endpoint
