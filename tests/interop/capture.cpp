// SPDX-License-Identifier: MIT
#include "capture.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>

#include "os/test_support.hpp"
#include "programs.hpp"

namespace baton::interop {
namespace {

using test::checked;
using test::fail;

/// A packet that ends a capture: it goes to the discard service, which nobody offers.
constexpr std::string_view last_words = "baton: the last packet of this capture";
constexpr std::uint16_t discard_port = 9;

void send_last_words() {
  const UniqueFd socket{adopt, checked(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket")};
  sockaddr_in there{};
  there.sin_family = AF_INET;
  there.sin_port = htons(discard_port);
  there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  checked(::sendto(socket.get(), last_words.data(), last_words.size(), 0, reinterpret_cast<const sockaddr*>(&there),
                   sizeof there),
          "sendto");
}

bool ends_with_last_words(const std::string& file) {
  constexpr std::streamoff near_the_end = 1024;
  std::ifstream stream{file, std::ios::binary | std::ios::ate};
  stream.seekg(-std::min<std::streamoff>(stream.tellg(), near_the_end), std::ios::end);
  const std::string tail{std::istreambuf_iterator<char>{stream}, {}};
  return tail.contains(last_words);
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream{text};
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

}  // namespace

Capture::Capture() {
  std::string pattern = std::filesystem::temp_directory_path() / "baton-capture-XXXXXX";
  if (::mkdtemp(pattern.data()) == nullptr) test::fail_call("mkdtemp");
  folder_ = pattern;
  std::array<int, 2> ends{};
  checked(::pipe2(ends.data(), O_CLOEXEC), "pipe2");
  report_ = UniqueFd{adopt, ends[0]};
  UniqueFd writing{adopt, ends[1]};
  tcpdump_.emplace_back("tcpdump", [&] {
    checked(::dup2(writing.get(), STDERR_FILENO), "dup2");
    // A packet is written when it comes; its buffer, in KiB, has room for a thousand of the longest.
    become({"tcpdump", "-n", "-i", "lo", "-U", "--immediate-mode", "-B", "65536", "-Z", "root", "-w", file()});
  });
  writing.reset();
  std::string said;
  std::array<char, 256> buffer;
  while (!said.contains("listening on")) {
    const auto size = checked(::read(report_.get(), buffer.data(), buffer.size()), "read from tcpdump");
    if (size == 0) fail("tcpdump does not capture: " + said + finish(tcpdump_));
    said.append(buffer.data(), static_cast<std::size_t>(size));
  }
}

Capture::~Capture() {
  tcpdump_.clear();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

void Capture::end() {
  send_last_words();
  if (!os::testing::eventually([&] { return ends_with_last_words(file()); })) fail("tcpdump does not see packets");
  checked(::kill(tcpdump_.front().pid(), SIGINT), "kill");
  std::string said;
  std::array<char, 256> buffer;
  while (const auto size = checked(::read(report_.get(), buffer.data(), buffer.size()), "read from tcpdump"))
    said.append(buffer.data(), static_cast<std::size_t>(size));
  if (const std::string failure = finish(tcpdump_); !failure.empty()) fail(failure + " " + said);
  test::require(said.contains("\n0 packets dropped by kernel"), "tcpdump has seen every packet");
}

std::vector<std::string> Capture::lines(std::uint16_t port, std::string_view filter,
                                        const std::vector<std::string>& fields) const {
  // Nobody's settings but Wireshark's own.
  checked(::setenv("WIRESHARK_CONFIG_DIR", folder_.c_str(), 1), "setenv");
  Command command{"tshark", "-n", "-r", file()};
  if (port != 102) command.insert(command.end(), {"-d", "tcp.port==" + std::to_string(port) + ",tpkt"});
  // What guesses at the content of a TSDU, and may find a protocol there that nobody speaks.
  for (const char* guess : {"t125", "ses", "mms", "h1", "smb", "atn-ulcs", "clsp", "clpres"})
    command.insert(command.end(), {"--disable-protocol", guess});
  command.insert(command.end(), {"-Y", std::string{filter}});
  if (!fields.empty()) command.insert(command.end(), {"-T", "fields", "-E", "separator=;"});
  for (const std::string& field : fields) command.insert(command.end(), {"-e", field});
  return split(output_of(command), '\n');
}

std::string complaints(const Capture& capture, std::uint16_t port) {
  std::string all;
  // Wireshark 4.0 does not know an ER (code 0x70) with more than two octets of the invalid TPDU.
  constexpr std::string_view faults =
      "_ws.malformed || (tpkt && !cotp && tcp.payload[5] != 70) || cotp.segment.error || tpkt.continuation_data || "
      "_ws.expert.severity == "
      "8388608 || "
      "tcp.analysis.lost_segment || tcp.analysis.ack_lost_segment";
  for (const std::string& line : capture.lines(port, faults)) all += line + "\n";
  return all;
}

Conversations conversations(const Capture& capture, std::uint16_t port) {
  // One line for each packet: stream; kinds of S7 messages in it; their references.
  struct Stream {
    std::vector<std::string> requests;
    std::vector<std::string> answers;
  };
  std::map<std::string, Stream> streams;
  for (const std::string& line :
       capture.lines(port, "tcp", {"tcp.stream", "s7comm.header.rosctr", "s7comm.header.pduref"})) {
    const auto columns = split(line, ';');
    Stream& stream = streams[columns.at(0)];
    if (columns.size() < 3) continue;
    const auto kinds = split(columns[1], ',');
    const auto references = split(columns[2], ',');
    for (std::size_t i = 0; i < kinds.size(); ++i) {
      if (kinds[i] == "1") stream.requests.push_back(references.at(i));
      if (kinds[i] == "3") stream.answers.push_back(references.at(i));
    }
  }
  Conversations result;
  result.connections = static_cast<unsigned>(streams.size());
  for (const auto& [number, stream] : streams) {
    result.requests += static_cast<unsigned>(stream.requests.size());
    for (std::size_t i = 0; i < std::max(stream.requests.size(), stream.answers.size()); ++i) {
      const bool answered =
          i < stream.requests.size() && i < stream.answers.size() && stream.requests[i] == stream.answers[i];
      ++(answered ? result.answers : result.unanswered);
    }
  }
  return result;
}

}  // namespace baton::interop
