// SPDX-License-Identifier: MIT
#include "s7.hpp"

namespace baton::s7 {
namespace {

// Message: head, parameters, data. Numbers are those that Wireshark's dissector s7comm names.
constexpr std::uint8_t protocol = 0x32;
constexpr std::uint8_t job = 1;
constexpr std::uint8_t job_answer = 3;
constexpr std::uint8_t function_set_up = 0xf0;
constexpr std::uint8_t function_read = 0x04;
constexpr std::uint8_t function_write = 0x05;
constexpr std::uint8_t octets_of_block[] = {0x12, 0x0a, 0x10,
                                            0x02};  // address of a variable: in the "any" form, octets
constexpr std::uint8_t area_block = 0x84;
constexpr std::uint8_t size_in_bits = 0x04;
constexpr std::uint8_t size_in_octets = 0x09;
constexpr std::uint8_t item_ok = 0xff;
constexpr std::uint8_t item_unknown = 0x0a;
constexpr std::size_t answer_head = 12;

struct Message {
  std::uint8_t kind = 0;
  std::uint16_t reference = 0;
  Bytes parameters;
  Bytes data;
};

std::optional<Message> parse(Bytes octets) noexcept {
  ByteReader reader{octets};
  Message message;
  if (reader.u8() != protocol) return std::nullopt;
  message.kind = reader.u8();
  if (reader.u16() != 0) return std::nullopt;
  message.reference = reader.u16();
  const std::uint16_t parameters = reader.u16();
  const std::uint16_t data = reader.u16();
  if (message.kind == job_answer && reader.u16() != 0) return std::nullopt;  // an error
  message.parameters = reader.take(parameters);
  message.data = reader.take(data);
  if (!reader.ok() || !reader.at_end()) return std::nullopt;
  return message;
}

void put_head(ByteWriter& writer, std::uint8_t kind, std::uint16_t reference, std::size_t parameters,
              std::size_t data) noexcept {
  writer.u8(protocol);
  writer.u8(kind);
  writer.u16(0);
  writer.u16(reference);
  writer.u16(static_cast<std::uint16_t>(parameters));
  writer.u16(static_cast<std::uint16_t>(data));
  if (kind == job_answer) writer.u16(0);
}

struct Variable {
  std::uint16_t block = 0;
  std::size_t start = 0;
  std::size_t size = 0;
};
constexpr std::size_t variable_size = 12;

/// One that is no octets of a data block has block 0, which does not exist.
Variable take_variable(ByteReader& reader) noexcept {
  ByteReader item{reader.take(variable_size)};
  bool known = true;
  for (const std::uint8_t octet : octets_of_block) known = item.u8() == octet && known;
  Variable variable;
  variable.size = item.u16();
  variable.block = item.u16();
  const std::uint32_t place = item.u32();
  if (place >> 24U != area_block || (place & 7U) != 0 || !known) variable.block = 0;
  variable.start = (place & 0xffffffU) >> 3U;
  return variable;
}

void put_variable(ByteWriter& writer, const Variable& variable) noexcept {
  writer.put(std::as_bytes(std::span{octets_of_block}));
  writer.u16(static_cast<std::uint16_t>(variable.size));
  writer.u16(variable.block);
  writer.u32(std::uint32_t{area_block} << 24U | static_cast<std::uint32_t>(variable.start) << 3U);
}

void put_item(ByteWriter& writer, std::uint8_t result, Bytes octets) noexcept {
  writer.u8(result);
  writer.u8(octets.empty() ? 0 : size_in_bits);
  writer.u16(static_cast<std::uint16_t>(octets.size() * 8));
  writer.put(octets);
}

/// The octets of an item of data; an odd one that is not the last is filled up.
Bytes take_item(ByteReader& reader) noexcept {
  (void)reader.u8();
  const std::uint8_t unit = reader.u8();
  const std::size_t length = reader.u16();
  const Bytes octets = reader.take(unit == size_in_octets ? length : length / 8);
  if (octets.size() % 2 != 0 && !reader.at_end()) (void)reader.u8();
  return octets;
}

/// The parameters and data of an answer to `function`.
std::optional<Message> answer_of(Bytes octets, std::uint16_t reference, std::uint8_t function) noexcept {
  auto message = parse(octets);
  if (!message || message->kind != job_answer || message->reference != reference) return std::nullopt;
  if (message->parameters.empty() || message->parameters.front() != std::byte{function}) return std::nullopt;
  return message;
}

}  // namespace

std::byte original(std::uint16_t block, std::size_t address) noexcept {
  return static_cast<std::byte>(address * 31 + (address >> 8U) * 17 + std::size_t{block} * 101);
}

std::byte written(std::uint16_t block, unsigned round, std::size_t address) noexcept {
  return static_cast<std::byte>(std::to_integer<unsigned>(original(block, address)) + round * 59 + 1);
}

Plant::Plant() {
  for (std::uint16_t block = 1; block <= blocks; ++block)
    for (std::size_t address = 0; address < block_size; ++address)
      octets_[block - 1U][address] = original(block, address);
}

std::optional<MutableBytes> Plant::area(std::uint16_t block, std::size_t start, std::size_t size) noexcept {
  if (block < 1 || block > blocks || start > block_size || size > block_size - start) return std::nullopt;
  return MutableBytes{octets_[block - 1U]}.subspan(start, size);
}

Bytes Session::answer(Bytes request, MutableBytes room) {
  const auto message = parse(request);
  if (!message || message->kind != job) return {};
  // Parameters and data come first: the head has their lengths.
  ByteWriter body{room.subspan(answer_head)};
  ByteReader parameters{message->parameters};
  const std::uint8_t function = parameters.u8();
  body.u8(function);
  if (function == function_set_up)
    set_up(parameters, body);
  else if (agreed_ == 0)
    return {};
  else if (function == function_read)
    read(parameters, body);
  else if (function == function_write)
    write(parameters, ByteReader{message->data}, body);
  else
    return {};
  const std::size_t size = answer_head + body.size();
  if (!body.ok() || size > agreed_) return {};
  const std::size_t parameter_size = function == function_set_up ? body.size() : 2;
  ByteWriter head{room.first(answer_head)};
  put_head(head, job_answer, message->reference, parameter_size, body.size() - parameter_size);
  return room.first(size);
}

void Session::set_up(ByteReader parameters, ByteWriter& answer) {
  answer.put(parameters.take(5));  // the jobs at a time that the client asks for
  agreed_ = std::min<std::uint16_t>(parameters.u16(), max_message);
  answer.u16(agreed_);
}

void Session::read(ByteReader parameters, ByteWriter& answer) {
  const unsigned count = parameters.u8();
  answer.u8(static_cast<std::uint8_t>(count));
  for (unsigned i = 0; i < count; ++i) {
    const Variable variable = take_variable(parameters);
    const auto octets = plant_.area(variable.block, variable.start, variable.size);
    put_item(answer, octets ? item_ok : item_unknown, octets ? Bytes{*octets} : Bytes{});
    if (octets && octets->size() % 2 != 0 && i + 1 < count) answer.u8(0);
  }
}

void Session::write(ByteReader parameters, ByteReader data, ByteWriter& answer) {
  const unsigned count = parameters.u8();
  answer.u8(static_cast<std::uint8_t>(count));
  for (unsigned i = 0; i < count; ++i) {
    const Variable variable = take_variable(parameters);
    const Bytes octets = take_item(data);
    const auto area = plant_.area(variable.block, variable.start, variable.size);
    const bool fits = area && area->size() == octets.size();
    if (fits) std::ranges::copy(octets, area->begin());
    answer.u8(fits ? item_ok : item_unknown);
  }
}

Bytes setup_request(MutableBytes room, std::uint16_t reference, std::uint16_t longest_message) noexcept {
  ByteWriter writer{room};
  put_head(writer, job, reference, 8, 0);
  writer.u16(std::uint16_t{function_set_up} << 8U);
  writer.u16(1);  // job at a time, either way
  writer.u16(1);
  writer.u16(longest_message);
  return writer.written();
}

std::optional<std::uint16_t> setup_answer(Bytes answer, std::uint16_t reference) noexcept {
  const auto message = answer_of(answer, reference, function_set_up);
  if (!message || message->parameters.size() != 8) return std::nullopt;
  return ByteReader{message->parameters.last(2)}.u16();
}

Bytes read_request(MutableBytes room, std::uint16_t reference, std::uint16_t block, std::size_t start,
                   std::size_t size) noexcept {
  ByteWriter writer{room};
  put_head(writer, job, reference, 2 + variable_size, 0);
  writer.u8(function_read);
  writer.u8(1);
  put_variable(writer, {block, start, size});
  return writer.written();
}

std::optional<Bytes> read_answer(Bytes answer, std::uint16_t reference) noexcept {
  const auto message = answer_of(answer, reference, function_read);
  if (!message || message->data.empty() || message->data.front() != std::byte{item_ok}) return std::nullopt;
  ByteReader data{message->data};
  const Bytes octets = take_item(data);
  if (!data.ok() || !data.at_end()) return std::nullopt;
  return octets;
}

Bytes write_request(MutableBytes room, std::uint16_t reference, std::uint16_t block, std::size_t start,
                    Bytes octets) noexcept {
  ByteWriter writer{room};
  put_head(writer, job, reference, 2 + variable_size, 4 + octets.size());
  writer.u8(function_write);
  writer.u8(1);
  put_variable(writer, {block, start, octets.size()});
  put_item(writer, 0, octets);
  return writer.written();
}

bool is_write_answer(Bytes answer, std::uint16_t reference) noexcept {
  const auto message = answer_of(answer, reference, function_write);
  return message && message->data.size() == 1 && message->data.front() == std::byte{item_ok};
}

}  // namespace baton::s7
