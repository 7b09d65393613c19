// SPDX-License-Identifier: MIT
#include "cli/trace_line.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <istream>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "cli/units.hpp"

namespace baton::cli {
namespace {

constexpr std::array<std::pair<std::string_view, Step>, 21> steps{{
    {"OFFER", Step::Offer},
    {"offer read", Step::OfferRead},
    {"ANSWER accepted", Step::AnswerAccepted},
    {"ANSWER refused", Step::AnswerRefused},
    {"data stop", Step::DataStop},
    {"CALL", Step::Call},
    {"CALL express", Step::CallExpress},
    {"CALL held", Step::CallExpress},  // in a group: what follows is the same
    {"CALL received", Step::CallReceived},
    {"TAKEN", Step::Taken},
    {"not taken", Step::NotTaken},
    {"outcome", Step::Outcome},
    {"CANCEL", Step::Cancel},
    {"CANCELLED", Step::Cancelled},
    {"data stop lifted", Step::DataStopLifted},
    {"moved", Step::Moved},
    {"abandoned", Step::Abandoned},
    {"touched: reset", Step::TouchedReset},
    {"received", Step::Received},
    {"link ended", Step::LinkEnded},
    {"link broken", Step::LinkBroken},
}};

Step step_of(std::string_view event) noexcept {
  const auto* const found = std::ranges::find(steps, event, &std::pair<std::string_view, Step>::first);
  return found == steps.end() ? Step::Other : found->second;
}

bool from_hex(std::string_view text, std::uint64_t& value) noexcept {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  return error == std::errc{} && end == text.data() + text.size();
}

/// Puts the members of one flat object into an event; false ends the parser. No tree is built: traces are long.
class Members {
 public:
  using number_integer_t = nlohmann::json::number_integer_t;
  using number_unsigned_t = nlohmann::json::number_unsigned_t;
  using number_float_t = nlohmann::json::number_float_t;
  using string_t = nlohmann::json::string_t;
  using binary_t = nlohmann::json::binary_t;

  // The names are the parser's.
  bool start_object(std::size_t) { return !std::exchange(inside_, true); }
  bool end_object() { return true; }
  bool start_array(std::size_t) { return false; }
  bool end_array() { return false; }
  bool binary(binary_t&) { return false; }
  bool parse_error(std::size_t, const std::string&, const nlohmann::json::exception&) { return false; }
  [[nodiscard]] bool null() const { return inside_; }
  [[nodiscard]] bool boolean(bool) const { return inside_; }
  bool key(string_t& name) {
    name_ = std::move(name);
    return true;
  }
  bool number_float(number_float_t, const string_t&) { return extra(); }
  bool number_integer(number_integer_t value) { return extra() && append(name_ + " " + std::to_string(value)); }
  bool number_unsigned(number_unsigned_t value) {
    if (name_ == "connection") return event_.connection = value, inside_;
    if (value <= std::numeric_limits<std::int64_t>::max()) {
      if (name_ == "t") return event_.time = Instant{value}, found(Time);
      if (name_ == "pid") return event_.pid = static_cast<std::int64_t>(value), found(Pid);
    }
    return extra() && append(name_ + " " + std::to_string(value));
  }
  bool string(string_t& text) {
    if (name_ == "link") return from_hex(text, event_.link) && found(Link);
    if (name_ == "move") return from_hex(text, event_.move) && found(Move);
    if (name_ == "role") return text.size() == 1 && (event_.role = text[0], found(Role));
    if (name_ == "event")
      return event_.step = step_of(text), event_.event = printable_ascii(std::move(text)), found(Event);
    if (name_ == "client") return event_.client = printable_ascii(std::move(text)), inside_;
    return extra() && append(std::move(text));
  }

  [[nodiscard]] bool whole() const noexcept { return found_ == (Event << 1U) - 1; }
  [[nodiscard]] TraceEvent& event() noexcept { return event_; }

 private:
  enum Member : unsigned { Time = 1, Pid = 2, Link = 4, Move = 8, Role = 16, Event = 32 };

  bool found(Member member) noexcept {
    found_ |= member;
    return inside_;
  }
  /// A member of every line that has the wrong type makes the line a broken one.
  [[nodiscard]] bool extra() const noexcept {
    constexpr std::array<std::string_view, 6> own{"t", "pid", "link", "move", "role", "event"};
    return inside_ && std::ranges::find(own, name_) == own.end();
  }
  bool append(std::string text) {
    if (!event_.detail.empty()) event_.detail += ", ";
    event_.detail += printable_ascii(std::move(text));
    return true;
  }

  TraceEvent event_;
  std::string name_;
  unsigned found_ = 0;
  bool inside_ = false;
};

/// Cuts what it is fed into lines.
class Lines {
 public:
  Lines(LineCount& count, const std::function<void(const TraceEvent&)>& each) : count_{count}, each_{each} {}

  void feed(std::string_view octets) {
    while (!octets.empty()) {
      const std::size_t end = octets.find('\n');
      const std::string_view part = octets.substr(0, end);
      if (end != std::string_view::npos && begun_.empty() && !too_long_)
        line(part);  // the usual case: no copy
      else
        keep(part);
      if (end == std::string_view::npos) return;
      finish();
      octets.remove_prefix(end + 1);
    }
  }
  /// What is left is a line without a line's end.
  void finish() {
    if (too_long_) {
      ++count_.lines;
      ++count_.broken;
    } else {
      line(begun_);
    }
    begun_.clear();
    too_long_ = false;
  }

 private:
  void keep(std::string_view part) {
    too_long_ = too_long_ || begun_.size() + part.size() > longest_line;
    if (!too_long_) begun_ += part;
  }
  void line(std::string_view text) {
    if (text.empty()) return;
    ++count_.lines;
    if (const auto event = parse_line(text))
      each_(*event);
    else
      ++count_.broken;
  }

  LineCount& count_;
  const std::function<void(const TraceEvent&)>& each_;
  std::string begun_;
  bool too_long_ = false;
};

}  // namespace

std::optional<TraceEvent> parse_line(std::string_view line) {
  if (line.size() > longest_line) return std::nullopt;
  Members members;
  if (!nlohmann::json::sax_parse(line, &members) || !members.whole()) return std::nullopt;
  return std::move(members.event());
}

char side_of(const TraceEvent& event) noexcept {
  if (event.role == 'L' || event.role == 'S') return event.role;
  if (event.step != Step::Received) return '-';
  if (event.detail == "OFFER" || event.detail == "CALL" || event.detail == "CANCEL") return 'S';
  if (event.detail == "ANSWER" || event.detail == "TAKEN" || event.detail == "CANCELLED") return 'L';
  return '-';
}

LineCount read_trace(std::istream& stream, const std::function<void(const TraceEvent&)>& each) {
  LineCount count;
  Lines lines{count, each};
  std::vector<char> buffer(std::size_t{256} * 1024);
  while (stream) {
    stream.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
    lines.feed({buffer.data(), static_cast<std::size_t>(stream.gcount())});
  }
  lines.finish();
  return count;
}

}  // namespace baton::cli
