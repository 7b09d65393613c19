// SPDX-License-Identifier: MIT
#include "restart/clients.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>

namespace baton::restart {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t several = 8;           // requests at once
constexpr std::size_t slow_read = 2048;      // octets
constexpr std::size_t large_http = 48000;    // octets of a body
constexpr std::size_t large_echo = 150'000;  // more than the buffers in between hold
constexpr auto before_more = 3ms;            // between the pieces of a request
constexpr auto before_a_visit = 50ms;        // and before a rude one comes again

}  // namespace

Client::Client(Protocol protocol, Kind kind, std::uint32_t number, std::uint16_t port, int epoll, Tally& tally)
    : protocol_{protocol},
      kind_{kind},
      number_{number},
      port_{port},
      epoll_{epoll},
      tally_{tally},
      random_{number * 0x9e3779b97f4a7c15U + 1} {
  connect();
  ask();
}

std::uint64_t Client::random() noexcept {
  random_ ^= random_ << 13U;
  random_ ^= random_ >> 7U;
  random_ ^= random_ << 17U;
  return random_;
}

std::string Client::octets(std::size_t size) {
  std::string made(size, ' ');
  for (char& each : made) each = static_cast<char>('!' + random() % 90);
  return made;
}

void Client::connect() {
  socket_ = UniqueFd{adopt, ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  if (!socket_.valid()) return fail(std::string{"socket: "} + std::strerror(errno));
  if (kind_ == Kind::Large) {
    const int small = 4096;
    (void)::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port_);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0 && errno != EINPROGRESS)
    return fail(std::string{"connect: "} + std::strerror(errno));
  ++tally_.connections;
  writing_ = true;
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT;
  event.data.ptr = this;
  if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, socket_.get(), &event) < 0) fail("epoll_ctl");
}

void Client::watch(bool writing) {
  if (writing == writing_ || !socket_.valid()) return;
  writing_ = writing;
  epoll_event event{};
  event.events = writing ? EPOLLIN | EPOLLOUT : EPOLLIN;
  event.data.ptr = this;
  if (::epoll_ctl(epoll_, EPOLL_CTL_MOD, socket_.get(), &event) < 0) fail("epoll_ctl");
}

Question Client::question() {
  const std::string name = std::to_string(number_) + "/" + std::to_string(asked_++);
  const bool large = kind_ == Kind::Large;
  const auto now = Clock::now();
  if (protocol_ == Protocol::Echo) {
    std::string text = name + " " + octets(large ? large_echo : random() % 300);
    return {text, text, now};
  }
  const std::string body = octets(large ? large_http : kind_ == Kind::Pieces ? random() % 3000 : random() % 3 * 50);
  const std::string first = (body.empty() ? "GET /" : "POST /") + name + " HTTP/1.1";
  closes_ = kind_ == Kind::Visitor && random() % 2 == 0;
  std::string request = first + "\r\nHost: localhost\r\n";
  if (!body.empty()) request += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  if (closes_) request += "Connection: close\r\n";
  request += "\r\n" + body;
  return {request, first + "\r\n\r\n" + body, now};
}

void Client::ask() {
  const std::size_t count = kind_ == Kind::Several ? several : 1;
  for (std::size_t i = 0; i < count; ++i) {
    questions_.push_back(question());
    sending_ += questions_.back().request;
  }
  if (kind_ == Kind::Pieces || kind_ == Kind::Rude) {
    held_back_ = 1 + random() % (sending_.size() - 1);
    due_ = Clock::now() + before_more;
  }
  write();
}

void Client::on_time(Clock::time_point now) {
  if (now < due_ || (tally_.stop && !socket_.valid())) return;
  due_ = Clock::time_point::max();
  if (!socket_.valid()) {  // comes again
    questions_.clear();
    sending_.clear();
    received_.clear();
    held_back_ = 0;
    connect();
    ask();
  } else if (kind_ == Kind::Rude) {
    const linger at_once{1, 0};
    (void)::setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    socket_.reset();
    ++tally_.resets;
    due_ = now + before_a_visit;
  } else {
    held_back_ = 0;
    write();
  }
}

