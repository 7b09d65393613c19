// SPDX-License-Identifier: MIT
#include "crash/orders.hpp"

#include <array>
#include <vector>

namespace baton::crash {
namespace {

using enum Manner;
using enum Stage;

constexpr Party L = Party::Listener;
constexpr Party S = Party::Server;

constexpr std::array table{
    // L, the seed's steps.
    Order{"offer_before", L, SeedAsked, OfferUnread},
    Order{"offer_queued", L, SeedAsked, OfferUnread, 1, Step::OfferReading},
    Order{"offer_queued", L, SeedLeft, OfferUnread, 1, Step::OfferReading},
    Order{"offer_queued", L, SeedAsked, OfferUnread, 1, Step::None, Step::OfferReading, "offer_before"},
    Order{"offer_queued", L, SeedAsked, OfferRead, 1, Step::Answering, Step::Answering},
    Order{"offer_queued", L, SeedLeft, OfferRead, 1, Step::Answering, Step::Answering},
    Order{"answer_arrived", L, SeedAsked, Answered},
    Order{"stop_before", L, SeedAsked, Answered},
    Order{"number_parked", L, SeedAsked, Answered},
    Order{"stop_done", L, SeedAsked, Answered},
    Order{"call_before", L, SeedAsked, Answered},
    Order{"call_before", L, SeedLeft, Answered},
    Order{"call_queued", L, SeedAsked, Called, 1, Step::Taking},
    Order{"call_queued", L, SeedAsked, Taken, 1, Step::None, Step::Taken},
    Order{"call_queued", L, SeedLeft, Called, 1, Step::Taking},
    Order{"call_queued", L, SeedAsked, Called, 1, Step::None, Step::Taking, "call_before"},
    Order{"call_queued", L, SeedLeft, Called, 1, Step::None, Step::Taking, "call_before"},
    Order{"call_queued", L, SeedLeft, Taken, 1, Step::None, Step::Taken},
    Order{"outcome_awaited", L, SeedAsked, Called, 1, Step::Taking},
    Order{"outcome_arrived", L, SeedAsked, Taken},
    Order{"outcome_arrived", L, SeedLeft, Taken},
    Order{"outcome_done", L, SeedAsked, Taken},
    Order{"outcome_done", L, SeedLeft, Taken},
    Order{"outcome_told", L, SeedAsked, Taken},
    Order{"reader_round", L, SeedLeft, Called, 1, Step::Taking},
    Order{"reader_done", L, SeedLeft, Called, 1, Step::Taking},
    // L, express.
    Order{"give_taken_over", L, ExpressAsked, Answered},
    Order{"give_before", L, ExpressAsked, Answered},
    Order{"give_before", L, ExpressLeft, Answered},
    Order{"give_queued", L, ExpressAsked, Called, 1, Step::Taking},
    Order{"give_queued", L, ExpressAsked, Taken, 1, Step::None, Step::Taken},
    Order{"give_queued", L, ExpressLeft, Called, 1, Step::Taking},
    Order{"give_queued", L, ExpressAsked, Called, 1, Step::None, Step::Taking, "give_before"},
    Order{"give_queued", L, ExpressLeft, Taken, 1, Step::None, Step::Taken},
    Order{"outcomes_awaited", L, ExpressAsked, Called, 1, Step::Taking},
    Order{"outcome_arrived", L, ExpressAsked, Called, 1},
    Order{"outcome_arrived", L, ExpressAsked, Taken, 3},
    Order{"outcome_done", L, ExpressLeft, Called, 2},
    Order{"outcome_collected", L, ExpressAsked, Called, 1},
    Order{"outcome_collected", L, ExpressAsked, Taken, 3},
    Order{"reader_round", L, ExpressLeft, Called, 1, Step::Taking},
    // L, when the move does not come about.
    Order{"offer_queued", L, Refused, OfferUnread, 1, Step::OfferReading},
    Order{"offer_queued", L, Refused, OfferRead, 1, Step::Answering, Step::Answering},
    Order{"refusal_read", L, Refused, Back},
    Order{"offer_queued", L, Declined, OfferUnread, 1, Step::OfferReading},
    Order{"offer_queued", L, Declined, OfferRead, 1, Step::Answering, Step::Answering},
    Order{"call_before", L, Declined, Answered},
    Order{"verify_before", L, Declined, Back},
    Order{"verify_done", L, Declined, Back},
    Order{"back_before", L, Declined, Back},
    Order{"back_done", L, Declined, Back},
    Order{"offer_queued", L, CancelledEarly, OfferUnread, 1, Step::OfferReading},
    Order{"cancel_before", L, CancelledEarly, OfferRead},
    Order{"cancel_queued", L, CancelledEarly, Back, 1, Step::Answering},
    Order{"offer_queued", L, CancelledLate, OfferUnread, 1, Step::OfferReading},
    Order{"offer_queued", L, CancelledLate, OfferRead, 1, Step::Answering, Step::Answering},
    Order{"call_before", L, CancelledLate, Answered},
    Order{"cancel_before", L, CancelledLate, Called, 1, Step::Taking},
    Order{"cancel_queued", L, CancelledLate, Called, 1, Step::Taking},
    Order{"cancelled_arrived", L, CancelledLate, Back},
    Order{"back_done", L, CancelledLate, Back},
    // S, the seed's steps.
    Order{"offer_awaited", S, SeedAsked, OfferUnread},
    Order{"offer_awaited", S, SeedLeft, OfferUnread, 1, Step::None, Step::Offered},
    Order{"offer_arrived", S, SeedAsked, OfferRead},
    Order{"offer_read", S, SeedAsked, OfferRead},
    Order{"answer_before", S, SeedAsked, OfferRead},
    Order{"answer_before", S, SeedLeft, OfferRead},
    Order{"answer_queued", S, SeedAsked, Answered, 1, Step::AnswerReading},
    Order{"answer_queued", S, SeedAsked, Answered, 1, Step::Calling},
    Order{"answer_queued", S, SeedLeft, Answered, 1, Step::Calling},
    Order{"answer_queued", S, SeedAsked, Answered, 1, Step::None, Step::AnswerReading, "answer_before"},
    Order{"answer_queued", S, SeedAsked, Called, 1, Step::None, Step::Called},
    Order{"answer_queued", S, SeedLeft, Called, 1, Step::None, Step::Called},
    Order{"call_peeked", S, SeedAsked, Called},
    Order{"call_peeked", S, SeedLeft, Called},
    Order{"call_received", S, SeedAsked, Called},
    Order{"position_checked", S, SeedAsked, Called},
    Order{"position_checked", S, SeedLeft, Called},
    Order{"taken_queued", S, SeedAsked, Taken},
    Order{"taken_queued", S, SeedLeft, Taken},
    Order{"taken_queued", S, SeedAsked, Taken, 1, Step::None, Step::Asking, "position_checked"},
    Order{"number_before", S, SeedAsked, Taken},
    Order{"number_placed", S, SeedAsked, Taken},
    Order{"number_placed", S, SeedLeft, Taken},
    Order{"take_told", S, SeedAsked, Taken},
    // S, express: two connections in the first batch, one in the second.
    Order{"credit_before", S, ExpressAsked, Answered},
    Order{"credit_before", S, ExpressLeft, Answered},
    Order{"credit_queued", S, ExpressAsked, Answered, 1, Step::Calling},
    Order{"credit_queued", S, ExpressAsked, Answered, 1, Step::None, Step::Calling, "credit_before"},
    Order{"credit_queued", S, ExpressAsked, Called, 1, Step::None, Step::Called},
    Order{"credit_queued", S, ExpressLeft, Called, 1, Step::None, Step::Called},
    Order{"batch_received", S, ExpressAsked, Called},
    Order{"item_checked", S, ExpressAsked, Called, 1},
    Order{"item_checked", S, ExpressAsked, Called, 2},
    Order{"item_checked", S, ExpressAsked, Called, 3},
    Order{"batch_taken_before", S, ExpressAsked, Called, 1},
    Order{"batch_taken_before", S, ExpressLeft, Called, 2},
    Order{"batch_taken_queued", S, ExpressAsked, Called, 1},
    Order{"batch_taken_queued", S, ExpressLeft, Called, 1},
    Order{"batch_taken_queued", S, ExpressAsked, Taken, 2},
    Order{"batch_taken_queued", S, ExpressAsked, Taken, 2, Step::None, Step::Asking, "batch_taken_before"},
    Order{"item_placed", S, ExpressAsked, Called, 1},
    Order{"item_placed", S, ExpressAsked, Called, 2},
    Order{"item_placed", S, ExpressAsked, Taken, 3},
    Order{"item_placed", S, ExpressLeft, Taken, 3},
    // S, when the move does not come about.
    Order{"offer_awaited", S, Refused, OfferUnread},
    Order{"answer_before", S, Refused, OfferRead},
    Order{"answer_queued", S, Refused, Back},
    Order{"offer_awaited", S, Declined, OfferUnread},
    Order{"offer_read", S, Declined, OfferRead},
    Order{"answer_queued", S, Declined, Answered, 1, Step::Calling},
    Order{"call_received", S, Declined, Called},
    Order{"not_taken_queued", S, Declined, Back},
    Order{"not_taken_queued", S, Declined, Back, 1, Step::None, Step::Asking, "call_received"},
    Order{"offer_awaited", S, CancelledEarly, OfferUnread},
    Order{"cancel_arrived", S, CancelledEarly, OfferRead},
    Order{"cancelled_queued", S, CancelledEarly, Back},
    Order{"offer_awaited", S, CancelledLate, OfferUnread},
    Order{"offer_read", S, CancelledLate, OfferRead},
    Order{"answer_queued", S, CancelledLate, Answered, 1, Step::Calling},
    Order{"cancel_arrived", S, CancelledLate, Called},
    Order{"cancelled_queued", S, CancelledLate, Back},
};

const std::vector<const char*>& points() {
  static const std::vector<const char*> all = [] {
    std::vector<const char*> names;
    for (const Order& order : table) {
      bool known = false;
      for (const std::string_view name : names) known = known || name == order.point;
      if (!known) names.push_back(order.point);
    }
    return names;
  }();
  return all;
}

}  // namespace

std::span<const Order> orders() { return table; }

int point_named(std::string_view name) {
  for (std::size_t i = 0; i < points().size(); ++i)
    if (name == points()[i]) return static_cast<int>(i);
  return -1;
}

const char* name_of_point(std::size_t point) { return point < points().size() ? points()[point] : nullptr; }

}  // namespace baton::crash
