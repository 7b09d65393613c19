// SPDX-License-Identifier: MIT
#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <ostream>
#include <ranges>
#include <set>
#include <string>
#include <vector>

#include "cli/trace_diagram.hpp"
#include "cli/trace_line.hpp"
#include "cli/trace_moves.hpp"
#include "cli/trace_sequence.hpp"
#include "cli/trace_way.hpp"
#include "cli/units.hpp"
#include "cli/verbs.hpp"

namespace baton::cli {
namespace {

struct Options {
  std::string file;
  std::string move;
  std::string svg;
  std::string client;
  std::string connection;
  bool newest = false;
  bool list = false;
  std::int64_t since = 0;
  std::int64_t until = never.count();
};

class TraceVerb {
 public:
  TraceVerb(const Options& options, std::ostream& out, std::ostream& err) : options_{options}, out_{out}, err_{err} {}

  ExitStatus run() {
    std::optional<std::uint64_t> wanted;
    std::optional<EventsOfMove> events;
    if (!options_.move.empty()) {
      wanted = std::stoull(options_.move, nullptr, 16);
      events.emplace(*wanted);
    }
    if (!wanted && (!options_.svg.empty() || follows()) && !can_be_read_again()) return ExitStatus::Failed;
    const bool read = read_file([&](const TraceEvent& event) {
      table_.add(event);
      if (events) events->add(event);
    });
    if (!read) return ExitStatus::Failed;
    tell_broken();
    if (table_.moves().empty()) return no_moves();
    if (follows()) return follow();
    if (options_.move.empty() && options_.svg.empty()) return list();
    if (!wanted) {
      wanted = last_complete();
      if (!wanted) {
        err_ << "baton trace: " << options_.file << " has no move that is complete: both processes wrote of it, and it "
             << "has an outcome. `baton trace " << options_.file << "` lists what there is; --move chooses one.\n";
        return ExitStatus::Failed;
      }
      events.emplace(*wanted);
      if (!read_file([&](const TraceEvent& event) { events->add(event); })) return ExitStatus::Failed;
    }
    if (events->empty()) return unknown(*wanted);
    return draw(events->sequence());
  }

 private:
  /// One connection is wanted, not one move.
  [[nodiscard]] bool follows() const {
    return options_.newest || !options_.client.empty() || !options_.connection.empty();
  }

  [[nodiscard]] const Move* wanted_move() const {
    if (options_.newest) return newest(table_);
    if (!options_.client.empty()) return newest_of_client(table_, options_.client);
    return newest_of_connection(table_, std::stoull(options_.connection, nullptr, 16));
  }

  ExitStatus follow() {
    const Move* const move = wanted_move();
    if (move == nullptr) return unknown_connection();
    std::vector<EventsOfMove> all;
    for (const std::uint64_t id : way_of(table_, *move)) all.emplace_back(id);
    if (!read_file([&](const TraceEvent& event) {
          for (EventsOfMove& each : all) each.add(event);
        }))
      return ExitStatus::Failed;
    if (!options_.svg.empty()) return draw(all.back().sequence());
    std::vector<Sequence> way;
    for (const EventsOfMove& each : all) way.push_back(each.sequence());
    out_ << way_text(way);
    return ExitStatus::Ok;
  }

  ExitStatus unknown_connection() {
    constexpr std::size_t shown = 3;
    err_ << "baton trace: " << options_.file << " tells of no move of "
         << (options_.newest           ? "any connection"
             : options_.client.empty() ? "connection " + options_.connection
                                       : "client " + printable_ascii(options_.client));
    std::set<std::string> clients;
    for (const Move& each : std::views::reverse(table_.moves()))
      if (!each.client.empty() && clients.size() < shown) clients.insert(each.client);
    const char* separator = ". The last clients in it: ";
    for (const std::string& each : clients) {
      err_ << separator << each;
      separator = ", ";
    }
    err_ << (clients.empty() ? "; it names no clients at all.\n" : ".\n");
    return ExitStatus::Failed;
  }

  /// A pipe cannot: the second reading would wait for ever.
  bool can_be_read_again() {
    std::error_code ignored;
    const auto type = std::filesystem::status(options_.file, ignored).type();
    if (type != std::filesystem::file_type::fifo && type != std::filesystem::file_type::character) return true;
    err_ << "baton trace: " << options_.file << " can be read once only; name the move with --move.\n";
    return false;
  }

  bool read_file(const std::function<void(const TraceEvent&)>& each) {
    errno = 0;
    std::error_code ignored;
    if (std::filesystem::is_directory(options_.file, ignored)) errno = EISDIR;
    std::ifstream stream;
    if (errno == 0) stream.open(options_.file, std::ios::binary);
    if (stream.is_open()) {
      count_ = read_trace(stream, each);
      if (!stream.bad()) return true;
    }
    err_ << "baton trace: " << options_.file << " cannot be read: " << std::strerror(errno == 0 ? EIO : errno) << ".\n";
    return false;
  }

