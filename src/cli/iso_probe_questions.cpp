// SPDX-License-Identifier: MIT
// The requests. Each is the codec's, changed by hand where the codec writes nothing of the kind.
#include <algorithm>
#include <array>
#include <initializer_list>

#include "base/check.hpp"
#include "cli/iso_probe.hpp"
#include "cotp/tpkt.hpp"

namespace baton::cli {
namespace {

using cotp::TpduSize;
using Octets = std::vector<std::byte>;

constexpr std::string_view unknown_selector = "BATON-PROBE:NO-SUCH-TSEL";
constexpr std::string_view long_selector = "BATON-PROBE:32-OCTETS-OF-A-TSEL.";
static_assert(long_selector.size() == tsap::Selector::max_size);
constexpr std::string_view user_data = "BATON";

Octets octets(std::initializer_list<int> values) {
  Octets all;
  for (const int each : values) all.push_back(static_cast<std::byte>(each));
  return all;
}

Octets encoded(const cotp::ConnectionRequest& request) {
  std::array<std::byte, cotp::max_connect_octets> room{};
  const std::size_t size = cotp::encode(request, room);
  // Two TSELs of 32 octets, C0, F0, C7 and 5 octets of data are 93: there is always room.
  BATON_CHECK(size > 0);
  return {room.begin(), room.begin() + static_cast<std::ptrdiff_t>(size)};
}

/// A parameter behind the others. The TPDU has no user data.
Octets with_parameter(Octets tpdu, std::initializer_list<int> code_length_value) {
  std::ranges::copy(octets(code_length_value), std::back_inserter(tpdu));
  tpdu[0] = static_cast<std::byte>(tpdu.size() - 1);
  return tpdu;
}

Octets packet(const Octets& tpdu) {
  const auto header = cotp::encode_tpkt(tpdu.size());
  BATON_CHECK(header.has_value());
  Octets all{header->begin(), header->end()};
  std::ranges::copy(tpdu, std::back_inserter(all));
  return all;
}

Octets with_octet(Octets packet, std::size_t at, int value) {
  packet[at] = static_cast<std::byte>(value);
  return packet;
}

class Questions {
 public:
  explicit Questions(const ProbeSettings& settings) {
    request_.source_reference = probe_reference;
    request_.size = TpduSize::Octets2048;
    request_.calling = settings.calling.octets();
    request_.called = settings.called.octets();
  }

  std::vector<Question> all(bool malformed) {
    addresses();
    sizes();
    classes();
    parameters();
    packets();
    if (malformed) broken_packets();
    return std::move(questions_);
  }

 private:
  void ask(Probe probe, const char* key, std::string asks, Octets packet) {
    questions_.push_back({probe, key, std::move(asks), std::move(packet)});
  }
  template <class Change>
  [[nodiscard]] Octets changed(Change change) const {
    cotp::ConnectionRequest request = request_;
    change(request);
    return encoded(request);
  }
  [[nodiscard]] Octets usual() const { return encoded(request_); }
  [[nodiscard]] Octets without_size() const {
    return changed([](auto& request) { request.size.reset(); });
  }

  void addresses() {
    ask(Probe::Usual, "usual", "the usual request, 2048 octets", packet(usual()));
    ask(Probe::InPieces, "in_pieces", "the same, an octet at a time", packet(usual()));
    ask(Probe::UnknownCalled, "unknown_called", "a called TSEL that nobody has",
        packet(changed([](auto& request) { request.called = as_bytes(unknown_selector); })));
    ask(Probe::LongCalling, "long_calling", "a calling TSEL of 32 octets",
        packet(changed([](auto& request) { request.calling = as_bytes(long_selector); })));
  }

  void sizes() {
    const auto of = [this](TpduSize size) { return packet(changed([=](auto& request) { request.size = size; })); };
    ask(Probe::Size128, "size_128", "TPDUs of 128 octets", of(TpduSize::Octets128));
    ask(Probe::Size8192, "size_8192", "TPDUs of 8192 octets", of(TpduSize::Octets8192));
    ask(Probe::Size65531, "size_65531", "TPDUs of 65531 octets", of(TpduSize::Octets65531));
    ask(Probe::NoSize, "no_size", "no size", packet(without_size()));
    ask(Probe::InvalidSize, "invalid_size", "a size that does not exist (06)",
        packet(with_parameter(without_size(), {0xC0, 1, 6})));
    ask(Probe::SizeOfTwoOctets, "size_of_two_octets", "a size of two octets",
        packet(with_parameter(without_size(), {0xC0, 2, 0, 0x0B})));
    ask(Probe::PreferredSize, "preferred_size", "a preferred size of 65408 (F0)",
        packet(changed([](auto& request) { request.preferred_size = 511; })));
  }

  void classes() {
    const auto of = [this](std::uint8_t preferred, cotp::ClassSet alternatives) {
      return packet(changed([=](auto& request) {
        request.preferred_class = preferred;
        request.alternatives = alternatives;
      }));
    };
    ask(Probe::Class4Or0, "class_4_or_0", "class 4, else class 0", of(4, {0}));
    ask(Probe::Class4, "class_4", "class 4 only", of(4, {}));
    ask(Probe::Class2, "class_2", "class 2 only", of(2, {}));
  }

  void parameters() {
    ask(Probe::UnknownParameter, "unknown_parameter", "an unknown parameter (55)",
        packet(with_parameter(usual(), {0x55, 1, 0})));
    ask(Probe::OtherClasses, "other_classes", "parameters of other classes (C3, C4)",
        packet(with_parameter(usual(), {0xC3, 2, 0, 0, 0xC4, 1, 1})));
    ask(Probe::Options, "options", "the option of expedited data (C6)", packet(with_parameter(usual(), {0xC6, 1, 1})));
    ask(Probe::UserData, "user_data", "5 octets of user data",
        packet(changed([](auto& request) { request.user_data = as_bytes(user_data); })));
    ask(Probe::NoSourceReference, "no_source_reference", "source reference 0",
        packet(changed([](auto& request) { request.source_reference = 0; })));
    ask(Probe::WithDestination, "with_destination", "destination reference 7",
        packet(changed([](auto& request) { request.destination_reference = 7; })));
    ask(Probe::Overrun, "overrun", "a parameter that does not end", packet(with_parameter(usual(), {0xC6, 5, 1})));
  }

  void packets() {
    constexpr std::size_t reserved = 1;
    ask(Probe::ReservedOctet, "reserved_octet", "a reserved octet of FF", with_octet(packet(usual()), reserved, 0xFF));
    ask(Probe::DataFirst, "data_first", "data and no request", packet(octets({2, 0xF0, 0x80, 'B'})));
  }

  void broken_packets() {
    ask(Probe::Version2, "version_2", "a packet of version 2", with_octet(packet(usual()), 0, 2));
    ask(Probe::TooShort, "too_short", "a packet of 6 octets", octets({3, 0, 0, 6, 2, 0xF0}));
    ask(Probe::LengthIndicator, "length_indicator", "a length indicator of 255",
        with_octet(packet(usual()), cotp::tpkt_header_octets, 255));
  }

  cotp::ConnectionRequest request_;
  std::vector<Question> questions_;
};

}  // namespace

std::vector<Question> questions(const ProbeSettings& settings) { return Questions{settings}.all(settings.malformed); }

}  // namespace baton::cli
