// SPDX-License-Identifier: MIT
#include "preload/told.hpp"

#include <utility>

#include "os/socket.hpp"
#include "preload/numbers.hpp"

namespace baton::preload {

Told& told() noexcept {
  static auto* const made = new Told;  // never destroyed: threads may call while the process exits
  return *made;
}

void Told::learn(FdRef connection, const os::ToldAddresses& addresses) {
  if (const auto cookie = os::cookie(connection))
    add(connection.get(), {*cookie, std::make_shared<const os::ToldAddresses>(addresses)});
}

void Told::add(int number, Known known) {
  if (!Numbers::in_table(number)) return;
  known_[number] = std::move(known);
  Numbers::set(number, Kind::Told);
}

std::optional<os::ToldAddresses> Told::find(int number) {
  if (Numbers::kind(number) != Kind::Told) return std::nullopt;
  const auto found = known_.find(number);
  const auto cookie = os::cookie(FdRef{number});
  if (found != known_.end() && cookie && *cookie == found->second.cookie) return *found->second.addresses;
  forget(number);
  return std::nullopt;
}

void Told::duplicated(int of, int number) {
  if (find(of)) add(number, known_[of]);
}

void Told::forget(int number) {
  known_.erase(number);
  Numbers::set(number, Kind::None);
}

}  // namespace baton::preload
