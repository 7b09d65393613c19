// SPDX-License-Identifier: MIT
#include "crash/scenario.hpp"

#include <linux/futex.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <cstring>
#include <new>
#include <string>

#include "support/process.hpp"

namespace baton::crash {
namespace {

using test::checked;
using test::SharedMemory;

Party party = Party::Fresh;

long futex(std::atomic<std::uint32_t>& word, int operation, std::uint32_t value) {
  return ::syscall(SYS_futex, &word, operation, value, nullptr, nullptr, 0);
}

/// Whoever waits for the victim to be in poll(2) has seen so many.
std::uint32_t polls_seen = 0;

/// Steps that a victim may wait for in poll(2). Where S waits for L to give up, it does not wait for the call.
bool is_waited_for(Step step) {
  if (step == Step::Calling) return page().scenario.manner != Manner::CancelledLate;
  return step == Step::Offering || step == Step::Answering || step == Step::Taking;
}

}  // namespace

Page& page() {
  static const SharedMemory memory{sizeof(Page)};
  return *static_cast<Page*>(memory.address());
}

void begin_round(const Scenario& scenario) {
  (void)client_bell();
  std::uint64_t rung = 0;
  (void)!::read(client_bell(), &rung, sizeof rung);
  Page& fresh = *new (&page()) Page{};
  fresh.scenario = scenario;
  polls_seen = 0;
}

void become(Party who) {
  party = who;
  page().process[static_cast<std::size_t>(who)].store(::getpid());
}
Party me() { return party; }
bool am_victim() { return party == page().scenario.victim; }

void announce() {
  page().changes.fetch_add(1);
  (void)futex(page().changes, FUTEX_WAKE, INT_MAX);
}

void announce(Step step) {
  const Aside aside;
  page().progress[static_cast<std::size_t>(party)].store(step);
  announce();
}

void wait_until(const std::function<bool()>& condition) {
  const Aside aside;
  for (;;) {
    const std::uint32_t changes = page().changes.load();
    if (condition()) return;
    (void)futex(page().changes, FUTEX_WAIT, changes);
  }
}

bool victim_gone() { return page().victim_dead.load() || page().victim_ended.load(); }

bool has_come_to(Party who, Step step) { return page().progress[static_cast<std::size_t>(who)].load() >= step; }

void arrive(Step step) {
  announce(step);
  if (am_victim()) return;
  const Scenario& scenario = page().scenario;
  if (scenario.hold == step) wait_until(victim_gone);
  if (!scenario.peer_waits || !is_waited_for(step)) return;
  wait_until([] { return victim_gone() || page().polls.load() > polls_seen; });
  polls_seen = page().polls.load();
}

void begin_move() {
  if (!am_victim()) return;
  announce(Step::MoveBegins);
  wait_until([] { return page().traced.load() == 0 || page().attached.load() != 0; });
  page().moving.store(true);
}

void end_move() {
  if (am_victim()) page().moving.store(false);
}

Aside::Aside() {
  if (am_victim()) page().idle.fetch_add(1);
}
Aside::~Aside() {
  if (am_victim()) page().idle.fetch_sub(1);
}

int client_bell() {
  static const int bell = checked(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), "eventfd");
  return bell;
}

void ring_client() {
  const Aside aside;
  const std::uint64_t one = 1;
  if (::write(client_bell(), &one, sizeof one) != sizeof one) test::fail_call("write to the client's bell");
}

const char* name_of(Party who) {
  switch (who) {
    case Party::Listener:
      return "L";
    case Party::Server:
      return "S";
    case Party::Fresh:
      return "F";
  }
  return "";
}

const char* name_of(Carrier carrier) {
  switch (carrier) {
    case Carrier::Ipv4:
      return "TCP over IPv4";
    case Carrier::Ipv6:
      return "TCP over IPv6";
    case Carrier::IsoRemote:
      return "ISO over TCP";
    case Carrier::IsoLocal:
      return "ISO within the host";
  }
  return "";
}

const char* name_of(Manner manner) {
  switch (manner) {
    case Manner::SeedAsked:
      return "seed";
    case Manner::SeedLeft:
      return "seed, not asked";
    case Manner::ExpressAsked:
      return "express";
    case Manner::ExpressLeft:
      return "express, not asked";
    case Manner::Refused:
      return "S refuses the offer";
    case Manner::Declined:
      return "S declines the call";
    case Manner::CancelledEarly:
      return "no answer in time";
    case Manner::CancelledLate:
      return "no outcome in time";
  }
  return "";
}

const char* name_of(Stage stage) {
  switch (stage) {
    case Stage::OfferUnread:
      return "before OFFER is read";
    case Stage::OfferRead:
      return "OFFER..ANSWER";
    case Stage::Answered:
      return "ANSWER..CALL";
    case Stage::Called:
      return "CALL..TAKEN";
    case Stage::Taken:
      return "after TAKEN";
    case Stage::Back:
      return "after the end point is back";
  }
  return "";
}

const char* name_of(Doing doing) {
  switch (doing) {
    case Doing::Sends:
      return "sends";
    case Doing::HalfCloses:
      return "half-closes";
    case Doing::Resets:
      return "resets";
    case Doing::Idle:
      return "idle";
  }
  return "";
}

std::string describe(const Scenario& scenario) {
  return std::string{name_of(scenario.victim)} + " dies, " + name_of(scenario.carrier) + ", " +
         name_of(scenario.manner) + ", client " + name_of(scenario.doing) + (scenario.carries ? ", octets along" : "") +
         (scenario.helper ? ", a child holds the link" : "") + (scenario.peer_waits ? ", the peer is slow" : "");
}

}  // namespace baton::crash
