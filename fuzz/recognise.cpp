// SPDX-License-Identifier: MIT
// The first octets of a connection, and what is asked of them: the laws of recognise/verdict.hpp for every prefix,
// facts that a router and the end of a connection can do with, and no protocol that is another at the same time.
#include "recognise/recognise.hpp"

#include <algorithm>
#include <string>

#include "fuzz/input.hpp"
#include "recognise/ending.hpp"
#include "recognise/http1.hpp"
#include "recognise/http2.hpp"
#include "recognise/iso.hpp"
#include "recognise/postgres.hpp"
#include "recognise/proxy_header.hpp"
#include "recognise/samples_for_tests.hpp"
#include "recognise/ssh.hpp"
#include "recognise/tls.hpp"

namespace baton::recognise {
namespace {

Questions some_questions(fuzz::Input& input) {
  constexpr Protocol askable[]{Protocol::Silent, Protocol::Iso, Protocol::Tls,   Protocol::Postgres,
                               Protocol::Http2,  Protocol::Ssh, Protocol::Http1, Protocol::Pattern};
  Questions questions;
  const std::uint8_t asked = input.u8();
  for (std::size_t i = 0; i < std::size(askable); ++i)
    if ((asked >> i & 1U) == 0) questions.protocols.push_back(askable[i]);
  questions.proxy = input.up_to<ProxyUse>(2);
  questions.most_octets = input.up_to<unsigned>(1) == 0 ? default_most_octets : least_most_octets;
  questions.patterns.push_back(
      {"x", {std::byte{0x10}, std::byte{0}, std::byte{4}}, {std::byte{0xF0}, {}, std::byte{255}}});
  return questions;
}

/// Every prefix of what is short; of what is long some, as each costs as much as it is long.
std::size_t step_for(Bytes octets) { return octets.size() <= 64 ? 1 : octets.size() / 31; }

template <class Ask>
bool obeys(Bytes octets, Ask ask) {
  const std::string broken = broken_law(octets, ask, step_for(octets));
  if (!broken.empty()) std::fprintf(stderr, "%s\n", broken.c_str());
  return broken.empty();
}

template <class Facts>
int is_known(const Verdict<Facts>& verdict) {
  return std::holds_alternative<Facts>(verdict) ? 1 : 0;
}

void ask_each(Bytes octets, std::size_t most) {
  BATON_REQUIRE(obeys(octets, recognise_iso));
  BATON_REQUIRE(obeys(octets, recognise_ssh));
  BATON_REQUIRE(obeys(octets, [most](Bytes part) { return recognise_tls(part, most); }));
  BATON_REQUIRE(obeys(octets, [most](Bytes part) { return recognise_http1(part, most); }));
  BATON_REQUIRE(obeys(octets, [most](Bytes part) { return recognise_http2(part, most); }));
  BATON_REQUIRE(obeys(octets, [most](Bytes part) { return recognise_postgres(part, most); }));
  BATON_REQUIRE(obeys(octets, [most](Bytes part) { return recognise_proxy_header(part, most); }));
  // No two are the same, so that the order in which they are asked decides nothing.
  BATON_REQUIRE(is_known(recognise_iso(octets)) + is_known(recognise_ssh(octets)) +
                    is_known(recognise_tls(octets, most)) + is_known(recognise_http1(octets, most)) +
                    is_known(recognise_http2(octets, most)) + is_known(recognise_postgres(octets, most)) <=
                1);
}

bool is_normal(std::string_view name) {
  return std::ranges::none_of(name,
                              [](char c) { return (c >= 'A' && c <= 'Z') || static_cast<unsigned char>(c) <= ' '; });
}

void run(fuzz::Input input) {
  const Questions questions = some_questions(input);
  const Bytes octets = input.take_rest();
  ask_each(octets, questions.most_octets);
  BATON_REQUIRE(obeys(octets, [&](Bytes part) { return recognise(part, questions); }));
  const auto now = recognise(octets, questions);
  const Facts facts = at_deadline(octets, questions);
  if (const auto* known = std::get_if<Facts>(&now)) BATON_REQUIRE(*known == facts);
  if (octets.size() >= 2 * questions.most_octets) BATON_REQUIRE(std::holds_alternative<Facts>(now));
  BATON_REQUIRE(is_normal(name_of(facts.what)));
  if (facts.proxy) BATON_REQUIRE(facts.proxy->octets <= octets.size());
  for (const Ending why : {Ending::NoRoute, Ending::NoWorker, Ending::Refused})
    BATON_REQUIRE(ending(facts, why).size() < 512);
}

}  // namespace
}  // namespace baton::recognise

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  baton::recognise::run(baton::fuzz::Input{data, size});
  return 0;
}
