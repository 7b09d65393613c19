// SPDX-License-Identifier: MIT
#include "recognise/ending.hpp"

#include <gtest/gtest.h>

#include "cotp/tpdu.hpp"
#include "cotp/tpkt.hpp"
#include "recognise/samples_for_tests.hpp"

namespace baton::recognise {
namespace {

std::string end(What what, Ending why) {
  return std::string{as_text(ending(Facts{{}, std::move(what)}, why, std::chrono::seconds{7}))};
}
std::string alert(int description) { return std::string{"\x15\x03\x03\0\x02\x02", 6} + static_cast<char>(description); }

// RFC 8446 §6
TEST(Ending, OfTlsIsAnAlert) {
  EXPECT_EQ(end(Tls{}, Ending::NoRoute), alert(112));
  EXPECT_EQ(end(Tls{}, Ending::NoWorker), alert(80));
  EXPECT_EQ(end(Tls{}, Ending::Refused), alert(49));
  EXPECT_EQ(end(Tls{.fault = "x", .alert = 50}, Ending::NoRoute), alert(50));
}

TEST(Ending, OfHttp1IsAResponse) {
  const std::string busy = end(Http1{.method = "GET"}, Ending::NoWorker);
  EXPECT_TRUE(busy.starts_with("HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7\r\n")) << busy;
  EXPECT_TRUE(busy.contains("\r\nConnection: close\r\n"));
  const std::size_t head = busy.find("\r\n\r\n") + 4;
  EXPECT_TRUE(busy.contains("Content-Length: " + std::to_string(busy.size() - head) + "\r\n"));
  EXPECT_TRUE(end(Http1{}, Ending::NoRoute).starts_with("HTTP/1.1 421 Misdirected Request\r\n"));
  EXPECT_FALSE(end(Http1{}, Ending::NoRoute).contains("Retry-After"));
  EXPECT_TRUE(end(Http1{}, Ending::Refused).starts_with("HTTP/1.1 403 Forbidden\r\n"));
  EXPECT_TRUE(end(Http1{.fault = "x"}, Ending::NoWorker).starts_with("HTTP/1.1 400 Bad Request\r\n"));
  EXPECT_TRUE(end(Http1{.fault = "x", .status = 431}, Ending::NoRoute).starts_with("HTTP/1.1 431 "));
  EXPECT_TRUE(end(Http1{.method = "HEAD"}, Ending::NoRoute).ends_with("\r\n\r\n"));
}

// RFC 9113 §3.4, §6.8; RFC 7541 §6.2.2, Appendix A
TEST(Ending, OfHttp2IsAResponseAndGoAway) {
  const std::string settings = frame(4, 0, 0, "");
  EXPECT_EQ(end(Http2{.stream = 5}, Ending::NoWorker), settings +
                                                           frame(1, 5, 5,
                                                                 "\x08\x03"
                                                                 "503\x0f\x26\x01"
                                                                 "7") +
                                                           frame(7, 0, 0, number(5, 4) + number(0, 4)));
  EXPECT_EQ(end(Http2{.stream = 1}, Ending::NoRoute), settings +
                                                          frame(1, 5, 1,
                                                                "\x08\x03"
                                                                "421") +
                                                          frame(7, 0, 0, number(1, 4) + number(0, 4)));
  EXPECT_EQ(end(Http2{}, Ending::NoWorker), settings + frame(7, 0, 0, number(0, 4) + number(0, 4)));
  EXPECT_EQ(end(Http2{.stream = 1, .fault = "x"}, Ending::NoRoute),
            settings + frame(7, 0, 0, number(0, 4) + number(1, 4)));
}

cotp::Tpdu decoded(std::string_view packet) {
  const auto length = cotp::decode_tpkt(as_bytes(packet));
  EXPECT_EQ(length.value() + 4, packet.size());
  return cotp::decode(as_bytes(packet).subspan(4)).value();
}

// RFC 905 §13.5, §13.12
TEST(Ending, OfIsoIsADisconnectRequestOrAnErrorReport) {
  const auto reason = [](const Iso& iso, Ending why) {
    const auto request = std::get<cotp::DisconnectRequest>(decoded(end(iso, why)));
    EXPECT_EQ(request.destination_reference, 0x1234);
    EXPECT_EQ(request.source_reference, 0);
    return request.reason;
  };
  EXPECT_EQ(reason(Iso{.source_reference = 0x1234}, Ending::NoRoute), cotp::DisconnectReason::AddressUnknown);
  EXPECT_EQ(reason(Iso{.source_reference = 0x1234}, Ending::NoWorker), cotp::DisconnectReason::CongestionAtTsap);
  EXPECT_EQ(reason(Iso{.source_reference = 0x1234}, Ending::Refused), cotp::DisconnectReason::NotSpecified);
  EXPECT_EQ(reason(Iso{.source_reference = 0x1234, .is_rdp = true}, Ending::NoRoute),
            cotp::DisconnectReason::AddressUnknown);
  EXPECT_EQ(reason(Iso{.source_reference = 0x1234, .fault = "x", .selector_too_long = true}, Ending::NoWorker),
            cotp::DisconnectReason::AddressUnknown);
  const std::string packet = end(Iso{.source_reference = 0x1234,
                                     .fault = "x",
                                     .cause = cotp::RejectCause::InvalidParameterValue,
                                     .offending = "abc"},
                                 Ending::NoRoute);
  const auto report = std::get<cotp::ErrorReport>(decoded(packet));
  EXPECT_EQ(report.destination_reference, 0x1234);
  EXPECT_EQ(report.cause, cotp::RejectCause::InvalidParameterValue);
  EXPECT_EQ(as_text(report.invalid_tpdu), "abc");
  EXPECT_FALSE(end(Iso{.fault = "x", .offending = std::string(128, 'x')}, Ending::NoRoute).empty());
}

TEST(Ending, OfPostgresIsAnErrorResponse) {
  const std::string busy = end(Postgres{}, Ending::NoWorker);
  EXPECT_EQ(busy[0], 'E');
  EXPECT_EQ(busy.substr(1, 4), number(busy.size() - 1, 4));
  EXPECT_TRUE(busy.contains(std::string{"SFATAL\0VFATAL\0C57P03\0M", 22})) << busy;
  EXPECT_TRUE(busy.ends_with(std::string(2, '\0')));
  EXPECT_TRUE(end(Postgres{}, Ending::NoRoute).contains("C08004"));
  EXPECT_TRUE(end(Postgres{.kind = Postgres::Kind::TlsRequest}, Ending::Refused).contains("C28000"));
  EXPECT_TRUE(end(Postgres{.fault = "wrong"}, Ending::Refused).contains(std::string{"C08P01\0Mwrong\0", 14}));
  EXPECT_EQ(end(Postgres{.kind = Postgres::Kind::CancelRequest}, Ending::NoRoute), "");
}

TEST(Ending, OfAllElseIsNothing) {
  for (const What& what : {What{Unknown{}}, What{Silent{}}, What{Ssh{}}, What{PatternMatch{"x"}}})
    EXPECT_EQ(end(what, Ending::NoRoute), "");
}

}  // namespace
}  // namespace baton::recognise
