// SPDX-License-Identifier: MIT
#include "transport/connection.hpp"

#include <type_traits>

#include "base/check.hpp"

namespace baton::transport {
namespace {

Instant later(Instant now, Duration by) noexcept {
  return now > Instant::zero() && by > never - now ? never : now + by;
}

/// The octets up to and including the TPDU code, which is what is wrong with a misplaced TPDU.
Bytes up_to_code(Bytes head) noexcept { return head.first(std::min<std::size_t>(head.size(), 2)); }
Bytes up_to_class(Bytes head) noexcept { return head.first(std::min<std::size_t>(head.size(), 7)); }
Bytes whole_header(Bytes head) noexcept {
  return head.first(std::min(head.size(), std::to_integer<std::size_t>(head[0]) + 1));
}

}  // namespace

std::expected<Connection, Misuse> Connection::initiate(const ConnectRequest& request, Instant now) noexcept {
  if (request.local_reference == 0) return std::unexpected{Misuse::ZeroReference};
  Connection made{Role::Initiator, State::AwaitingConfirm, request.local_reference};
  made.selectors_ = request.selectors;
  made.size_ = request.proposed_size;
  made.connect_data_ = request.user_data;
  made.settings_.closing_time = request.closing_time;
  made.deadline_ = later(now, request.connect_time);

  // C0, C1, C2 and nothing else: some servers drop a CR with any other parameter.
  cotp::ConnectionRequest cr;
  cr.source_reference = request.local_reference;
  cr.size = request.proposed_size;
  cr.calling = request.selectors.calling.bytes();
  cr.called = request.selectors.called.bytes();
  cr.user_data = request.user_data.bytes();
  made.opening_.resize(cotp::encode(cr, made.opening_.room()));
  if (made.opening_.empty()) return std::unexpected{Misuse::TooLong};
  return made;
}

std::expected<Connection, Misuse> Connection::await(std::uint16_t local_reference,
                                                    const ResponderSettings& settings) noexcept {
  if (local_reference == 0) return std::unexpected{Misuse::ZeroReference};
  Connection made{Role::Responder, State::Idle, local_reference};
  made.settings_ = settings;
  return made;
}

std::expected<Connection, Misuse> Connection::restore(const Image& image) noexcept {
  if (image.local_reference == 0) return std::unexpected{Misuse::ZeroReference};
  if (!image.confirmed && image.role == Role::Initiator) return std::unexpected{Misuse::WrongState};
  Connection made{image.role, image.confirmed ? State::Open : State::Indicated, image.local_reference};
  made.remote_reference_ = image.remote_reference;
  made.size_ = image.size;
  made.selectors_ = image.selectors;
  made.connect_data_ = image.connect_data;
  made.confirm_data_ = image.confirm_data;
  made.settings_.closing_time = image.closing_time;
  return made;
}

std::expected<Image, Misuse> Connection::image() const noexcept {
  if (state_ != State::Open && state_ != State::Indicated) return std::unexpected{Misuse::WrongState};
  if (!output().empty()) return std::unexpected{Misuse::OutputWaiting};
  BATON_CHECK(size_.has_value());
  return Image{.role = role_,
               .confirmed = state_ == State::Open,
               .local_reference = local_reference_,
               .remote_reference = remote_reference_,
               .size = *size_,
               .selectors = selectors_,
               .connect_data = connect_data_,
               .confirm_data = confirm_data_,
               .closing_time = settings_.closing_time};
}

std::expected<Event, Misuse> Connection::receive(Bytes head, std::size_t tpdu_length, Instant now) noexcept {
  switch (state_) {
    case State::Idle:
    case State::AwaitingConfirm:
    case State::Indicated:
    case State::Open:
      break;
    case State::Closing:  // a DC in answer to our DR, data that crossed our ER: all the same now
      return Ignored{};
    case State::Closed:
      return std::unexpected{Misuse::WrongState};
  }
  const auto tpdu = cotp::decode(head, tpdu_length);
  if (!tpdu) {
    if (tpdu.error().fault == cotp::Fault::Incomplete) return std::unexpected{Misuse::HeadTooShort};
    return on_malformed(tpdu.error(), now);
  }
  return std::visit(
      [&](const auto& decoded) -> Event {
        using Type = std::remove_cvref_t<decltype(decoded)>;
        if constexpr (std::is_same_v<Type, cotp::ConnectionRequest>)
          return on_request(decoded, head, now);
        else if constexpr (std::is_same_v<Type, cotp::ConnectionConfirm>)
          return on_confirm(decoded, head, now);
        else if constexpr (std::is_same_v<Type, cotp::DisconnectRequest>)
          return on_disconnect(decoded);
        else if constexpr (std::is_same_v<Type, cotp::Data>)
          return on_data(decoded, head, now);
        else
          return on_error(decoded);
      },
      *tpdu);
}

Event Connection::on_request(const cotp::ConnectionRequest& request, Bytes head, Instant now) noexcept {
  if (state_ != State::Idle) return on_misplaced(head, now);
  return indicate(request, now);
}

Event Connection::indicate(const cotp::ConnectionRequest& request, Instant now) noexcept {
  remote_reference_ = request.source_reference;
  const auto refuse_with = [&](cotp::DisconnectReason reason) -> Event {
    send_disconnect({.destination_reference = remote_reference_, .reason = reason}, now);
    return NegotiationFailed{reason};
  };
  if (!cotp::class_0_allowed(request.preferred_class, request.alternatives))
    return refuse_with(cotp::DisconnectReason::NegotiationFailed);
  // A selector has no maximum in the standard, so a longer one than anybody can have here is not a protocol error.
  const auto calling = Selector::from(request.calling);
  const auto called = Selector::from(request.called);
  if (!called) return refuse_with(cotp::DisconnectReason::AddressUnknown);
  if (!calling) return refuse_with(cotp::DisconnectReason::HeaderOrParameterLengthInvalid);

  selectors_ = {.calling = *calling, .called = *called};
  connect_data_.assign_front(request.user_data);
  auto maximum = settings_.maximum_size;
  // F0 is not answered, so C0 decides. Where F0 stands alone it still says what the peer can take.
  if (!request.size && request.preferred_size != 0)
    maximum = std::min(maximum, cotp::largest_size_within(std::size_t{request.preferred_size} * 128));
  size_ = cotp::select_size(request.size, settings_.size_if_none, maximum);
  state_ = State::Indicated;
  return Indication{};
}

Event Connection::on_confirm(const cotp::ConnectionConfirm& confirm, Bytes head, Instant now) noexcept {
  if (state_ != State::AwaitingConfirm) return on_misplaced(head, now);
  // The references are taken as they are: a carrier has one connection only, and servers that return the CR with
  // another code put them the wrong way round.
  remote_reference_ = confirm.source_reference;
  if (confirm.preferred_class != 0) {
    send_error(cotp::RejectCause::InvalidParameterValue, up_to_class(head), now);
    return ProtocolError{Violation::ClassNotProposed, std::nullopt, cotp::RejectCause::InvalidParameterValue};
  }
  BATON_CHECK(size_.has_value());
  const auto agreed = cotp::agreed_size(*size_, confirm.size);
  if (!agreed || confirm.preferred_size != 0) {
    send_error(cotp::RejectCause::InvalidParameterValue, whole_header(head), now);
    return ProtocolError{Violation::SizeNotProposed, std::nullopt, cotp::RejectCause::InvalidParameterValue};
  }
  size_ = agreed;
  confirm_data_.assign_front(confirm.user_data);
  deadline_.reset();
  state_ = State::Open;
  return Confirmed{};
}

Event Connection::on_disconnect(const cotp::DisconnectRequest& request) noexcept {
  const bool refused = state_ == State::AwaitingConfirm;
  reason_ = request.reason;
  disconnect_info_.assign_front(request.additional_info);
  // Never a DC: it does not exist in class 0 (RFC 905 §13.6).
  close();
  if (refused) return Refused{request.reason};
  return Released{request.reason};
}

Event Connection::on_data(const cotp::Data& data, Bytes head, Instant now) noexcept {
  if (state_ != State::Open) return on_misplaced(head, now);
  return DataArrived{data.payload_offset, data.payload_length, data.end_of_tsdu};
}

Event Connection::on_error(const cotp::ErrorReport& report) noexcept {
  close();
  return ErrorReported{report.cause};
}

Event Connection::on_malformed(const cotp::DecodeError& error, Instant now) noexcept {
  if (error.in_error_report) {
    close();
  } else {
    // A CR that failed has left its reference nowhere but here.
    if (remote_reference_ == 0) remote_reference_ = error.source_reference;
    send_error(error.cause, error.offending, now);
  }
  return ProtocolError{Violation::Malformed, error.fault, error.cause};
}

Event Connection::on_misplaced(Bytes head, Instant now) noexcept {
  send_error(cotp::RejectCause::InvalidTpduType, up_to_code(head), now);
  return ProtocolError{Violation::Misplaced, std::nullopt, cotp::RejectCause::InvalidTpduType};
}

std::expected<void, Misuse> Connection::confirm(Bytes user_data) noexcept {
  if (state_ != State::Indicated) return std::unexpected{Misuse::WrongState};
  if (user_data.size() > ConnectData::capacity) return std::unexpected{Misuse::TooLong};
  cotp::ConnectionConfirm cc;
  cc.destination_reference = remote_reference_;
  cc.source_reference = local_reference_;
  cc.size = size_;  // always: without it the peer would assume 65531 or 128 (RFC 2126 §6.4)
  cc.calling = selectors_.calling.bytes();
  cc.called = selectors_.called.bytes();
  cc.user_data = user_data;
  std::size_t size = cotp::encode(cc, opening_.room());
  if (size == 0) {
    // Selectors "may" be returned (RFC 905 §13.3.4a); where they crowd out the rest they stay away.
    cc.calling = cc.called = {};
    size = cotp::encode(cc, opening_.room());
  }
  BATON_CHECK(size != 0);
  opening_.resize(size);
  confirm_data_.assign_front(user_data);
  state_ = State::Open;
  return {};
}

std::expected<void, Misuse> Connection::refuse(cotp::DisconnectReason reason, Bytes text, Instant now) noexcept {
  if (state_ != State::Indicated) return std::unexpected{Misuse::WrongState};
  if (text.size() > cotp::max_disconnect_info) return std::unexpected{Misuse::TooLong};
  // SRC-REF is 0 in a refusal (RFC 905 §6.6.3).
  send_disconnect({.destination_reference = remote_reference_, .reason = reason, .additional_info = text}, now);
  return {};
}

std::expected<void, Misuse> Connection::disconnect(Bytes additional_info, Instant now) noexcept {
  if (state_ != State::Open) return std::unexpected{Misuse::WrongState};
  if (additional_info.size() > cotp::max_disconnect_info) return std::unexpected{Misuse::TooLong};
  send_disconnect({.destination_reference = remote_reference_,
                   .source_reference = local_reference_,
                   .reason = cotp::DisconnectReason::NormalDisconnect,
                   .additional_info = additional_info},
                  now);
  return {};
}

std::expected<DataHeader, Misuse> Connection::data_header(std::size_t payload_length, bool end_of_tsdu) const noexcept {
  if (state_ != State::Open) return std::unexpected{Misuse::WrongState};
  if (!output().empty()) return std::unexpected{Misuse::OutputWaiting};
  if (payload_length > max_data()) return std::unexpected{Misuse::TooLong};
  if (payload_length == 0 && !end_of_tsdu) return std::unexpected{Misuse::EmptyData};
  return cotp::encode_data_header(end_of_tsdu);
}

std::size_t Connection::max_data() const noexcept {
  return size_ ? cotp::octets(*size_) - cotp::data_header_octets : 0;
}

Bytes Connection::output() const noexcept { return opening_.empty() ? closing_.bytes() : opening_.bytes(); }

void Connection::consume_output() noexcept {
  BATON_CHECK(!output().empty());
  if (!opening_.empty())
    opening_.clear();
  else
    closing_.clear();
}

std::expected<Event, Misuse> Connection::on_deadline(Instant now) noexcept {
  if (!deadline_ || now < *deadline_) return std::unexpected{Misuse::NotDue};
  const Timer timer = state_ == State::AwaitingConfirm ? Timer::Connect : Timer::Closing;
  close();
  return TimedOut{timer};
}

std::expected<Event, Misuse> Connection::carrier_ended() noexcept {
  if (state_ == State::Closed) return std::unexpected{Misuse::WrongState};
  const State during = state_;
  close();
  return CarrierEnded{during};
}

void Connection::send_error(cotp::RejectCause cause, Bytes offending, Instant now) noexcept {
  const std::size_t size = cotp::encode(
      cotp::ErrorReport{.destination_reference = remote_reference_, .cause = cause, .invalid_tpdu = offending},
      closing_.room());
  BATON_CHECK(size != 0);
  closing_.resize(size);
  start_closing(now);
}

void Connection::send_disconnect(const cotp::DisconnectRequest& request, Instant now) noexcept {
  const std::size_t size = cotp::encode(request, closing_.room());
  BATON_CHECK(size != 0);
  closing_.resize(size);
  start_closing(now);
}

void Connection::start_closing(Instant now) noexcept {
  state_ = State::Closing;
  deadline_ = later(now, settings_.closing_time);
}

void Connection::close() noexcept {
  state_ = State::Closed;
  deadline_.reset();
  opening_.clear();
  closing_.clear();
}

}  // namespace baton::transport
