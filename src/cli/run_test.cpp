// SPDX-License-Identifier: MIT
// The whole program, in this process: words in, text and exit status out.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "cli/trace_for_tests.hpp"
#include "cli/verbs.hpp"
#include "os/event.hpp"
#include "os/process.hpp"
#include "os/status_socket.hpp"

namespace baton::cli {
namespace {

using test::TraceText;

class Program : public ::testing::Test {
 protected:
  Program() {
    std::string name = std::filesystem::temp_directory_path() / "baton-cli-XXXXXX";
    folder_ = mkdtemp(name.data());
    for (const char* each : {"XDG_RUNTIME_DIR", "BATON_RUNTIME_DIR", "BATON_CONTROL"}) unsetenv(each);
    setenv("BATON_RUNTIME_DIR", (folder_ / "run").c_str(), 1);
  }
  ~Program() override {
    unsetenv("BATON_RUNTIME_DIR");
    std::filesystem::remove_all(folder_);
  }

  int run(const std::vector<std::string>& words) {
    std::vector<const char*> pointers;
    for (const std::string& word : words) pointers.push_back(word.c_str());
    std::ostringstream out;
    std::ostringstream err;
    const ExitStatus status = cli::run(static_cast<int>(pointers.size()), pointers.data(), out, err);
    out_ = out.str();
    err_ = err.str();
    return static_cast<int>(status);
  }
  [[nodiscard]] std::string path(const char* name) const { return folder_ / name; }
  std::string write(const char* name, const std::string& text) const {
    std::ofstream{path(name)} << text;
    return path(name);
  }
  /// What a process leaves that was killed: a socket's name that nobody answers under.
  void leave_behind(const char* name) const {
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    path(name).copy(address.sun_path, sizeof address.sun_path - 1);
    const UniqueFd socket{adopt, ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    ASSERT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }
  [[nodiscard]] bool says(const std::string& part) const { return err_.find(part) != std::string::npos; }

  std::filesystem::path folder_;
  std::string out_;
  std::string err_;
};

TEST_F(Program, HelpAndVersionAreNoFailures) {
  EXPECT_EQ(run({"--version"}), 0);
  EXPECT_TRUE(out_.starts_with("baton 0."));
  for (const std::vector<std::string>& words : {std::vector<std::string>{"--help"},
                                                {"trace", "--help"},
                                                {"status", "--help"},
                                                {"help"},
                                                {"help", "drain"},
                                                {"help", "iso", "probe"},
                                                {"iso", "--help"},
                                                {"iso", "connect", "--help"},
                                                {"iso", "listen", "--help"},
                                                {"iso", "echo", "--help"},
                                                {"iso", "probe", "--help"}}) {
    EXPECT_EQ(run(words), 0);
    EXPECT_NE(out_.find("Usage"), std::string::npos);
  }
}

TEST_F(Program, WrongWordsAreAUsageError) {
  for (const std::vector<std::string>& words : {std::vector<std::string>{},
                                                {"juggle"},
                                                {"trace"},
                                                {"trace", "f", "--move", "xyz"},
                                                {"trace", "f", "--move", "0"},
                                                {"trace", "f", "--move", "11112222333344445"},
                                                {"trace", "f", "--since", "-1"},
                                                {"trace", "f", "--list", "--svg", "-"},
                                                {"trace", "f", "--newest", "--move", "1"},
                                                {"trace", "f", "--newest", "--client", "a"},
                                                {"trace", "f", "--connection", "x"},
                                                {"status", "0"},
                                                {"status", "me"},
                                                {"drain", "--undo"},
                                                {"drain", "a", "b"},
                                                {"check", "a", "b"},
                                                {"help", "juggle"},
                                                {"help", "iso", "juggle"},
                                                {"status", "1", "2"},
                                                {"iso"},
                                                {"iso", "juggle"},
                                                {"iso", "connect", "host.example:0"},
                                                {"iso", "connect", "--called", "0x1"},
                                                {"iso", "connect", "--tpdu-size", "1000"},
                                                {"iso", "connect", "--hex", "--one"},
                                                {"iso", "connect", "--wait", "-1"},
                                                {"iso", "listen", "127.0.0.1:70000"},
                                                {"iso", "listen", "--keep", "--once"},
                                                {"iso", "listen", "--keep", "--one"},
                                                {"iso", "echo", "--max-tsdu", "0"},
                                                {"iso", "probe"},
                                                {"iso", "probe", "."}}) {
    EXPECT_EQ(run(words), 2) << ::testing::PrintToString(words);
    EXPECT_NE(err_, "");
    EXPECT_EQ(out_, "");
  }
}

TEST_F(Program, TraceListsTheMoves) {
  const std::string file = write("trace", TraceText{}.moved(0, "1f").raw("rubbish\n").text());
  EXPECT_EQ(run({"trace", file}), 0);
  EXPECT_NE(out_.find("1 move: 1 moved."), std::string::npos);
  EXPECT_TRUE(says("1 of 13 lines are no lines of a trace"));
}

TEST_F(Program, TraceShowsOneMoveStepByStep) {
  const std::string file = write("trace", TraceText{}.moved(0, "1f").text());
  EXPECT_EQ(run({"trace", file, "--move", "0x1F"}), 0);
  EXPECT_NE(out_.find("S 22     sends TAKEN"), std::string::npos);
}

TEST_F(Program, TraceDrawsTheLastCompleteMove) {
  const std::string file = write("trace", TraceText{}.moved(0, "1f").moved(500, "20").stopped(900, "21").text());
  EXPECT_EQ(run({"trace", file, "--svg", "-"}), 0);
  EXPECT_NE(out_.find("<title>move 20:"), std::string::npos);
  const std::string drawn = out_;
  EXPECT_EQ(run({"trace", file, "--move", "20", "--svg", path("out.svg")}), 0);
  EXPECT_EQ(out_, "");
  std::ostringstream written;
  written << std::ifstream{path("out.svg")}.rdbuf();
  EXPECT_EQ(written.str(), drawn);
}

TEST_F(Program, AnUnknownMoveIsAnsweredWithThoseNearIt) {
  const std::string file = write("trace", TraceText{}.moved(0, "1f").moved(500, "20").text());
  EXPECT_EQ(run({"trace", file, "--move", "21"}), 1);
  EXPECT_TRUE(says("names no move 21. Near it: 20, 1f."));
  EXPECT_EQ(out_, "");
}

TEST_F(Program, TraceSaysWhyThereIsNothingToShow) {
  EXPECT_EQ(run({"trace", path("none")}), 1);
  EXPECT_TRUE(says("No such file"));
  EXPECT_EQ(run({"trace", folder_}), 1);
  EXPECT_TRUE(says("Is a directory"));
  EXPECT_EQ(run({"trace", write("empty", "")}), 1);
  EXPECT_TRUE(says("is empty"));
  EXPECT_EQ(run({"trace", write("rubbish", "rubbish\n")}), 1);
  EXPECT_TRUE(says("1 of 1 line is no line of a trace"));
  const std::string open = write("open", TraceText{}.stopped(0, "1").text());
  EXPECT_EQ(run({"trace", open, "--svg", "-"}), 1);
  EXPECT_TRUE(says("no move that is complete"));
  EXPECT_EQ(run({"trace", open, "--since", "900000"}), 1);
  EXPECT_TRUE(says("none of the 1 moves"));
}

TEST_F(Program, AnythingThatIsReadOnceOnlyNeedsTheMovesName) {
  EXPECT_EQ(run({"trace", "/dev/null", "--svg", "-"}), 1);
  EXPECT_TRUE(says("name the move with --move"));
  EXPECT_EQ(run({"trace", "/dev/null"}), 1);
  EXPECT_TRUE(says("is empty"));
}

TEST_F(Program, ADrawingThatCannotBeWrittenIsAFailure) {
  const std::string file = write("trace", TraceText{}.moved(0, "1f").text());
  EXPECT_EQ(run({"trace", file, "--svg", path("no/such/folder.svg")}), 1);
  EXPECT_TRUE(says("cannot be written: No such file"));
  EXPECT_EQ(run({"trace", file, "--svg", "/dev/full"}), 1);
  EXPECT_TRUE(says("/dev/full cannot be written"));
}

TEST_F(Program, TraceFollowsAConnection) {
  const std::string file = write("trace", TraceText{}.moved(0, "1f").moved(500, "20").text());
  EXPECT_EQ(run({"trace", file, "--newest"}), 0);
  EXPECT_NE(out_.find("== move 20: moved"), std::string::npos) << out_;
  EXPECT_EQ(out_.find("move 1f"), std::string::npos) << out_;
  EXPECT_EQ(run({"trace", file, "--newest", "--svg", "-"}), 0);
  EXPECT_NE(out_.find("<title>move 20:"), std::string::npos);
  EXPECT_EQ(run({"trace", file, "--client", "192.0.2.7"}), 1);
  EXPECT_TRUE(says("tells of no move of client 192.0.2.7; it names no clients at all."));
  EXPECT_EQ(run({"trace", file, "--connection", "5d"}), 1);
  EXPECT_TRUE(says("tells of no move of connection 5d"));
}

TEST_F(Program, StatusSaysHowToSwitchItOnWhereNobodyAnswers) {
  EXPECT_EQ(run({"status"}), 1);
  EXPECT_TRUE(says("BATON_STATUS=1"));
  EXPECT_EQ(run({"status", "4000000"}), 1);
  EXPECT_TRUE(says("process 4000000 does not answer"));
}

/// Answers on this process's status socket until it goes.
class Answering {
 public:
  explicit Answering(std::string document) : document_{std::move(document)} {
    auto stop = os::event_descriptor();
    if (!stop || !socket_.open()) std::abort();
    stop_ = std::move(*stop);
    thread_ = std::thread{[this] {
      pollfd entries[] = {{.fd = socket_.descriptor().get(), .events = POLLIN, .revents = 0},
                          {.fd = stop_.get(), .events = POLLIN, .revents = 0}};
      while (::poll(entries, 2, -1) > 0 && entries[1].revents == 0)
        (void)os::StatusSocket::answer(socket_.descriptor(), document_);
    }};
  }
  Answering(const Answering&) = delete;
  Answering& operator=(const Answering&) = delete;
  ~Answering() {
    os::signal_event(stop_.ref());
    thread_.join();
  }

