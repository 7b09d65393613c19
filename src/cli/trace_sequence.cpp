// SPDX-License-Identifier: MIT
#include "cli/trace_sequence.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include "cli/units.hpp"

namespace baton::cli {
namespace {

enum class Frame { Offer, Answer, Call, Taken, Cancel, Cancelled };
constexpr std::array<std::string_view, 6> frame_names{"OFFER", "ANSWER", "CALL", "TAKEN", "CANCEL", "CANCELLED"};

struct Passage {
  Frame frame;
  bool sends;
};

/// The frame that the event sends or receives.
std::optional<Passage> passage_of(const TraceEvent& event) {
  switch (event.step) {
    case Step::Offer:
      return Passage{Frame::Offer, true};
    case Step::AnswerAccepted:
    case Step::AnswerRefused:
      return Passage{Frame::Answer, true};
    case Step::Call:
    case Step::CallExpress:
      return Passage{Frame::Call, true};
    case Step::Taken:
    case Step::NotTaken:
      return Passage{Frame::Taken, true};
    case Step::Cancel:
      return Passage{Frame::Cancel, true};
    case Step::Cancelled:
      return Passage{Frame::Cancelled, true};
    case Step::CallReceived:
      return Passage{Frame::Call, false};
    case Step::Outcome:
      return Passage{Frame::Taken, false};
    case Step::Received: {
      const auto* const name = std::ranges::find(frame_names, event.detail);
      if (name == frame_names.end()) return std::nullopt;
      return Passage{static_cast<Frame>(name - frame_names.begin()), false};
    }
    case Step::OfferRead:
    case Step::DataStop:
    case Step::DataStopLifted:
    case Step::Moved:
    case Step::Abandoned:
    case Step::TouchedReset:
    case Step::LinkEnded:
    case Step::LinkBroken:
    case Step::Other:
      break;
  }
  return std::nullopt;
}

std::string label_of(const TraceEvent& event, Frame frame) {
  switch (event.step) {
    case Step::AnswerAccepted:
      return "ANSWER: accepted";
    case Step::AnswerRefused:
      return "ANSWER: refused";
    case Step::CallExpress:
      return "CALL (express)";
    case Step::NotTaken:
      return "TAKEN: no, " + event.detail;
    case Step::Outcome:
      return event.detail == "taken" ? "TAKEN" : "TAKEN: no, " + event.detail;
    case Step::Offer:
    case Step::OfferRead:
    case Step::DataStop:
    case Step::Call:
    case Step::CallReceived:
    case Step::Taken:
    case Step::Cancel:
    case Step::Cancelled:
    case Step::DataStopLifted:
    case Step::Moved:
    case Step::Abandoned:
    case Step::TouchedReset:
    case Step::Received:
    case Step::LinkEnded:
    case Step::LinkBroken:
    case Step::Other:
      break;
  }
  return std::string{frame_names[static_cast<std::size_t>(frame)]};
}

bool is_good(const TraceEvent& event) {
  return event.step != Step::AnswerRefused && event.step != Step::NotTaken && event.step != Step::Cancel &&
         event.step != Step::Cancelled;
}

std::string note_of(const TraceEvent& event) {
  switch (event.step) {
    case Step::OfferRead:
      return "program reads the offer";
    case Step::DataStop:
      return "data stop begins";
    case Step::DataStopLifted:
      return "data stop lifted";
    case Step::Moved:
      return "lets go: moved";
    case Step::Abandoned:
      return "lets go: abandoned";
    case Step::TouchedReset:
      return "touched: connection reset";
    case Step::Offer:
    case Step::AnswerAccepted:
    case Step::AnswerRefused:
    case Step::Call:
    case Step::CallExpress:
    case Step::CallReceived:
    case Step::Taken:
    case Step::NotTaken:
    case Step::Outcome:
    case Step::Cancel:
    case Step::Cancelled:
    case Step::Received:
    case Step::LinkEnded:
    case Step::LinkBroken:
    case Step::Other:
      break;
  }
  return event.detail.empty() ? event.event : event.event + ": " + event.detail;
}

/// In the order of the times; of a TAKEN that was read and acted on, the line that tells the outcome.
std::vector<TraceEvent> in_order(std::vector<TraceEvent> written) {
  if (std::ranges::find(written, Step::Outcome, &TraceEvent::step) != written.end())
    std::erase_if(written,
                  [](const TraceEvent& each) { return each.step == Step::Received && each.detail == "TAKEN"; });
  std::vector<std::pair<Instant, std::size_t>> order;  // of equal times, the line that was written first
  order.reserve(written.size());
  for (std::size_t place = 0; place < written.size(); ++place) order.emplace_back(written[place].time, place);
  std::ranges::sort(order);
  std::vector<TraceEvent> events;
  events.reserve(written.size());
  for (const auto& [time, place] : order) events.push_back(std::move(written[place]));
  // No line tells when S reads an express CALL: what it does then is to take, or not.
  const bool express = std::ranges::find(events, Step::CallExpress, &TraceEvent::step) != events.end();
  for (const Frame frame : {Frame::Offer, Frame::Answer, Frame::Call, Frame::Taken, Frame::Cancel, Frame::Cancelled}) {
    const auto next = [&](std::size_t from, bool sends) {
      for (; from < events.size(); ++from) {
        const auto passage = passage_of(events[from]);
        if (passage && passage->frame == frame && passage->sends == sends) break;
        if (express && frame == Frame::Call && !sends && passage && passage->frame == Frame::Taken && passage->sends)
          break;
      }
      return from;
    };
    // The n-th receipt of a frame is that of its n-th sending.
    std::size_t sent = next(0, true);
    std::size_t received = next(0, false);
    while (sent < events.size() && received < events.size()) {
      if (sent > received) {
        // The sender's own earlier lines were written before it sent: they stay in front.
        const auto at = [&](std::size_t place) { return events.begin() + static_cast<std::ptrdiff_t>(place); };
        std::rotate(at(received), at(sent), at(sent + 1));
        sent = received;
        received = sent + 1;
      }
      sent = next(sent + 1, true);
      received = next(received + 1, false);
    }
  }
  return events;
}

/// The arrow of an express CALL ends where S takes.
void end_at_taken(Sequence& sequence) {
  for (Arrow& arrow : sequence.arrows) {
    if (arrow.received || !sequence.rows[arrow.sent].frame.starts_with("CALL")) continue;
    for (std::size_t place = arrow.sent + 1; place < sequence.rows.size() && !arrow.received; ++place)
      if (sequence.rows[place].sends && sequence.rows[place].frame.starts_with("TAKEN")) arrow.received = place;
  }
}

}  // namespace

std::string Sequence::title() const {
  std::string title = "move " + hex(move.id) + ": " + move.outcome();
  if (const auto duration = move.duration()) title += ", " + readable(*duration) + " from offer to taken";
  if (const auto pause = move.pause()) title += ", data stop " + readable(*pause);
  return title;
}

std::string Sequence::text() const {
  Table table;
  table.column("us", Align::Right);
  table.column("process", Align::Left);
  table.column("step", Align::Left);
  for (const Row& row : rows) {
    const std::int64_t pid = row.side == 'L' ? move.listener : move.server;
    table.row({microseconds(row.time), std::string{row.side} + " " + std::to_string(pid),
               row.frame.empty() ? row.note : (row.sends ? "sends " : "receives ") + row.frame});
  }
  return title() + "\n" + table.text();
}

void EventsOfMove::add(const TraceEvent& event) {
  if (event.move == id_ && id_ != 0) {
    if (begins_move(event) && std::ranges::any_of(events_, begins_move)) {
      events_.clear();  // an earlier move under the same id
      ends_.clear();
    }
    if (events_.size() < most_events) events_.push_back(event);
    const char side = side_of(event);
    const auto same = [&](const End& end) { return end.pid == event.pid && end.link == event.link; };
    if (side != '-' && std::ranges::none_of(ends_, same)) ends_.push_back({event.pid, event.link, side});
  } else if (event.step == Step::LinkEnded || event.step == Step::LinkBroken) {
    for (const End& end : ends_) {
      if (end.pid != event.pid || end.link != event.link || events_.size() >= most_events) continue;
      events_.push_back(event);
      events_.back().role = end.side;
    }
  }
}

Sequence EventsOfMove::sequence() const {
  Sequence result;
  Instant last{};
  for (const TraceEvent& event : events_) {
    if (event.move != id_) continue;
    result.move.add(event);
    last = std::max(last, event.time);
  }
  // A link's end belongs to the story while the move is under way.
  std::vector<TraceEvent> events = events_;
  if (result.move.ending() != Ending::Open)
    std::erase_if(events, [&](const TraceEvent& each) { return each.move != id_ && each.time > last; });
  std::array<std::vector<std::size_t>, 6> awaited;  // arrows without receipt, by frame
  for (const TraceEvent& event : in_order(std::move(events))) {
    const char side = side_of(event);
    if (side == '-') continue;
    Row row{event.time - result.move.first, side, {}, false, {}};
    const std::size_t place = result.rows.size();
    if (const auto passage = passage_of(event)) {
      row.frame = label_of(event, passage->frame);
      row.sends = passage->sends;
      auto& waiting = awaited[static_cast<std::size_t>(passage->frame)];
      if (passage->sends) {
        waiting.push_back(result.arrows.size());
        result.arrows.push_back({row.frame, is_good(event), place, {}});
      } else if (!waiting.empty()) {
        result.arrows[waiting.front()].received = place;
        waiting.erase(waiting.begin());
      } else {
        row.note = row.frame + " received";  // the sender wrote no trace
      }
    } else {
      row.note = note_of(event);
    }
    if (event.step == Step::DataStop || event.step == Step::CallExpress) result.stop = place;
    const bool lifts = event.step == Step::DataStopLifted || event.step == Step::TouchedReset;
    if (event.step == Step::Taken || (lifts && !result.move.taken)) result.go = place;
    result.rows.push_back(std::move(row));
  }
  end_at_taken(result);
  return result;
}

}  // namespace baton::cli
