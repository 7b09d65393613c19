// SPDX-License-Identifier: MIT
// AF_ISO connections as they move: from an object to its image, and from an image to an object.
#include <algorithm>

#include "endpoint/link.hpp"
#include "endpoint/remote_connection.hpp"
#include "os/socket.hpp"

namespace baton::endpoint {
namespace {

std::vector<std::byte> encoded(const handoff::IsoImage& image) {
  std::vector<std::byte> octets(handoff::max_iso_image_head + image.unread.size());
  octets.resize(handoff::encode(octets, image).size());
  return octets;
}

/// What both carriers have.
Result<handoff::IsoImage> begin_image(const transport::Connection& machine, const HostNames& hosts, bool busy) {
  if (busy) return fail(Fault::Busy);
  const auto connection = machine.image();
  if (!connection)
    return fail(connection.error() == transport::Misuse::OutputWaiting ? Fault::Busy : Fault::NotConnected);
  handoff::IsoImage image;
  image.connection = *connection;
  image.local_host = hosts.local;
  image.peer_host = hosts.peer;
  return image;
}

}  // namespace

RemoteConnection::RemoteConnection(transport::Connection machine, int number, std::uint64_t cookie,
                                   const handoff::IsoImage& image)
    : IsoConnection{std::move(machine), number, cookie, {image.local_host, image.peer_host}},
      reader_{transport::PacketReader::restore(image.reader).value()},
      writer_{transport::PacketWriter::restore(image.writer).value()} {}

Result<std::vector<std::byte>> RemoteConnection::image(const Lock&) const {
  if (broken_ || ended_) return fail(Fault::NotConnected);
  auto image = begin_image(machine_, hosts_, writing_ || reading_);
  if (!image) return std::unexpected{image.error()};
  image->carrier = handoff::Carrier::Tcp;
  image->reader = reader_.image();
  image->writer = writer_.image();
  return encoded(*image);
}

Link::Link(transport::Connection machine, int number, std::uint64_t cookie, const handoff::IsoImage& image)
    : Link{std::move(machine), number, cookie, HostNames{image.local_host, image.peer_host}} {
  // Whoever opened the link: from here on it says who sends.
  (void)os::enable_sender_identity(FdRef{number});
  in_tsdu_ = image.in_tsdu;
  owed_ = image.writer.tsdu_left;
  owing_ = owed_ > 0;
  hello_sent_ = image.hello_sent;
  if (image.hello_seen) peer_hello_.emplace().features = image.features;
  credit_ = std::min<std::size_t>(image.credit, max_credit);
  if (image.unread.empty()) return;
  Unit unit;
  unit.octets.assign(image.unread.begin(), image.unread.end());
  unit.end_of_tsdu = image.unread_ends_tsdu;
  inbox_.push_back(std::move(unit));
}

Result<std::vector<std::byte>> Link::image(const Lock&) const {
  if (broken_ || ended_) return fail(Fault::NotConnected);
  if (!given_.empty() || !awaited_.empty() || !arrived_.empty() || !placeholders_.empty() || !outcomes_.empty() ||
      given_group_over_ || taken_group_ || taken_group_over_)
    return fail(Fault::AlreadyMoving);
  auto image = begin_image(machine_, hosts_, writing_ || readers_ > 0 || !outbox_.empty());
  if (!image) return std::unexpected{image.error()};
  if (inbox_.size() > 1) return fail(Fault::ReadFirst);
  image->carrier = handoff::Carrier::Local;
  image->in_tsdu = in_tsdu_;
  image->writer.tsdu_left = owed_;
  image->hello_sent = hello_sent_;
  image->hello_seen = peer_hello_.has_value();
  image->features = peer_hello_ ? peer_hello_->features : 0;
  image->credit = static_cast<std::uint32_t>(credit_);
  if (!inbox_.empty()) {
    const Unit& unit = inbox_.front();
    if (unit.kind != Unit::Kind::UserData) return fail(Fault::AlreadyMoving);
    // What only ends a TSDU has no octets to go along.
    if (unit.consumed == unit.octets.size()) return fail(Fault::ReadFirst);
    image->unread = Bytes{unit.octets}.subspan(unit.consumed);
    image->unread_ends_tsdu = unit.end_of_tsdu;
  }
  return encoded(*image);
}

std::shared_ptr<IsoConnection> restore_connection(const handoff::IsoImage& image, int number, std::uint64_t cookie) {
  auto machine = transport::Connection::restore(image.connection);
  if (!machine) return nullptr;
  switch (image.carrier) {
    case handoff::Carrier::Local:
      return std::make_shared<Link>(std::move(*machine), number, cookie, image);
    case handoff::Carrier::Tcp:
      return std::make_shared<RemoteConnection>(std::move(*machine), number, cookie, image);
  }
  return nullptr;
}

}  // namespace baton::endpoint
