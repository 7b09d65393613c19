// SPDX-License-Identifier: MIT
#include "recognise/recognise.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "recognise/ending.hpp"
#include "recognise/samples_for_tests.hpp"

namespace baton::recognise {
namespace {

const std::vector everything{Protocol::Silent, Protocol::Iso, Protocol::Tls,   Protocol::Postgres,
                             Protocol::Http2,  Protocol::Ssh, Protocol::Http1, Protocol::Pattern};
Pattern pattern(std::string name, std::string_view text) {
  const Bytes octets = as_bytes(text);
  return {std::move(name), {octets.begin(), octets.end()}, std::vector(octets.size(), std::byte{0xFF})};
}
Questions all(ProxyUse proxy = ProxyUse::Never) {
  return {.protocols = everything, .patterns = {pattern("smtp", "EHLO "), pattern("tpkt", "\x03")}, .proxy = proxy};
}
Facts facts(std::string_view octets, const Questions& questions) {
  const auto ask = [&](Bytes prefix) { return recognise(prefix, questions); };
  EXPECT_EQ(broken_law(as_bytes(octets), ask), "");
  const auto answer = ask(as_bytes(octets));
  EXPECT_TRUE(std::holds_alternative<Facts>(answer));
  return std::holds_alternative<Facts>(answer) ? std::get<Facts>(answer) : Facts{{}, Unknown{"no facts"}};
}

const std::string iso_request{"\x03\0\0\x0f\x0a\xe0\0\0\x12\x34\0\xc2\x02SV", 15};
const std::string tls_hello = in_records(client_hello(server_name("a.example")));
const std::string http_request = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";
const std::string h2_request = std::string{http2_preface} + frame(4, 0, 0, "") + frame(1, 4, 1, "\x82\x84");
const std::string ssh_string = "SSH-2.0-x\r\n";
const std::string startup = postgres_packet(3 << 16, std::string_view{"user\0alice\0\0", 12});

/// One sample of each protocol, and as which it is known.
const std::vector<std::pair<Protocol, std::string>> samples{{Protocol::Iso, iso_request},
                                                            {Protocol::Tls, tls_hello},
                                                            {Protocol::Http1, http_request},
                                                            {Protocol::Http2, h2_request},
                                                            {Protocol::Ssh, ssh_string},
                                                            {Protocol::Postgres, startup},
                                                            {Protocol::Pattern, "EHLO a.example\r\n"},
                                                            {Protocol::Unknown, "\xff\xfe whatever"}};

TEST(Recognise, KnowsEachProtocolAmongAll) {
  for (const auto& [protocol, octets] : samples) {
    const Facts found = facts(octets, all());
    EXPECT_EQ(protocol_of(found.what), protocol) << octets;
    EXPECT_EQ(fault_of(found), "");
  }
  EXPECT_EQ(name_of(facts(tls_hello, all()).what), "a.example");
  EXPECT_EQ(name_of(facts(http_request, all()).what), "a.example");
}

TEST(Recognise, AsksInOrder) {
  Questions questions = all();
  EXPECT_EQ(protocol_of(facts(iso_request, questions).what), Protocol::Iso);
  questions.protocols = {Protocol::Pattern, Protocol::Iso};
  EXPECT_EQ(std::get<PatternMatch>(facts(iso_request, questions).what).name, "tpkt");
  questions.protocols = {Protocol::Tls};
  EXPECT_EQ(protocol_of(facts(iso_request, questions).what), Protocol::Unknown);
}

TEST(Recognise, WaitsForNothingWhereNothingIsAsked) {
  EXPECT_EQ(std::get<Facts>(recognise({}, Questions{})), (Facts{{}, Unknown{}}));
  EXPECT_EQ(std::get<NeedMore>(recognise({}, Questions{.protocols = {Protocol::Silent}})).at_least, 1U);
  EXPECT_EQ(std::get<Facts>(recognise(as_bytes("x"), Questions{.protocols = {Protocol::Silent}})),
            (Facts{{}, Unknown{}}));
}

TEST(Recognise, LooksBehindAProxyHeader) {
  const std::string line = "PROXY TCP4 192.0.2.7 198.51.100.1 40000 443\r\n";
  for (const auto& [protocol, octets] : samples)
    for (const std::string& front : {line, proxy_2(0, 0, "")}) {
      const Facts found = facts(front + octets, all(ProxyUse::Required));
      EXPECT_EQ(protocol_of(found.what), protocol) << octets;
      ASSERT_TRUE(found.proxy);
      EXPECT_EQ(found.proxy->octets, front.size());
      EXPECT_EQ(facts(octets, all(ProxyUse::Optional)).what, found.what);
      EXPECT_NE(fault_of(facts(octets, all(ProxyUse::Required))), "");
    }
  EXPECT_NE(fault_of(facts("PROXY nonsense\r\n" + http_request, all(ProxyUse::Optional))), "");
  EXPECT_EQ(fault_of(facts(line + http_request, all())), "");  // not asked for: what the client says
  EXPECT_EQ(facts(line, Questions{.proxy = ProxyUse::Required}).proxy->source->text(), "192.0.2.7");
}

TEST(Recognise, SaysAtTheDeadlineWhatThereIs) {
  const auto at = [](std::string_view octets, const Questions& questions) {
    return at_deadline(as_bytes(octets), questions);
  };
  EXPECT_EQ(protocol_of(at("", all()).what), Protocol::Silent);
  EXPECT_NE(fault_of(at("\x16\x03", all())), "");
  EXPECT_NE(fault_of(at("GET / HT", all())), "");
  EXPECT_EQ(protocol_of(at(http_request, all()).what), Protocol::Http1);
  const Facts waiting = at(h2_request.substr(0, 30), all());
  EXPECT_EQ(protocol_of(waiting.what), Protocol::Http2);
  EXPECT_EQ(fault_of(waiting), "");
  EXPECT_NE(fault_of(at("", all(ProxyUse::Required))), "");
  EXPECT_EQ(protocol_of(at("", all(ProxyUse::Optional)).what), Protocol::Silent);
  EXPECT_NE(fault_of(at("PROXY TC", all(ProxyUse::Optional))), "");
  EXPECT_EQ(protocol_of(at("PROXY UNKNOWN\r\n", all(ProxyUse::Required)).what), Protocol::Silent);
  EXPECT_EQ(protocol_of(at("", Questions{.proxy = ProxyUse::Optional}).what), Protocol::Unknown);
}

TEST(Recognise, NamesProtocols) {
  for (std::size_t i = 0; i < protocol_count; ++i)
    for (std::size_t j = 0; j < i; ++j)
      EXPECT_NE(protocol_name(static_cast<Protocol>(i)), protocol_name(static_cast<Protocol>(j)));
}

/// A sample, some octets of which are changed, left out or doubled; sometimes with a PROXY header in front.
std::string changed_sample() {
  std::string octets = (*rc::gen::elementOf(samples)).second;
  if (*rc::gen::inRange(0, 4) == 0) octets = "PROXY TCP4 192.0.2.7 198.51.100.1 40000 443\r\n" + octets;
  if (*rc::gen::inRange(0, 4) == 0)
    octets = proxy_2(1, 0x11, std::string(12, 'a') + proxy_vector(2, "a.example")) + octets;
  for (int changes = *rc::gen::inRange(0, 4); changes > 0; --changes) {
    const auto at = *rc::gen::inRange<std::size_t>(0, octets.size());
    switch (*rc::gen::inRange(0, 3)) {
      case 0:
        octets[at] = *rc::gen::arbitrary<char>();
        break;
      case 1:
        octets.erase(at, *rc::gen::inRange<std::size_t>(1, 4));
        break;
      default:
        octets.insert(at, octets.substr(at, *rc::gen::inRange<std::size_t>(1, 9)));
        break;
    }
    if (octets.empty()) octets = "x";
  }
  return octets;
}

RC_GTEST_PROP(RecogniseProperty, MoreOctetsNeverContradict, ()) {
  const std::string octets = changed_sample();
  const auto use = *rc::gen::element(ProxyUse::Never, ProxyUse::Optional, ProxyUse::Required);
  Questions questions = all(use);
  questions.most_octets = *rc::gen::elementOf(std::vector<std::size_t>{least_most_octets, default_most_octets});
  RC_ASSERT(broken_law(as_bytes(octets), [&](Bytes prefix) { return recognise(prefix, questions); }) == "");
}

RC_GTEST_PROP(RecogniseProperty, AnyOctetsHaveAnEnd, ()) {
  const std::string octets = changed_sample();
  const Facts found = at_deadline(as_bytes(octets), all(ProxyUse::Optional));
  const auto why = *rc::gen::element(Ending::NoRoute, Ending::NoWorker, Ending::Refused);
  RC_ASSERT(ending(found, why).size() < 512U);
}

}  // namespace
}  // namespace baton::recognise
