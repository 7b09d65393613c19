// SPDX-License-Identifier: MIT
// baton: cli/trace_for_tests.hpp: for unit tests only: traces as os/trace.cpp and src/endpoint write them.
//
// Process 11 is L, process 22 is S; their ends of the link have the cookies a and b.
#pragma once

#include <sstream>
#include <string>
#include <string_view>

#include "cli/trace_line.hpp"
#include "cli/trace_moves.hpp"
#include "cli/trace_sequence.hpp"

namespace baton::cli::test {

class TraceText {
 public:
  /// `more` is text of JSON: `,"why":"..."`. Times in microseconds.
  TraceText& add(double us, char process, char role, std::string_view move, std::string_view event,
                 std::string_view more = {}) {
    const bool listener = process == 'L';
    text_ += "{\"t\":" + std::to_string(static_cast<long>(us * 1000)) + ",\"pid\":" + (listener ? "11" : "22") +
             ",\"link\":\"" + (listener ? "a" : "b") + "\",\"move\":\"" + std::string{move} + "\",\"role\":\"" + role +
             "\",\"event\":\"" + std::string{event} + "\"" + std::string{more} + "}\n";
    return *this;
  }
  TraceText& listener(double us, std::string_view move, std::string_view event, std::string_view more = {}) {
    return add(us, 'L', 'L', move, event, more);
  }
  TraceText& server(double us, std::string_view move, std::string_view event, std::string_view more = {}) {
    return add(us, 'S', 'S', move, event, more);
  }
  TraceText& received(double us, char process, std::string_view move, std::string_view frame) {
    return add(us, process, '-', move, "received", ",\"frame\":\"" + std::string{frame} + "\"");
  }
  /// Up to the data stop.
  TraceText& stopped(double us, std::string_view move) {
    return listener(us, move, "OFFER")
        .received(us + 14, 'S', move, "OFFER")
        .server(us + 21.5, move, "offer read")
        .server(us + 40, move, "ANSWER accepted")
        .received(us + 52, 'L', move, "ANSWER")
        .listener(us + 60, move, "data stop");
  }
  /// A whole one.
  TraceText& moved(double us, std::string_view move) {
    return stopped(us, move)
        .listener(us + 71, move, "CALL")
        .server(us + 80, move, "CALL received")
        .server(us + 121.2, move, "TAKEN")
        .received(us + 130, 'L', move, "TAKEN")
        .listener(us + 131, move, "outcome", R"(,"taken":"taken")")
        .listener(us + 140, move, "moved");
  }
  TraceText& raw(std::string_view text) {
    text_ += text;
    return *this;
  }

  [[nodiscard]] const std::string& text() const { return text_; }
  [[nodiscard]] MoveTable table() const {
    MoveTable table;
    std::istringstream stream{text_};
    read_trace(stream, [&](const TraceEvent& event) { table.add(event); });
    return table;
  }
  [[nodiscard]] Sequence sequence(std::uint64_t id) const {
    EventsOfMove events{id};
    std::istringstream stream{text_};
    read_trace(stream, [&](const TraceEvent& event) { events.add(event); });
    return events.sequence();
  }

 private:
  std::string text_;
};

}  // namespace baton::cli::test
