// SPDX-License-Identifier: MIT
#include "dispatch/passage.hpp"

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <asio/post.hpp>
#include <cerrno>
#include <utility>

#include "os/tcp.hpp"
#include "os/tcp_abort.hpp"
#include "os/unix_stream.hpp"

namespace baton::dispatch {
namespace {

constexpr std::size_t pipe_size = 65536;  // as the kernel makes them (pipe(7))
constexpr std::chrono::seconds connect_time{5};
/// Of one way before the other things of the loop have their turn.
constexpr int splices_at_once = 16;

bool make_pipe(UniqueFd& out, UniqueFd& in) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) return false;
  out = UniqueFd{adopt, ends[0]};
  in = UniqueFd{adopt, ends[1]};
  return true;
}

}  // namespace

Passage::Passage(asio::io_context& loop, VisitorPtr visitor, std::uint64_t target, std::string first, Owner& owner)
    : visitor_{std::move(visitor)},
      watched_client_{loop},
      watched_server_{loop},
      timer_{loop},
      target_{target},
      first_{std::move(first)},
      owner_{owner} {}

Passage::~Passage() { stop(); }

void Passage::stop() {
  done_ = true;
  timer_.cancel();
  if (watched_client_.is_open()) (void)watched_client_.release();
  if (watched_server_.is_open()) (void)watched_server_.release();
}

void Passage::start(std::vector<os::Address> addresses) {
  addresses_ = std::move(addresses);
  asio::post(timer_.get_executor(), [self = shared_from_this()] { self->connect_next(); });
}

void Passage::connect_next() {
  if (watched_server_.is_open()) (void)watched_server_.release();
  for (; next_ < addresses_.size(); ++next_) {
    const int family = addresses_[next_].family();
    auto socket = family == AF_UNIX ? os::unix_stream(true) : os::tcp_socket(family, true);
    if (!socket) {
      error_ = os::number(socket.error());
      continue;
    }
    server_ = std::move(*socket);
    const auto step = os::connect_step(server_.ref(), addresses_[next_]);
    if (!step) {
      error_ = os::number(step.error());
      continue;
    }
    watched_server_.assign(server_.get());
    if (*step) return begin();
    watched_server_.async_wait(asio::posix::stream_descriptor::wait_write,
                               [self = shared_from_this()](const std::error_code& cancelled) {
                                 if (!cancelled && !self->done_) self->connected();
                               });
    timer_.expires_after(connect_time);
    timer_.async_wait([self = shared_from_this(), which = next_](const std::error_code& cancelled) {
      if (cancelled || self->done_ || self->next_ != which || self->watched_client_.is_open()) return;
      self->error_ = ETIMEDOUT;
      ++self->next_;
      self->connect_next();
    });
    return;
  }
  refused(error_);
}

void Passage::connected() {
  if (watched_client_.is_open() || next_ >= addresses_.size()) return;
  const auto step = os::connect_step(server_.ref(), addresses_[next_]);
  if (!step) {
    error_ = os::number(step.error());
    ++next_;
    return connect_next();
  }
  if (!*step) return refused(ETIMEDOUT);
  begin();
}

// Not asked once more whether it is connected: a local socket that listens no more says that it is not.
void Passage::begin() {
  timer_.cancel();
  if (!begin_copying()) return refused(EMFILE);
  run(0);
  if (!done_) run(1);
}

void Passage::refused(int error) {
  const auto self = shared_from_this();
  stop();
  server_.reset();
  owner_.passage_refused(*this, std::move(visitor_), error);
}

bool Passage::begin_copying() {
  const FdRef client{visitor_->connection.native_handle()};
  for (Way& way : ways_)
    if (!make_pipe(way.pipe_out, way.pipe_in)) return false;
  if (!os::set_nonblocking(client, true)) return false;
  ways_[0].from = ways_[1].to = client;
  ways_[0].to = ways_[1].from = server_.ref();
  if (!first_.empty()) {
    // It goes the way of the client's octets, in front of them; an empty pipe has the room.
    if (::write(ways_[0].pipe_in.get(), first_.data(), first_.size()) != static_cast<ssize_t>(first_.size()))
      return false;
    ways_[0].in_pipe = first_.size();
  }
  watched_client_.assign(client.get());
  return true;
}

Passage::Wait Passage::pump(Way& way) {
  constexpr unsigned flags = SPLICE_F_MOVE | SPLICE_F_NONBLOCK;
  for (int i = 0; i < splices_at_once; ++i) {
    bool moved = false;
    if (!way.input_ended && way.in_pipe < pipe_size) {
      const ssize_t size =
          ::splice(way.from.get(), nullptr, way.pipe_in.get(), nullptr, pipe_size - way.in_pipe, flags);
      if (size < 0 && errno != EAGAIN) return Wait::Broken;
      way.input_ended = size == 0;
      if (size > 0) way.in_pipe += static_cast<std::size_t>(size);
      moved = size > 0;
    }
    if (way.in_pipe > 0) {
      const ssize_t size = ::splice(way.pipe_out.get(), nullptr, way.to.get(), nullptr, way.in_pipe, flags);
      if (size < 0 && errno != EAGAIN) return Wait::Broken;
      if (size < 0) return Wait::Output;
      way.in_pipe -= static_cast<std::size_t>(size);
      octets_ += static_cast<std::uint64_t>(size);
      continue;
    }
    if (way.input_ended) {
      os::end_output(way.to);
      way.over = true;
      return Wait::Nothing;
    }
    if (!moved) return Wait::Input;
  }
  return way.in_pipe > 0 ? Wait::Output : Wait::Input;
}

void Passage::run(std::size_t which) {
  Way& way = ways_[which];
  const Wait wait = pump(way);
  if (wait == Wait::Broken) return break_off();
  if (wait == Wait::Nothing) {
    if (ways_[0].over && ways_[1].over) finish();
    return;
  }
  const bool is_client = (wait == Wait::Input) == (which == 0);
  auto& watched = is_client ? watched_client_ : watched_server_;
  const auto event =
      wait == Wait::Input ? asio::posix::stream_descriptor::wait_read : asio::posix::stream_descriptor::wait_write;
  watched.async_wait(event, [self = shared_from_this(), which](const std::error_code& cancelled) {
    if (!cancelled && !self->done_) self->run(which);
  });
}

void Passage::break_off() {
  os::abort_connection(FdRef{visitor_->connection.native_handle()});
  os::abort_connection(server_.ref());
  finish();
}

void Passage::finish() {
  const auto self = shared_from_this();
  stop();
  visitor_.reset();
  server_.reset();
  owner_.passage_over(*this);
}

}  // namespace baton::dispatch
