// SPDX-License-Identifier: MIT
// An HTTP/1.1 server that is replaced while it runs, and no request fails: http_restart PORT [CHECK]
//
// It answers with what was asked: the request line, an empty line, the body. Started again, it takes over from the one
// that runs (restart.hpp), after the command CHECK has succeeded.
#include <unistd.h>

#include <asio/io_context.hpp>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <optional>
#include <string_view>

#include "restart.hpp"

namespace {

using namespace std::string_view_literals;

constexpr std::size_t most_head = 8192;
constexpr std::size_t most_body = 49152;  // together with the head less than the 64 KiB that go along

bool same(std::string_view one, std::string_view other) {
  return std::ranges::equal(
      one, other, {}, [](unsigned char c) { return std::tolower(c); }, [](unsigned char c) { return std::tolower(c); });
}

/// The value of a header; none: "".
std::string_view header(std::string_view head, std::string_view name) {
  for (auto at = head.find("\r\n"); at != head.npos; at = head.find("\r\n", at + 2)) {
    const auto line = head.substr(at + 2, head.find("\r\n", at + 2) - at - 2);
    const auto colon = line.find(':');
    if (colon == line.npos || !same(line.substr(0, colon), name)) continue;
    const auto first = line.find_first_not_of(" \t", colon + 1);
    return first == line.npos ? ""sv : line.substr(first, line.find_last_not_of(" \t") + 1 - first);
  }
  return {};
}

std::optional<std::size_t> body_size(std::string_view head) {
  const auto text = header(head, "Content-Length");
  std::size_t size = 0;
  const auto [end, error] = std::from_chars(text.begin(), text.end(), size);
  if (text.empty()) return size;
  return error == std::errc{} && end == text.end() ? std::optional{size} : std::nullopt;
}

void respond(std::string& out, std::string_view status, std::string_view first, std::string_view body, bool goes_on) {
  out.append("HTTP/1.1 ").append(status);
  out.append("\r\nContent-Type: text/plain\r\nProcess: ").append(std::to_string(::getpid()));
  out.append("\r\nContent-Length: ").append(std::to_string(first.size() + 4 + body.size()));
  out.append(goes_on ? "\r\n\r\n" : "\r\nConnection: close\r\n\r\n");
  out.append(first).append("\r\n\r\n").append(body);
}

/// False, with an answer: this connection is of no more use.
bool refuse(std::string& out, std::string_view status) {
  respond(out, status, status, {}, false);
  return false;
}

bool answer(std::string& in, std::string& out) {
  for (;;) {
    const auto end = in.find("\r\n\r\n");
    if (std::min(end, in.size()) > most_head) return refuse(out, "431 Request Header Fields Too Large");
    if (end == in.npos) return true;  // the rest is still to come
    const auto head = std::string_view{in}.substr(0, end);
    const auto line = head.substr(0, head.find("\r\n"));
    const auto size = body_size(head);
    if (!line.ends_with(" HTTP/1.1") || !size) return refuse(out, "400 Bad Request");
    if (!header(head, "Transfer-Encoding").empty()) return refuse(out, "501 Not Implemented");
    if (*size > most_body) return refuse(out, "413 Content Too Large");
    if (in.size() < end + 4 + *size) return true;
    const bool goes_on = !same(header(head, "Connection"), "close");
    respond(out, "200 OK", line, std::string_view{in}.substr(end + 4, *size), goes_on);
    in.erase(0, end + 4 + *size);
    if (!goes_on) return false;
  }
}

}  // namespace

int main(int argc, char* argv[]) {
  const auto port = argc < 2 ? std::nullopt : example::port_of(argv[1]);
  if (!port) return std::fputs("usage: http_restart PORT [CHECK]; PORT is 0, for a free one, to 65535\n", stderr), 2;
  asio::io_context context{1};
  example::Server server{context.get_executor(), "HTTP", answer};
  asio::co_spawn(context, server.run(*port, argc > 2 ? argv[2] : nullptr), asio::detached);
  context.run();
}
