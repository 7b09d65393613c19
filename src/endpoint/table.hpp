// SPDX-License-Identifier: MIT
// baton: endpoint/table.hpp: which numbers of this process the library knows, and as what.
//
// Keyed by SO_COOKIE, not by number: a plain close and a number used again show at once, and a dup(2) of a known
// descriptor is known too. A listening AF_ISO number is an epoll descriptor, which has no cookie: it is keyed by number
// and verified. Invariant: one object per cookie. An object whose number now names something else is dropped when that
// is noticed
//            (Object::number_lost()).
// fork:      the objects of the parent are the parent's: the child can close its copies and nothing else. The library's
// hidden
//            descriptors of end points and links are closed in the child.
// Threads:   any; the table's lock is the innermost of all.
#pragma once

#include <cstdint>
#include <memory>

#include "base/unique_fd.hpp"

namespace baton::endpoint {

/// What a number stands for.
class Object : public std::enable_shared_from_this<Object> {
 public:
  enum class Kind {
    Socket,   // AF_ISO: unbound, bound, connecting, connected or listening
    Given,    // an end point that is being moved away (or has been): the real one, or what is parked in its place
    Awaited,  // parked: stands for an end point to come
  };
  explicit Object(Kind kind) noexcept : kind_{kind} {}
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;
  virtual ~Object() = default;

  [[nodiscard]] Kind kind() const noexcept { return kind_; }
  /// The number was closed behind the library's back. Called by tell_lost(), without locks held.
  virtual void number_lost() noexcept = 0;
  /// For objects that are keyed by number: does `number` still name it?
  [[nodiscard]] virtual bool verify(int number) const noexcept;

 protected:
  template <class T>
  [[nodiscard]] std::shared_ptr<T> shared_from_object() {
    return std::static_pointer_cast<T>(shared_from_this());
  }

 private:
  const Kind kind_;
};

/// The object that `number` stands for, or nothing. `foreign` is set where a parent process made it.
struct Found {
  std::shared_ptr<Object> object;
  bool foreign = false;
  std::uint64_t cookie = 0;  // of the number, 0 if it is no socket or nothing is known at all
};
[[nodiscard]] Found find(int number) noexcept;
/// The same descriptor is an end point of this process already, under whatever number.
[[nodiscard]] inline bool is_known(FdRef descriptor) noexcept {
  const Found known = find(descriptor.get());
  return known.object && !known.foreign;
}

/// Registers an object under the cookie of the socket that `number` names. What stood under the number before is lost,
/// unless another number of the program names the same socket: then it goes on under that one.
void insert(int number, std::uint64_t cookie, std::shared_ptr<Object> object);
/// A second cookie for the same object, without a number: the real end point of a parked one.
void insert_alias(std::uint64_t cookie, std::shared_ptr<Object> object);
/// Forgets it where it still is that object's: the socket may have come back and be in its next move.
void erase_alias(std::uint64_t cookie, const Object& object) noexcept;
/// Registers an object that has no cookie.
void insert_by_number(int number, std::shared_ptr<Object> object);
void erase(std::uint64_t cookie) noexcept;
/// Forgets the number, whatever it stood for, without telling the object.
void erase_number(int number) noexcept;

/// Tells the objects whose numbers turned out to be lost. For the entry of a call, where no lock is held.
void tell_lost() noexcept;

/// A descriptor of the library that no number of the program stands for. In a forked child it is closed at once, so
/// that the child does not keep a client's connection or a link open. Otherwise as UniqueFd.
class HiddenFd {
 public:
  HiddenFd() noexcept = default;
  explicit HiddenFd(UniqueFd descriptor);
  HiddenFd(HiddenFd&& other) noexcept = default;
  HiddenFd& operator=(HiddenFd&& other) noexcept;
  HiddenFd(const HiddenFd&) = delete;
  HiddenFd& operator=(const HiddenFd&) = delete;
  ~HiddenFd() { reset(); }

  void reset() noexcept;
  /// Gives it up; it is hidden no more.
  [[nodiscard]] UniqueFd release() noexcept;
  [[nodiscard]] FdRef ref() const noexcept { return descriptor_.ref(); }
  [[nodiscard]] bool valid() const noexcept { return descriptor_.valid(); }

 private:
  UniqueFd descriptor_;
};

/// Counts the forks between the first process and this one: what a process made, it marks with its generation.
[[nodiscard]] std::uint32_t generation() noexcept;

}  // namespace baton::endpoint