 private:
  std::string document_;
  os::StatusSocket socket_;
  UniqueFd stop_;
  std::thread thread_;
};

TEST_F(Program, StatusShowsWhoAnswersAndLeavesOutTheDead) {
  const std::string own = std::to_string(os::process_id());
  const Answering answering{R"({"pid":1,"moved":5,"taken":3})"};
  leave_behind("run/status/3999999");
  EXPECT_EQ(run({"status"}), 0);
  EXPECT_NE(out_.find(own + "      5      3"), std::string::npos);
  EXPECT_EQ(out_.find("3999999"), std::string::npos);
  EXPECT_EQ(err_, "");
  EXPECT_EQ(run({"status", "3999999"}), 1);
  EXPECT_TRUE(says("process 3999999 has ended"));
  EXPECT_EQ(run({"status", own, "--json"}), 0);
  EXPECT_EQ(out_, "[\n{\"moved\":5,\"pid\":" + own + ",\"taken\":3}\n]\n");
}

TEST_F(Program, AnAnswerThatIsNoStatusIsTold) {
  const Answering answering{"nonsense"};
  EXPECT_EQ(run({"status"}), 1);
  EXPECT_TRUE(says("answers nothing that is a status"));
}

TEST_F(Program, CheckShowsTheLineAndWhatToDo) {
  const std::string file = write("batond.toml",
                                 "[listener.a]\naddress=\":1\"\n[pool.shop]\n[[route]]\nsni = \"x\"\npool = "
                                 "\"shp\"\n[[route]]\npool = \"shop\"\n");
  EXPECT_EQ(run({"check", file}), 3);
  EXPECT_EQ(out_.substr(0, out_.find('\n')),
            file + ":6:8: error: route[0].pool: there is no pool \"shp\": did you mean \"shop\"?");
  EXPECT_NE(out_.find("\n     6 | pool = \"shp\"\n       |        ^\n"), std::string::npos) << out_;
  EXPECT_EQ(err_, "");
  EXPECT_EQ(run({"check", "--json", file}), 3);
  const auto findings = nlohmann::json::parse(out_, nullptr, false);
  ASSERT_TRUE(findings.is_array() && !findings.empty()) << out_;
  EXPECT_EQ(findings[0].value("line", 0), 6);
}

TEST_F(Program, CheckShowsTheLineThatEndsTooEarly) {
  EXPECT_EQ(run({"check", write("no.toml", "a = 1\nb\nc = 2\n")}), 3);
  EXPECT_NE(out_.find(":2:2: error: this is not TOML"), std::string::npos) << out_;
  EXPECT_NE(out_.find("\n     2 | b\n       |  ^\n"), std::string::npos) << out_;
}

TEST_F(Program, CheckOfWhatCanBeRun) {
  const std::string good =
      write("good.toml", "[listener.web]\naddress = \":443\"\n[pool.shop]\n[[route]]\nsni = \"x\"\npool = \"shop\"\n");
  EXPECT_EQ(run({"check", good}), 0);
  EXPECT_EQ(out_, good + ": nothing is wrong.\n");
  EXPECT_EQ(run({"check", "--json", good}), 0);
  EXPECT_EQ(out_, "[]\n");
  EXPECT_EQ(run({"check", write("no.toml", "a = = 1\n")}), 3);
  EXPECT_NE(out_.find("this is not TOML"), std::string::npos);
  EXPECT_EQ(run({"check", path("none")}), 1);
  EXPECT_TRUE(says("cannot be read: No such file"));
}

/// As if another user ran the program, with what is there closed to them.
class OtherUser {
 public:
  OtherUser() {
    if (::geteuid() == 0) changed_ = ::seteuid(65534) == 0;
  }
  OtherUser(const OtherUser&) = delete;
  OtherUser& operator=(const OtherUser&) = delete;
  ~OtherUser() {
    if (changed_ && ::seteuid(0) != 0) std::abort();
  }

 private:
  bool changed_ = false;
};

TEST_F(Program, WithoutABatondEachVerbSaysWhatToDo) {
  for (const char* const verb : {"routes", "workers", "drain", "reload", "upgrade"}) {
    EXPECT_EQ(run({verb}), 1);
    EXPECT_TRUE(says("no batond runs: nobody answers at batond/control in ")) << err_;
    EXPECT_EQ(run({verb, "--control", path("none")}), 1);
    EXPECT_TRUE(says("nobody answers at " + path("none"))) << err_;
  }
  EXPECT_EQ(run({"routes", "--control", write("file", "")}), 1);
  EXPECT_TRUE(says("this is no socket"));
}

TEST_F(Program, AControlSocketOfAnotherUserIsTold) {
  leave_behind("control");
  ASSERT_EQ(::chmod(path("control").c_str(), 0), 0);
  std::filesystem::permissions(folder_, std::filesystem::perms::all);
  const OtherUser other;
  EXPECT_EQ(run({"routes", "--control", path("control")}), 1);
  EXPECT_TRUE(says("permission denied: it answers the user that batond runs as, and root")) << err_;
}

}  // namespace
}  // namespace baton::cli