void Client::on_ready(std::uint32_t events) {
  if (!socket_.valid()) return;
  if ((events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0) read();
  if (socket_.valid() && (events & EPOLLOUT) != 0) write();
}

void Client::write() {
  while (sending_.size() > held_back_ && socket_.valid()) {
    const ssize_t size = ::send(socket_.get(), sending_.data(), sending_.size() - held_back_, MSG_NOSIGNAL);
    // Not connected yet says EAGAIN too.
    if (size < 0 && errno == EAGAIN) return watch(true);
    if (size < 0) return ended(errno);
    sending_.erase(0, static_cast<std::size_t>(size));
  }
  watch(false);
}

void Client::read() {
  std::array<char, 65536> room;
  const ssize_t size = ::recv(socket_.get(), room.data(), kind_ == Kind::Large ? slow_read : room.size(), MSG_DONTWAIT);
  if (size < 0 && errno == EAGAIN) return;
  if (size <= 0) return ended(size < 0 ? errno : 0);
  received_.append(room.data(), static_cast<std::size_t>(size));
  if (!check() || !questions_.empty()) return;
  if (!received_.empty()) return fail("octets that nobody asked for");
  if (kind_ == Kind::Visitor) {
    if (closes_) return;  // the server is to
    socket_.reset();
    due_ = Clock::now() + before_a_visit;
  } else if (kind_ != Kind::Idle && !tally_.stop) {
    ask();
  }
}

bool Client::check() {
  while (!questions_.empty()) {
    const Question& question = questions_.front();
    std::size_t size = question.answer.size();
    if (protocol_ == Protocol::Http) {
      if (!check_http(question, size)) return false;
      if (size == 0) return true;  // not whole yet
    } else {
      const std::size_t here = std::min(size, received_.size());
      if (std::string_view{received_}.substr(0, here) != std::string_view{question.answer}.substr(0, here))
        return fail("another echo than what was sent"), false;
      if (here < size) return true;
    }
    received_.erase(0, size);
    answered(Clock::now());
  }
  return true;
}

/// `size`: of the whole answer; 0: not here yet.
bool Client::check_http(const Question& question, std::size_t& size) {
  size = 0;
  const auto end = received_.find("\r\n\r\n");
  if (end == received_.npos) return true;
  const auto head = std::string_view{received_}.substr(0, end + 2);
  if (!head.starts_with("HTTP/1.1 200 OK\r\n")) return fail("answer: " + std::string{head}), false;
  const auto value = [&](std::string_view name) {
    std::size_t number = 0;
    const auto at = head.find(name);
    if (at != head.npos) std::from_chars(head.data() + at + name.size(), head.data() + head.size(), number);
    return number;
  };
  if (value("\r\nContent-Length: ") != question.answer.size()) return fail("answer of another length"), false;
  const auto body = std::string_view{received_}.substr(end + 4, question.answer.size());
  if (body != std::string_view{question.answer}.substr(0, body.size())) return fail("another answer"), false;
  if (body.size() < question.answer.size()) return true;
  if (tally_.process != 0 && question.asked > tally_.process_since &&
      value("\r\nProcess: ") != static_cast<std::size_t>(tally_.process))
    return fail("an answer of a process that has handed over"), false;
  size = end + 4 + body.size();
  return true;
}

void Client::answered(Clock::time_point now) {
  const auto asked = questions_.front().asked;
  questions_.pop_front();
  if (kind_ == Kind::Rude) return;
  ++tally_.answers;
  const bool in_window = asked <= tally_.window_end && now >= tally_.window_begin;
  Clock::duration& longest = in_window ? tally_.longest_in_window : tally_.longest_outside;
  if (kind_ != Kind::Large) longest = std::max(longest, now - asked);
  const auto silent_since = std::max(tally_.last_answer, tally_.window_begin);
  if (in_window) tally_.longest_silence = std::max(tally_.longest_silence, now - silent_since);
  tally_.last_answer = now;
}

void Client::ended(int error) {
  if (error == 0 && closes_ && questions_.empty()) {
    socket_.reset();
    due_ = Clock::now() + before_a_visit;
    return;
  }
  fail(error == 0 ? "the server has closed the connection" : std::strerror(error));
}

void Client::fail(const std::string& what) {
  if (tally_.failure.empty()) tally_.failure = describe() + ": " + what;
  socket_.reset();
}

std::string Client::describe() const {
  static constexpr std::array names{"single", "pieces", "several", "large", "visitor", "idle", "rude"};
  return std::string{"client "} + std::to_string(number_) + " (" + names[static_cast<std::size_t>(kind_)] + ", " +
         std::to_string(asked_) + " asked, " + std::to_string(questions_.size()) + " open, " +
         std::to_string(received_.size()) + " octets of the next answer)";
}

}  // namespace baton::restart
