// SPDX-License-Identifier: MIT
#include "handoff/group.hpp"

namespace baton::handoff {

bool Group::add(std::size_t count) noexcept {
  if (state_ != GroupState::Open) return false;
  size_ += static_cast<std::uint32_t>(count);
  return true;
}

bool Group::step(GroupState from, GroupState to, std::uint32_t count) noexcept {
  if (state_ != from || count != size_) return false;
  state_ = to;
  return true;
}

bool Group::off() noexcept {
  if (state_ == GroupState::Committed) return false;
  state_ = GroupState::Off;
  return true;
}

}  // namespace baton::handoff
