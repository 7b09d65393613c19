// SPDX-License-Identifier: MIT
#include "dispatch/called_tsap.hpp"

#include <asio/posix/stream_descriptor.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <cerrno>
#include <chrono>
#include <iterator>
#include <utility>
#include <variant>

#include "endpoint/unread_request.hpp"

namespace baton::dispatch {
namespace {

int error_of(handoff::TakeOutcome outcome) noexcept {
  using handoff::TakeOutcome;
  if (outcome == TakeOutcome::Taken) return 0;
  if (outcome == TakeOutcome::NoDescriptor) return EMFILE;
  if (outcome == TakeOutcome::NoCredit) return EAGAIN;
  return outcome == TakeOutcome::Touched ? EUCLEAN : ECONNABORTED;
}

}  // namespace

struct CalledTsap::Asked {
  Asked(asio::io_context& loop, VisitorPtr of, endpoint::UnreadRequest given)
      : visitor{std::move(of)}, request{std::move(given)}, watched{loop, request.descriptor().get()}, timer{loop} {}
  ~Asked() { (void)watched.release(); }

  VisitorPtr visitor;
  endpoint::UnreadRequest request;
  asio::posix::stream_descriptor watched;  // the request's number, which it does not own
  asio::steady_timer timer;
};

CalledTsap::CalledTsap(asio::io_context& loop, Owner& owner) : loop_{loop}, owner_{owner} {}

CalledTsap::~CalledTsap() { *alive_ = false; }

void CalledTsap::give(VisitorPtr visitor, Duration answer) {
  const auto* const iso = std::get_if<recognise::Iso>(&visitor->facts.what);
  // Nobody can have bound the empty name.
  if (iso == nullptr || iso->called.empty()) return later(std::move(visitor), ECONNREFUSED);
  auto given = endpoint::UnreadRequest::give(iso->called, FdRef{visitor->connection.native_handle()});
  if (!given) return later(std::move(visitor), os::number(given.error()));
  asked_.push_back(std::make_shared<Asked>(loop_, std::move(visitor), std::move(*given)));
  const Place place = std::prev(asked_.end());
  (*place)->timer.expires_after(answer);
  // What the loop has ready already comes without an error, also when it was cancelled.
  (*place)->timer.async_wait([this, place, still = std::weak_ptr{*place}](const std::error_code& cancelled) {
    if (cancelled || still.expired()) return;
    const auto outcome = (*place)->request.give_up();
    end(place, outcome == handoff::TakeOutcome::Declined ? ETIMEDOUT : error_of(outcome));
  });
  watch(place);
}

void CalledTsap::watch(Place place) {
  (*place)->watched.async_wait(asio::posix::stream_descriptor::wait_read,
                               [this, place, still = std::weak_ptr{*place}](const std::error_code& error) {
                                 if (error || still.expired()) return;
                                 if (const auto outcome = (*place)->request.outcome())
                                   return end(place, error_of(*outcome));
                                 watch(place);
                               });
}

void CalledTsap::end(Place place, int error) {
  VisitorPtr visitor = std::move((*place)->visitor);
  const bool kept = error == 0 || (*place)->request.is_untouched(FdRef{visitor->connection.native_handle()});
  asked_.erase(place);
  if (!kept) error = EUCLEAN;
  if (error == 0) return owner_.tsap_took(std::move(visitor));
  owner_.tsap_refused(std::move(visitor), error);
}

void CalledTsap::later(VisitorPtr visitor, int error) {
  asio::post(loop_, [this, alive = alive_, visitor = std::move(visitor), error]() mutable {
    if (*alive) owner_.tsap_refused(std::move(visitor), error);
  });
}

}  // namespace baton::dispatch
