// SPDX-License-Identifier: MIT
#include "events.hpp"

namespace baton::sim {
namespace {

using handoff::FrameType;

std::string process_name(const Setup& setup, Id process) {
  if (setup.processes > 3) return "P" + std::to_string(process);
  return std::string(1, "LST"[process]);
}

std::string about(const Frame& frame) {
  std::string text = handoff::name_of(frame.type);
  if (frame.type == FrameType::Answer) text += frame.accepted ? " accepted" : " refused";
  if (frame.type == FrameType::Call && frame.express) text += frame.group == none ? " express" : " held";
  if (frame.move != none && frame.items.size() < 2) text += " of move " + std::to_string(frame.move);
  if (frame.type == FrameType::Credit) text += " " + std::to_string(frame.more);
  if (frame.type == FrameType::Taken || frame.items.size() > 1)
    for (const Item& item : frame.items) {
      text += " of move " + std::to_string(item.move);
      if (item.outcome != handoff::TakeOutcome::Taken) text += std::string{" ("} + handoff::name_of(item.outcome) + ")";
    }
  return text;
}

std::string move(Id number) { return " (move " + std::to_string(number) + ")"; }

std::string of_link(const Driver& driver, const Event& event) {
  const Side& side = driver.side();
  const End& end = driver.end();
  const auto given = [&] { return move(side.given[event.subject].move); };
  const auto awaited = [&] { return move(side.awaited[event.subject].move); };
  switch (event.what) {
    case Happening::Receive:
      return end.queue.empty() ? "reads the link's end" : "reads " + about(end.queue.front());
    case Happening::ReceiveTableFull:
      return "looks at " + about(end.queue.front()) + ", its descriptor table is full";
    case Happening::Flush:
      return "queues what waited for room";
    case Happening::NoticeDeath:
      return "sees that the other process is dead";
    case Happening::NoticeLoss:
      return "notices that the link was closed";
    case Happening::Offer:
      return "queues OFFER" + move(event.subject);
    case Happening::Give:
      return "queues CALL express of " + std::to_string(event.count) + move(event.subject);
    case Happening::ReadAnswer:
      return std::string{side.inbox.front().accepted ? "learns the answer: data stop" : "learns the answer: refused"} +
             move(side.inbox.front().move);
    case Happening::Call:
      return "queues CALL" + given();
    case Happening::Accept:
      return "queues ANSWER accepted" + awaited();
    case Happening::Refuse:
      return "queues ANSWER refused" + awaited();
    case Happening::BeginToTake:
      return "wants to take, TAKEN waits for room" + awaited();
    case Happening::Take:
      return "takes" + awaited();
    case Happening::Announce:
      return "announces credit";
    case Happening::Hold:
      return "queues CALL held of " + std::to_string(event.count) + move(event.subject);
    case Happening::Complete:
      return "queues COMPLETE";
    case Happening::Commit:
      return "queues COMMIT";
    case Happening::BeginToSend:
      return event.subject == none
                 ? "has something to say of its group, which waits for room"
                 : "wants to hold " + std::to_string(event.count) + ", CALL waits for room" + move(event.subject);
    case Happening::SendAtLast:
      return "queues what waited for room for its group";
    case Happening::Park:
      return "parks the first that has arrived" + move(side.arrived.front().item.move);
    case Happening::SayReady:
      return "queues HELD";
    case Happening::TakeGroup:
      return event.count == none ? "takes its group" : "takes the first of its group";
    case Happening::Abort:
      return "calls its group off";
    case Happening::BeginToTakeArrivals:
      return "wants to take, TAKEN waits for room";
    case Happening::TakeArrivals:
      return "takes the first " + std::to_string(event.count) + " that have arrived";
    case Happening::Cancel:
      return "wants it back, or its time is over" + given();
    case Happening::Abandon:
      return "abandons" + given();
    case Happening::GiveUp:
      return "gives up" + awaited();
    case Happening::TimeOut:
      return "has no more time to wait for room" + (event.subject == none ? std::string{} : awaited());
    case Happening::CloseNumber:
      return "closes the number" + given();
    case Happening::Close:
      return "closes the link";
    case Happening::ClosePlainly:
      return "closes the link behind the library's back";
    case Happening::Fork:
      return "forks, the child holds the link";
    case Happening::ChildExits:
      return "'s child exits";
    case Happening::StrayRead:
      return "reads an octet before it has taken, and dies";
    case Happening::LateRead:
      return "'s call from before the data stop reads an octet";
    case Happening::PidfdTells:
    case Happening::Kill:
    case Happening::ClientSends:
    case Happening::ClientHalfCloses:
    case Happening::ClientResets:
    case Happening::Read:
    case Happening::Write:
      break;
  }
  return "?";
}

}  // namespace

std::string describe(const Setup& setup, World& world, const Event& event) {
  const std::string connection = " connection " + std::to_string(event.subject);
  if (event.what == Happening::PidfdTells) return "the pidfd of " + process_name(setup, event.subject) + " tells";
  if (event.what == Happening::Kill) return process_name(setup, event.subject) + " is killed: its descriptors close";
  if (event.what == Happening::ClientSends) return "C sends an octet on" + connection;
  if (event.what == Happening::ClientHalfCloses) return "C half-closes" + connection;
  if (event.what == Happening::ClientResets) return "C resets" + connection;
  if (event.what == Happening::Read) return process_name(setup, event.port.end) + " reads an octet of" + connection;
  if (event.what == Happening::Write) return process_name(setup, event.port.end) + " writes an octet to" + connection;
  const Driver driver{setup, world, event.port};
  std::string text = process_name(setup, driver.process()) + " " + of_link(driver, event);
  if (setup.links.size() > 1) text += " [link " + std::to_string(event.port.link) + "]";
  return text;
}

}  // namespace baton::sim
