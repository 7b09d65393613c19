// SPDX-License-Identifier: MIT
#include "recognise/http1.hpp"

#include <gtest/gtest.h>

#include "recognise/samples_for_tests.hpp"

namespace baton::recognise {
namespace {

Verdict<Http1> ask(Bytes octets) { return recognise_http1(octets); }

Http1 facts(std::string_view text) {
  EXPECT_EQ(broken_law(as_bytes(text), ask), "") << text;
  const auto verdict = recognise_http1(as_bytes(text));
  EXPECT_TRUE(std::holds_alternative<Http1>(verdict)) << text;
  const auto* http = std::get_if<Http1>(&verdict);
  return http != nullptr ? *http : Http1{.fault = "no facts"};
}
Http1 of_target(std::string_view target, std::string_view method = "GET") {
  return facts(std::string{method} + ' ' + std::string{target} + " HTTP/1.1\r\nHost: field.example\r\n\r\n");
}
Http1 of_fields(std::string_view fields) { return facts("GET / HTTP/1.1\r\n" + std::string{fields} + "\r\n\r\n"); }

TEST(RecogniseHttp1, ReadsMethodTargetHostAndPath) {
  const Http1 http =
      facts("POST /a/b%2Fc?q=/../x HTTP/1.1\r\nAccept: */*\r\nhOsT:\t WWW.Example.ORG.:8080 \r\n\r\nbody");
  EXPECT_EQ(http.method, "POST");
  EXPECT_EQ(http.target, "/a/b%2Fc?q=/../x");
  EXPECT_EQ(http.path, "/a/b%2Fc");
  EXPECT_EQ(http.host, "www.example.org");
  EXPECT_EQ(http.minor, 1);
  EXPECT_FALSE(http.dot_segments);
  EXPECT_EQ(http.fault, "");
}

// RFC 9112 §3.2
TEST(RecogniseHttp1, ReadsAllFormsOfATarget) {
  EXPECT_EQ(of_target("http://Target.example:81/x?y").host, "target.example");  // §3.2.2: wins over Host
  EXPECT_EQ(of_target("http://Target.example:81/x?y").path, "/x");
  EXPECT_EQ(of_target("http://target.example").path, "/");
  EXPECT_EQ(of_target("http://target.example?q").path, "/");
  EXPECT_EQ(of_target("http://[2001:DB8::0:1]:81/").host, "2001:db8::1");
  EXPECT_EQ(of_target("/x?u=http://other.example/").host, "field.example");
  EXPECT_EQ(of_target("tunnel.example:443", "CONNECT").host, "tunnel.example");
  EXPECT_EQ(of_target("*", "OPTIONS").path, "*");
  EXPECT_NE(of_target("http:///x").fault, "");
  EXPECT_NE(of_target("http://user@target.example/").fault, "");
}

TEST(RecogniseHttp1, NotesPathsThatLeadElsewhere) {
  for (const char* path : {"/a/../b", "/..", "/a/.", "/a/%2e%2E/b", "/a/.%2e"})
    EXPECT_TRUE(of_target(path).dot_segments) << path;
  for (const char* path : {"/a/...", "/a..b/", "/.a", "/a?/../"}) EXPECT_FALSE(of_target(path).dot_segments) << path;
}

TEST(RecogniseHttp1, AsksForExactlyOneGoodHost) {
  EXPECT_EQ(of_fields("Host: a").host, "a");
  EXPECT_EQ(of_fields("Host:").fault, "");
  EXPECT_EQ(of_fields("Host: [::1]:80").host, "::1");
  EXPECT_EQ(of_fields("X-Host: b\r\nHost: a\r\nXHost: c").host, "a");
  for (const char* fields :
       {"Host: a\r\nHost: a", "Host: a\r\nX: y\r\nhost: b", "Accept: x", "Host: a b", "Host: a:b", "Host: a/b",
        "Host: u@a", "Host: [::1", "Host: [x]", "Host: a:123456", "Host: .a", "Host: a..b"})
    EXPECT_NE(of_fields(fields).fault, "") << fields;
  EXPECT_EQ(facts("GET / HTTP/1.0\r\n\r\n").fault, "");
  EXPECT_NE(facts("GET / HTTP/1.1\r\n\r\n").fault, "");
}

// RFC 9112 §2.2, §5.1, §5.2: what two readers could take for two different requests.
TEST(RecogniseHttp1, RefusesAmbiguousFields) {
  for (const char* fields :
       {"Host : a", "Host: a\r\n folded: b", "Host: a\r\n\tHost: b", "Host: a\rHost: b", "no colon", ": x", "X y: z"})
    EXPECT_NE(of_fields(fields).fault, "") << fields;
  EXPECT_NE(of_fields(std::string{"Host: a\0b", 9}).fault, "");
}

TEST(RecogniseHttp1, TakesLineFeedsAloneAndAnEmptyLineBefore) {
  EXPECT_EQ(facts("GET / HTTP/1.1\nHost: a\n\n").host, "a");
  EXPECT_EQ(facts("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n").host, "a");
  EXPECT_EQ(facts("\nGET / HTTP/1.1\r\nHost: a\n\r\nx").host, "a");
  EXPECT_EQ(facts("GET / HTTP/1.1\r\nHost: a\n\n\r\nHost: b\r\n\r\n").host, "a");
}

TEST(RecogniseHttp1, SaysNotWithinTheRequestLine) {
  for (const std::string_view text :
       {"PRI * HTTP/2.0\r\n\r\n", "EHLO a.example\r\n", "PING\r\n", "SSH-2.0-x\r\n", "SSH-2.0 / HTTP/1.1\r\n",
        "GET /\r\n", "GET  / HTTP/1.1", "GET / HTTX", "GET / http/1.1", "GET / HTTP/1.x", "GET / HTTP/1.1 ", " GET",
        "\x16", "(", "DESCRIBE rtsp://a RTSP/1.0\r\n", "\rG", "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
        "ThisIsNoMethodBecauseItIsMuchTooLong"}) {
    EXPECT_EQ(broken_law(as_bytes(text), ask), "");
    EXPECT_TRUE(std::holds_alternative<Not>(recognise_http1(as_bytes(text)))) << text;
  }
}

TEST(RecogniseHttp1, BoundsTheHead) {
  const auto bounded = [](Bytes octets) { return recognise_http1(octets, 1024); };
  const std::string fields = "GET / HTTP/1.1\r\nHost: a\r\nCookie: " + std::string(2000, 'x') + "\r\n\r\n";
  EXPECT_EQ(broken_law(as_bytes(fields), bounded), "");
  const auto verdict = bounded(as_bytes(fields));
  EXPECT_NE(std::get<Http1>(verdict).fault, "");
  EXPECT_EQ(std::get<Http1>(verdict).status, 431);
  const std::string line = "GET /" + std::string(2000, 'x') + " HTTP/1.1\r\n\r\n";
  EXPECT_EQ(broken_law(as_bytes(line), bounded), "");
  EXPECT_TRUE(std::holds_alternative<Not>(bounded(as_bytes(line))));
}

}  // namespace
}  // namespace baton::recognise
