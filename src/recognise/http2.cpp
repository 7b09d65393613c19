// SPDX-License-Identifier: MIT
#include "recognise/http2.hpp"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/check.hpp"
#include "recognise/host_name.hpp"
#include "recognise/http1.hpp"

namespace baton::recognise {
namespace {

constexpr std::string_view preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
constexpr std::size_t frame_header = 9;     // RFC 9113 §4.1
constexpr std::size_t max_frame = 16384;    // §6.5.2: before other settings are acknowledged
constexpr std::size_t most_fields = 65536;  // octets of names and values that a header block may swell to

// §6
enum Type : std::uint8_t { Data = 0, Headers = 1, Settings = 4, PushPromise = 5, GoAway = 7, Continuation = 9 };
namespace flag {
constexpr unsigned end_headers = 0x4;
constexpr unsigned padded = 0x8;
constexpr unsigned priority = 0x20;
}  // namespace flag

Http2 faulty(std::string_view what, std::uint32_t stream = 0) {
  Http2 facts;
  facts.stream = stream;
  facts.fault = what;
  return facts;
}

struct Frame {
  std::uint8_t type = 0;
  unsigned flags = 0;
  std::uint32_t stream = 0;
  std::size_t length = 0;
};

Frame read_frame_header(Bytes header) noexcept {
  ByteReader reader{header};
  Frame frame;
  const std::uint32_t length_and_type = reader.u32();
  frame.length = length_and_type >> 8;
  frame.type = static_cast<std::uint8_t>(length_and_type & 0xFF);
  frame.flags = reader.u8();
  frame.stream = reader.u32() & 0x7FFFFFFFU;
  return frame;
}

/// §6.2: the fragment without padding and priority; nothing: they do not fit.
std::optional<Bytes> fragment_of(const Frame& frame, Bytes payload) noexcept {
  ByteReader reader{payload};
  const std::size_t padding = (frame.flags & flag::padded) != 0 ? reader.u8() : 0;
  if ((frame.flags & flag::priority) != 0) reader.take(5);
  if (!reader.ok() || padding > reader.remaining()) return std::nullopt;
  return reader.take(reader.remaining() - padding);
}

struct InflaterDeleter {
  void operator()(nghttp2_hd_inflater* inflater) const noexcept { nghttp2_hd_inflate_del(inflater); }
};
using Inflater = std::unique_ptr<nghttp2_hd_inflater, InflaterDeleter>;

/// The fields of a request that matter (§8.3.1).
class RequestFields {
 public:
  /// Empty, or what is wrong.
  std::string_view add(std::string_view name, std::string_view value) {
    if (name == ":authority") return set(authority_, value);
    if (name == ":path") return set(path_, value);
    if (name == ":method") return set(method_, value);
    if (name == "host") return set(host_, value);
    return {};
  }
  Http2 facts(std::uint32_t stream) && {
    if (!method_) return faulty("a request without a method", stream);
    Http2 facts;
    facts.stream = stream;
    facts.method = std::move(*method_);
    // §8.3.1: :authority, where it is there; a host field that says something else is malformed.
    auto host = normalise_authority(authority_ ? *authority_ : host_.value_or(""));
    if (!host) return faulty("the host is malformed", stream);
    if (authority_ && host_ && normalise_authority(*host_) != host) return faulty("two hosts in one request", stream);
    facts.host = std::move(*host);
    if (path_) facts.path = path_of(*path_);
    facts.dot_segments = has_dot_segments(facts.path);
    return facts;
  }

 private:
  static std::string_view set(std::optional<std::string>& field, std::string_view value) {
    if (field) return "a field that may occur once occurs twice";
    field = value;
    return {};
  }