  void tell_broken() {
    if (count_.broken == 0) return;
    err_ << "baton trace: " << count_.broken << " of " << count_.lines
         << (count_.lines == 1 ? " line is no line" : " lines are no lines") << " of a trace; left out.\n";
  }

  ExitStatus no_moves() {
    err_ << "baton trace: " << options_.file << (count_.lines == 0 ? " is empty" : " names no move")
         << ". Processes write a trace when BATON_TRACE names a file at their start.\n";
    return ExitStatus::Failed;
  }

  ExitStatus list() {
    if (write_list(out_, table_, Instant{options_.since}, Instant{options_.until}) > 0) return ExitStatus::Ok;
    err_ << "baton trace: none of the " << table_.moves().size() << " moves begins between --since and --until.\n";
    return ExitStatus::Failed;
  }

  [[nodiscard]] std::optional<std::uint64_t> last_complete() const {
    for (const Move& move : std::views::reverse(table_.moves()))
      if (move.complete() && move.first.count() >= options_.since && move.first.count() <= options_.until)
        return move.id;
    return std::nullopt;
  }

  ExitStatus unknown(std::uint64_t id) {
    constexpr std::size_t shown = 3;
    err_ << "baton trace: " << options_.file << " names no move " << hex(id) << ". Near it:";
    const char* separator = " ";
    for (const std::uint64_t each : table_.near(id, shown)) {
      err_ << separator << hex(each);
      separator = ", ";
    }
    err_ << ".\n";
    return ExitStatus::Failed;
  }

  ExitStatus draw(const Sequence& sequence) {
    if (options_.svg.empty()) return out_ << sequence.text(), ExitStatus::Ok;
    const std::string svg = svg_of(sequence);
    if (options_.svg == "-") return out_ << svg, ExitStatus::Ok;
    errno = 0;
    std::ofstream file{options_.svg, std::ios::binary | std::ios::trunc};
    file << svg;
    file.close();
    if (file) return ExitStatus::Ok;
    err_ << "baton trace: " << options_.svg << " cannot be written: " << std::strerror(errno == 0 ? EIO : errno)
         << ".\n";
    return ExitStatus::Failed;
  }

  const Options& options_;
  std::ostream& out_;
  std::ostream& err_;
  MoveTable table_;
  LineCount count_;
};

/// A sentence, or nothing where it is a move's id or a connection's.
std::string id_problem(const std::string& text) {
  const std::string_view digits = text.starts_with("0x") ? std::string_view{text}.substr(2) : std::string_view{text};
  const bool good = !digits.empty() && digits.size() <= 16 &&
                    digits.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos &&
                    digits.find_first_not_of('0') != std::string_view::npos;
  return good ? "" : "it is a hexadecimal number of at most 16 digits, not 0";
}

}  // namespace

void add_trace(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* const verb =
      app.add_subcommand("trace", "Lists the moves of a trace, or shows one move or connection step by step");
  verb->add_option("FILE", options->file, "What BATON_TRACE named")->required();
  CLI::Option* const list =
      verb->add_flag("--list", options->list, "List the moves; what is done without --move and --svg");
  verb->add_option("--move", options->move, "Show this move; with --svg alone: the last complete one")
      ->check(CLI::Validator{id_problem, "ID"})
      ->excludes(list);
  verb->add_option("--svg", options->svg, "Draw the move into this file; - is standard output")
      ->type_name("OUT")
      ->excludes(list);
  CLI::Option* const client =
      verb->add_option("--client", options->client, "Show the way of this client's newest connection, as a diagram")
          ->type_name("ADDRESS[:PORT]");
  CLI::Option* const connection = verb->add_option("--connection", options->connection,
                                                   "Show the way of the connection with this cookie (sk: of ss -e)")
                                      ->type_name("COOKIE")
                                      ->check(CLI::Validator{id_problem, ""});
  CLI::Option* const newest =
      verb->add_flag("--newest", options->newest, "Show the way of the connection that moved last");
  for (CLI::Option* const each : {client, connection, newest})
    for (const char* const other : {"--list", "--move", "--client", "--connection", "--newest"})
      if (!each->check_name(other)) each->excludes(verb->get_option(other));
  verb->add_option("--since", options->since, "Only moves that begin at this time or later (ns of CLOCK_MONOTONIC)")
      ->type_name("NS")
      ->check(CLI::NonNegativeNumber);
  verb->add_option("--until", options->until, "Only moves that begin at this time or earlier")
      ->type_name("NS")
      ->check(CLI::NonNegativeNumber);
  verb->callback([options, &action] {
    action = [options](std::ostream& out, std::ostream& err) { return TraceVerb{*options, out, err}.run(); };
  });
}

}  // namespace baton::cli
