// SPDX-License-Identifier: MIT
// baton: dispatch/listening.hpp: from a configured address to a listening socket, and what to do where there is none.
//
// Threads: any.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/unique_fd.hpp"
#include "os/result.hpp"
#include "routing/configuration.hpp"

namespace baton::dispatch {

/// Non-blocking. Errors: of os::listen_for_others().
[[nodiscard]] os::Result<UniqueFd> listen_at(const routing::ListenAddress& at, int backlog);
/// As a configuration has it: ":443", "192.0.2.7:443", "[2001:db8::7]:443".
[[nodiscard]] std::string text_of(const routing::ListenAddress& at);
/// What tells the listening socket at an address of a listener from all others, after a reload and in the batond that
/// follows, too: the address; of those with port 0 the listener's name besides, and which of several there it is.
[[nodiscard]] std::string listening_key(const routing::Listener& listener, std::size_t address);
/// The key of the socket `number`, from 0, that systemd has opened as `name`.
inline constexpr std::string_view systemd_prefix = "systemd ";
[[nodiscard]] std::string systemd_key(const std::string& name, std::size_t number);
/// The end of a sentence, or nothing. `error`: of listen_at().
[[nodiscard]] std::string advice_for(int error);

}  // namespace baton::dispatch