  std::optional<std::string> authority_;
  std::optional<std::string> path_;
  std::optional<std::string> method_;
  std::optional<std::string> host_;
};

Http2 read_block(const std::vector<std::uint8_t>& block, std::uint32_t stream) {
  nghttp2_hd_inflater* made = nullptr;
  BATON_CHECK(nghttp2_hd_inflate_new(&made) == 0);
  const Inflater inflater{made};
  RequestFields fields;
  const std::uint8_t* at = block.data();
  std::size_t rest = block.size();
  std::size_t swollen = 0;
  while (true) {
    nghttp2_nv field{};
    int flags = 0;
    const auto used = nghttp2_hd_inflate_hd2(inflater.get(), &field, &flags, at, rest, 1);
    if (used < 0) return faulty("the header block cannot be decompressed", stream);
    at += used;
    rest -= static_cast<std::size_t>(used);
    if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0) {
      swollen += field.namelen + field.valuelen;
      if (swollen > most_fields) return faulty("the header fields are too long", stream);
      const std::string_view wrong = fields.add({reinterpret_cast<const char*>(field.name), field.namelen},
                                                {reinterpret_cast<const char*>(field.value), field.valuelen});
      if (!wrong.empty()) return faulty(wrong, stream);
    }
    if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0) break;
    if ((flags & NGHTTP2_HD_INFLATE_EMIT) == 0 && rest == 0)
      return faulty("the header block cannot be decompressed", stream);
  }
  return std::move(fields).facts(stream);
}

/// Frame after frame, up to the end of the first header block.
class FrameReader {
 public:
  FrameReader(Bytes octets, std::size_t most) : octets_{octets}, most_{most} {}

  Verdict<Http2> read() {
    for (std::size_t at = preface.size();;) {
      if (octets_.size() < at + frame_header) return need(at + frame_header);
      const Frame frame = read_frame_header(octets_.subspan(at, frame_header));
      const std::string_view wrong = check(frame, at == preface.size());
      if (!wrong.empty()) return faulty(wrong);
      const std::size_t start = at + frame_header;
      at = start + frame.length;
      if (octets_.size() < at) return need(at);
      if (frame.type != Type::Headers && frame.type != Type::Continuation) continue;
      const Bytes payload = octets_.subspan(start, frame.length);
      const auto fragment = frame.type == Type::Headers ? fragment_of(frame, payload) : payload;
      if (!fragment) return faulty("the padding of a HEADERS frame is too long");
      for (const std::byte octet : *fragment) block_.push_back(std::to_integer<std::uint8_t>(octet));
      stream_ = frame.stream;
      if ((frame.flags & flag::end_headers) != 0) return read_block(block_, stream_);
    }
  }

 private:
  [[nodiscard]] Verdict<Http2> need(std::size_t octets) const {
    if (octets > most_) return faulty("the header fields of the first request are too long");
    return NeedMore{octets};
  }
  [[nodiscard]] std::string_view check(const Frame& frame, bool first) const noexcept {
    if (frame.length > max_frame) return "a frame is too long";
    // §3.4: the preface ends with a SETTINGS frame; §6.5: of the connection, no acknowledgement.
    if (first && (frame.type != Type::Settings || frame.stream != 0 || (frame.flags & 1U) != 0))
      return "the first frame is no SETTINGS";
    // §6.10: nothing comes between the parts of a header block.
    if ((stream_ != 0) != (frame.type == Type::Continuation) || (stream_ != 0 && frame.stream != stream_))
      return "a header block is interrupted";
    switch (frame.type) {
      case Type::Data:
      case Type::PushPromise:  // §8.4: never a client's
      case Type::GoAway:
        return "a frame that may not come before the first request";
      case Type::Headers:
        return frame.stream % 2 == 1 ? "" : "a client's stream has an odd number";  // §5.1.1
      default:
        return {};
    }
  }

  Bytes octets_;
  std::size_t most_;
  std::vector<std::uint8_t> block_;
  std::uint32_t stream_ = 0;  // of a header block that has begun
};

}  // namespace

bool starts_with_preface(Bytes octets) noexcept { return as_text(octets).starts_with(preface); }

Verdict<Http2> recognise_http2(Bytes octets, std::size_t most) {
  octets = octets.first(std::min(octets.size(), most));
  const std::string_view text = as_text(octets.first(std::min(octets.size(), preface.size())));
  if (!preface.starts_with(text)) return Not{"no preface of HTTP/2"};
  if (text.size() < preface.size()) return NeedMore{text.size() + 1};
  return FrameReader{octets, most}.read();
}

}  // namespace baton::recognise
