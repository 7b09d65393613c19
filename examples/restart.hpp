// SPDX-License-Identifier: MIT
// baton: examples/restart.hpp: a TCP server that is replaced while it runs. Started while one of the same name serves,
// it takes everything over, as one group: the listening socket with its queue, and every connection with what was read
// and not answered, answered and not sent. If the new process ends before it is ready, the old one goes on.
#pragma once

#include <baton/asio.hpp>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace example {

using namespace std::chrono_literals;
using asio::use_awaitable;

/// Puts the answers to all that is whole in `in` into `out`. False: nothing more is wanted of this client.
using Answer = bool (*)(std::string& in, std::string& out);

struct Session {
  asio::ip::tcp::socket socket;
  std::string in = {};   // read, not answered yet: at most 64 KiB
  std::string out = {};  // answered, not sent yet
  bool last = false;     // closed when all of it is sent
};

/// Nothing where it is none.
inline std::optional<std::uint16_t> port_of(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc{} && end == text.data() + text.size() ? std::optional{port} : std::nullopt;
}

/// The value; a failure ends this process.
auto good(auto result) {
  if (!result) std::exit((std::fprintf(stderr, "%s\n", result.error().text().c_str()), 1));
  if constexpr (!std::is_void_v<typename decltype(result)::value_type>) return std::move(*result);
}

struct Server {
  const asio::any_io_executor executor;
  const baton::Selector name;  // under which a successor finds it
  const Answer answer;
  asio::ip::tcp::acceptor acceptor{executor};
  std::list<Session> sessions = {};
  std::size_t busy = 0;  // coroutines in accept or serve
  bool leaving = false;

  /// Until a successor has everything. `check`: a command that says whether this version is fit to take over.
  asio::awaitable<void> run(std::uint16_t port, const char* check) {
    if (!co_await take_over(check))
      acceptor = good(baton::to_acceptor(executor, good(baton::Listener::listen(baton::Address::loopback(port)))));
    go_on();
    auto names = baton::AsyncLinkListener::listen(executor, name);
    for (; !names && names.error().number() == EADDRINUSE; names = baton::AsyncLinkListener::listen(executor, name))
      co_await pause(1ms);  // the old process still has the name
    auto successors = good(std::move(names));
    const std::string serves = "serves port " + std::to_string(acceptor.local_endpoint().port());
    for (say(serves.c_str()); acceptor.is_open();)
      if (auto link = co_await successors.async_accept(use_awaitable)) co_await hand_over(std::move(*link));
  }

  /// False: none runs.
  asio::awaitable<bool> take_over(const char* check) {
    baton::AsyncLink link{executor};
    if (!co_await link.async_connect(name, 10s, use_awaitable)) co_return false;
    baton::AsyncHeldGroup group{link};
    good(co_await group.async_collect(10s, use_awaitable));
    // Whatever can fail has to fail here: all of it is the old process's until this one is ready.
    if (check != nullptr && std::system(check) != 0) std::exit(1);
    for (auto& [connection, listener, id, in, out] : good(co_await group.async_ready(10s, use_awaitable))) {
      if (listener.is_open())
        acceptor = good(baton::to_acceptor(executor, std::move(listener)));
      else
        sessions.emplace_back(good(baton::to_socket(executor, std::move(connection))), std::string{baton::text_of(in)},
                              std::string{baton::text_of(out.octets())});
    }
    co_return true;
  }

  /// What does not move, or comes back, is served here.
  asio::awaitable<void> hand_over(baton::AsyncLink link) {
    leaving = true;
    acceptor.cancel();
    for (Session& session : sessions) session.socket.cancel();
    while (busy > 0) co_await asio::post(executor, use_awaitable);  // until each has stopped where it was
    baton::AsyncGroup group{link};
    std::map<std::uint64_t, std::list<Session>::iterator> going;
    auto front = co_await group.async_add(std::move(acceptor), 10s, use_awaitable);
    if (!front) acceptor = good(baton::to_acceptor(executor, std::move(front.error().end_point)));
    bool fit = front.has_value();
    for (auto at = sessions.begin(); fit && at != sessions.end(); ++at) {
      if (at->last) continue;
      auto id = co_await group.async_add(std::move(at->socket), at->in, at->out, 10s, use_awaitable);
      fit = id || id.error().error.number() == ENOTCONN;  // its client has reset it
      if (id) going[*id] = at;
      if (!id) at->socket = good(baton::to_socket(executor, std::move(id.error().end_point)));
    }
    if (!fit || !co_await group.async_commit(10s, use_awaitable)) (void)group.abort();
    for (baton::Outcome& outcome : good(co_await group.async_outcomes(use_awaitable))) {
      if (outcome.listener.is_open()) acceptor = good(baton::to_acceptor(executor, std::move(outcome.listener)));
      if (outcome.connection.is_open())
        going[outcome.id]->socket = good(baton::to_socket(executor, std::move(outcome.connection)));
      else if (going.contains(outcome.id))
        sessions.erase(going[outcome.id]);
    }
    say(acceptor.is_open() ? "goes on" : "has handed over");
    go_on();
  }

  void go_on() {
    leaving = false;
    if (acceptor.is_open()) asio::co_spawn(executor, accept(), asio::detached);
    for (auto at = sessions.begin(); at != sessions.end();) co_spawn(executor, serve(at++), asio::detached);
  }
  asio::awaitable<void> accept() {
    for (++busy; !leaving;) {
      asio::error_code error;
      auto socket = co_await acceptor.async_accept(asio::redirect_error(use_awaitable, error));
      if (!error) co_spawn(executor, serve(sessions.emplace(sessions.end(), std::move(socket))), asio::detached);
      if (error == asio::error::no_descriptors) co_await pause(10ms);
    }
    --busy;
  }
  asio::awaitable<void> serve(std::list<Session>::iterator session) {
    char room[8192];
    asio::error_code error;
    auto token = asio::redirect_error(use_awaitable, error);
    for (++busy; !error && !leaving && !(session->last && session->out.empty());) {
      if (!session->out.empty()) {
        session->out.erase(0, co_await session->socket.async_write_some(asio::buffer(session->out), token));
      } else {
        session->in.append(room, co_await session->socket.async_read_some(asio::buffer(room), token));
        session->last = !answer(session->in, session->out);
      }
    }
    --busy;
    if (!leaving) sessions.erase(session);
  }

  asio::awaitable<void> pause(asio::steady_timer::duration time) {
    co_await asio::steady_timer{executor, time}.async_wait(use_awaitable);
  }
  void say(const char* what) const {
    std::fprintf(stderr, "%d %s, %zu connections\n", static_cast<int>(::getpid()), what, sessions.size());
  }
};

}  // namespace example
