// SPDX-License-Identifier: MIT
#include "recognise/http2.hpp"

#include <gtest/gtest.h>
#include <nghttp2/nghttp2.h>

#include "cotp/octets_for_tests.hpp"
#include "recognise/samples_for_tests.hpp"

namespace baton::recognise {
namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;

/// HPACK by libnghttp2's deflater, a fresh one.
std::string block(const Fields& fields) {
  nghttp2_hd_deflater* deflater = nullptr;
  EXPECT_EQ(nghttp2_hd_deflate_new(&deflater, 4096), 0);
  std::vector<std::string> copies;
  std::vector<nghttp2_nv> values;
  copies.reserve(2 * fields.size());
  const auto octets = [&copies](const std::string& text) {
    copies.push_back(text);
    return reinterpret_cast<std::uint8_t*>(copies.back().data());
  };
  for (const auto& [name, value] : fields)
    values.push_back({octets(name), octets(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE});
  std::string out(nghttp2_hd_deflate_bound(deflater, values.data(), values.size()), '\0');
  const auto size = nghttp2_hd_deflate_hd(deflater, reinterpret_cast<std::uint8_t*>(out.data()), out.size(),
                                          values.data(), values.size());
  EXPECT_GT(size, 0);
  out.resize(static_cast<std::size_t>(size));
  nghttp2_hd_deflate_del(deflater);
  return out;
}

constexpr unsigned data = 0;
constexpr unsigned headers = 1;
constexpr unsigned settings = 4;
constexpr unsigned window_update = 8;
constexpr unsigned continuation = 9;
constexpr unsigned end_headers = 4;
constexpr unsigned padded = 8;
constexpr unsigned priority = 32;

const std::string start = std::string{http2_preface} + frame(settings, 0, 0, "");
const Fields usual{
    {":method", "GET"}, {":scheme", "http"}, {":authority", "WWW.Example.org:80"}, {":path", "/a/b?q=1"}};

Verdict<Http2> ask(Bytes octets) { return recognise_http2(octets); }
Http2 facts(std::string_view octets) {
  EXPECT_EQ(broken_law(as_bytes(octets), ask), "");
  const auto verdict = recognise_http2(as_bytes(octets));
  EXPECT_TRUE(std::holds_alternative<Http2>(verdict));
  const auto* http = std::get_if<Http2>(&verdict);
  return http != nullptr ? *http : Http2{.fault = "no facts"};
}
Http2 of_fields(const Fields& fields) { return facts(start + frame(headers, end_headers, 1, block(fields))); }

// curl 7.88 --http2-prior-knowledge -H 'Host: WWW.example.org' http://127.0.0.1/a/b?q=1
TEST(RecogniseHttp2, ReadsTheFirstRequestOfCurl) {
  const auto octets = cotp::hex(
      "505249202a20485454502f322e300d0a0d0a534d0d0a0d0a0000120400000000000003000000640004020000000002000000000000040800"
      "0000"
      "000001ff0001000028010500000001820487606c47fe76803f86418ce5cb92e5f23a6ba0ab9ec9bf7a8825b650c3abbcf2e153032a2f2a");
  const Http2 http = facts(as_text(octets));
  EXPECT_EQ(http.fault, "");
  EXPECT_EQ(http.method, "GET");
  EXPECT_EQ(http.host, "www.example.org");
  EXPECT_EQ(http.path, "/a/b");
  EXPECT_EQ(http.stream, 1U);
}

TEST(RecogniseHttp2, JoinsTheHeaderBlock) {
  const std::string fields = block(usual);
  const Http2 whole = facts(start + frame(headers, end_headers, 3, fields));
  EXPECT_EQ(whole.host, "www.example.org");
  EXPECT_EQ(whole.stream, 3U);
  EXPECT_EQ(facts(start + frame(headers, 0, 3, fields.substr(0, 5)) + frame(continuation, 0, 3, fields.substr(5, 3)) +
                  frame(continuation, end_headers, 3, fields.substr(8)) + "more"),
            whole);
  // §6.2
  EXPECT_EQ(facts(start + frame(window_update, 0, 0, number(1, 4)) +
                  frame(headers, end_headers | padded | priority, 3,
                        number(4, 1) + number(0, 5) + fields + std::string(4, '\0'))),
            whole);
}

TEST(RecogniseHttp2, FindsFaultsOfFrames) {
  const std::string request = frame(headers, end_headers, 1, block(usual));
  const std::string preface{http2_preface};
  EXPECT_NE(facts(preface + request).fault, "");  // §3.4
  EXPECT_NE(facts(preface + frame(settings, 1, 0, "") + request).fault, "");
  EXPECT_NE(facts(start + frame(headers, end_headers, 2, block(usual))).fault, "");  // §5.1.1
  EXPECT_NE(facts(start + frame(headers, end_headers, 0, block(usual))).fault, "");
  EXPECT_NE(facts(start + frame(data, 0, 1, "x") + request).fault, "");
  EXPECT_NE(facts(start + frame(continuation, end_headers, 1, block(usual))).fault, "");
  EXPECT_NE(facts(start + frame(headers, 0, 1, "") + frame(window_update, 0, 0, number(1, 4))).fault, "");  // §6.10
  EXPECT_NE(facts(start + frame(headers, 0, 1, "") + frame(continuation, end_headers, 3, block(usual))).fault, "");
  EXPECT_NE(facts(start + frame(headers, end_headers | padded, 1, "\x7f")).fault, "");
  EXPECT_NE(facts(start + number(16385, 3) + number(0x01, 1) + number(4, 1) + number(1, 4)).fault, "");
}

TEST(RecogniseHttp2, FindsFaultsOfRequests) {
  EXPECT_NE(facts(start + frame(headers, end_headers, 1, "\xff\xff\xff\xff\xff\xff")).fault, "");
  EXPECT_NE(facts(start + frame(headers, end_headers, 1, "\x40")).fault, "");  // a literal that is cut off
  EXPECT_NE(of_fields({{":scheme", "http"}, {":path", "/"}}).fault, "");
  EXPECT_NE(of_fields({{":method", "GET"}, {":path", "/"}, {":path", "/x"}}).fault, "");
  EXPECT_NE(of_fields({{":method", "GET"}, {":authority", "a"}, {"host", "b"}}).fault, "");
  EXPECT_NE(of_fields({{":method", "GET"}, {":authority", "a b"}}).fault, "");
  EXPECT_EQ(of_fields({{":method", "GET"}, {":authority", "A"}, {"host", "a"}}).host, "a");
  EXPECT_EQ(of_fields({{":method", "GET"}, {"host", "a"}}).host, "a");
  EXPECT_EQ(of_fields({{":method", "CONNECT"}, {":authority", "a:443"}}).path, "");
  EXPECT_TRUE(of_fields({{":method", "GET"}, {":path", "/a/../b"}}).dot_segments);
}

// A few octets of the dynamic table stand for 4 KB each.
TEST(RecogniseHttp2, BoundsWhatAHeaderBlockSwellsTo) {
  const std::string large =
      "\x40\x01x\x7f" + number(0xa1, 1) + number(0x1e, 1) + std::string(4000, 'y');  // literal, indexed
  const Http2 http = facts(start + frame(headers, end_headers, 1, large + std::string(100, '\xbe')));
  EXPECT_EQ(http.fault, "the header fields are too long");
  EXPECT_EQ(facts(start + frame(headers, end_headers, 1, large + "\xbe\x82")).method, "GET");
}

TEST(RecogniseHttp2, BoundsTheOctets) {
  const auto bounded = [](Bytes octets) { return recognise_http2(octets, 1024); };
  const std::string octets = start + frame(headers, 0, 1, std::string(2000, '\x82'));
  EXPECT_EQ(broken_law(as_bytes(octets), bounded), "");
  EXPECT_NE(std::get<Http2>(bounded(as_bytes(octets))).fault, "");
}

TEST(RecogniseHttp2, RefusesAllElse) {
  for (const char* text : {"GET / HTTP/1.1\r\n", "PRI * HTTP/1.1\r\n", "\x16\x03"}) {
    EXPECT_EQ(broken_law(as_bytes(text), ask), "");
    EXPECT_TRUE(std::holds_alternative<Not>(recognise_http2(as_bytes(text)))) << text;
  }
  EXPECT_TRUE(starts_with_preface(as_bytes(start)));
  EXPECT_FALSE(starts_with_preface(as_bytes(http2_preface.substr(1))));
}

}  // namespace
}  // namespace baton::recognise
