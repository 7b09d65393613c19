// SPDX-License-Identifier: MIT
// One of the two batonds of an upgrade, which fails at a step that its first word names.
//
//   successor STEP                         the one that comes, started by batond
//     other-protocol, killed-prepared, killed-collected, killed-ready, killed-committed, hangs-collected,
//     fails-collected
//   successor STEP KEY BATOND WORDS...     the one that goes: starts BATOND, has the listener KEY, and is killed
//     dies-prepared, dies-held, dies-committed
//   successor stranger                     nobody that batond has started: is not heard where the one that comes is
// Prints the process that it has started.
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <unistd.h>
#include <baton/baton.hpp>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using baton::Deadline;
using baton::Link;

[[noreturn]] void give_up(const char* what, const std::string& why) {
  std::fprintf(stderr, "successor: %s: %s\n", what, why.c_str());
  std::exit(9);
}

template <class Value>
Value required(std::expected<Value, baton::Error> result, const char* what) {
  if (!result) give_up(what, result.error().text());
  if constexpr (!std::is_void_v<Value>) return std::move(*result);
}

void say(Link& link, const std::string& message) { (void)required(link.send(message, Deadline{10s}), "send"); }

/// A message that has `word` in it.
void expect(Link& link, std::string_view word) {
  std::array<std::byte, 65536> room;
  const auto size = required(link.receive(room, Deadline{10s}), "receive").size;
  const std::string_view text{reinterpret_cast<const char*>(room.data()), size};
  if (!text.contains(word)) give_up("unexpected", std::string{text});
}

[[noreturn]] void die() {
  ::raise(SIGKILL);
  std::abort();
}

/// Until it has stopped.
void stop(pid_t process) {
  ::kill(process, SIGSTOP);
  for (char state = 'R'; state != 'T';) {
    std::ifstream stat{"/proc/" + std::to_string(process) + "/stat"};
    std::string text;
    if (!std::getline(stat, text)) give_up("no such process", std::to_string(process));
    state = text[text.rfind(')') + 2];
  }
}

baton::Selector name_of_takeover() {
  const char* const name = std::getenv("BATOND_TAKES_OVER");
  return required(baton::Selector::from_hex(name == nullptr ? "" : name), "name");
}

/// Each thing that could be said first, on a link of its own; none is answered.
void be_a_stranger() {
  const baton::Selector name = name_of_takeover();
  for (const std::string message : {R"({"say": "hello", "version": "test", "protocol": 1})", R"({"say": "prepared"})",
                                    R"({"say": "running"})", R"({"say": "failed", "why": "a stranger"})", "rubbish"}) {
    Link link = required(Link::connect(name, Deadline{10s}), "link");
    (void)link.credit(256);
    (void)link.send(message, Deadline{10s});
    std::array<std::byte, 4096> room;
    const auto answer = link.receive(room, Deadline{10s});
    if (answer || !answer.error().ended()) give_up("it was heard", answer ? message : answer.error().text());
  }
  if (baton::LinkListener::listen(name)) give_up("listen", "it has the name");
  std::exit(0);
}

void follow(std::string_view step) {
  Link link = required(Link::connect(name_of_takeover()), "link");
  say(link,
      R"({"say": "hello", "version": "test", "protocol": )" + std::string{step == "other-protocol" ? "99}" : "1}"});
  if (step == "other-protocol") ::pause();
  expect(link, "inheritance");
  if (step == "killed-prepared") die();
  (void)required(link.credit(256), "credit");
  say(link, R"({"say": "prepared"})");
  baton::HeldGroup group{link};
  required(group.collect(Deadline{10s}), "collect");
  if (group.items().empty()) give_up("collect", "nothing");
  if (step == "killed-collected") die();
  if (step == "hangs-collected") ::pause();
  if (step == "fails-collected") {
    say(link, R"({"say": "failed", "why": "no room for it"})");
    std::exit(1);
  }
  if (step == "killed-ready") {
    // The other one commits when the test lets it go on.
    stop(::getppid());
    (void)group.ready(Deadline::now());
    die();
  }
  const auto taken = required(group.ready(Deadline{10s}), "ready");
  if (step == "killed-committed") die();
  give_up("no such step", std::string{step});
}

void start(const baton::Selector& name, std::span<char*> words) {
  ::setenv("BATOND_TAKES_OVER", name.hex().c_str(), 1);
  const int control = ::open("/dev/null", O_RDWR);  // it has another control socket
  if (control != 3) ::dup2(control, 3);
  std::vector<char*> argv{words.begin(), words.end()};
  argv.push_back(nullptr);
  pid_t process = 0;
  if (::posix_spawn(&process, argv[0], nullptr, nullptr, argv.data(), ::environ) != 0) give_up("posix_spawn", argv[0]);
  std::printf("%d\n", static_cast<int>(process));
  std::fflush(stdout);
}

void go_before(std::string_view step, std::string_view key, std::span<char*> words) {
  auto names = required(baton::LinkListener::listen({}), "name");
  auto listening = required(baton::Listener::listen(baton::Address::loopback(0)), "listener");
  start(required(names.local_address(), "name").selector(), words);
  Link link = required(names.accept(Deadline{10s}), "accept");
  expect(link, "hello");
  say(link, R"({"say": "inheritance", "listeners": [")" + std::string{key} + R"("], "control": "none"})");
  expect(link, "prepared");
  if (step == "dies-prepared") die();
  baton::Group group{link};
  if (!group.add(std::move(listening), {}, R"({"is": "listener", "name": ")" + std::string{key} + R"("})"))
    give_up("add", "");
  if (step == "dies-held") die();
  required(group.commit(Deadline{10s}), "commit");
  if (step == "dies-committed") die();
  give_up("no such step", std::string{step});
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && argv[1] == std::string_view{"stranger"}) be_a_stranger();
  if (argc == 2) follow(argv[1]);
  if (argc > 3) go_before(argv[1], argv[2], std::span{argv + 3, argv + argc});
  return 2;
}
