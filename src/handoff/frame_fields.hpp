// SPDX-License-Identifier: MIT
// baton: handoff/frame_fields.hpp: the fields of a frame and the sizes of its records, for who reads and who writes.
//
// A record may be longer than ours, never shorter than the least: a later version appends. Threads: constants only.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tsap/address.hpp"

namespace baton::handoff {

enum class Tag : std::uint16_t {
  Versions = 1,
  Features = 2,
  Credit = 3,
  LargestFrame = 4,
  Process = 5,
  Description = 6,
  UserData = 7,
  Answer = 8,
  CallItems = 9,
  TakenItems = 10,
  Blobs = 11,
  IsoAddresses = 12,
  IsoImages = 13,
  Group = 14,
  Memfds = 15,
  Count = 16,
};

constexpr std::uint8_t express_flag = 1;
constexpr std::uint8_t held_flag = 2;
constexpr std::size_t field_head = 6;
// Sizes of the records as this version writes them; a later version may append to each, as this one has appended the
// sizes of the ISO image and of the blob.
constexpr std::size_t description_size = 3 + 4 * 4 + 2 * (16 + 2 + 4);
constexpr std::size_t least_call_record = 8 + 8 + 1 + 8 + 1 + 8 + 2 + 4 + 4;
constexpr std::size_t call_record = least_call_record + 4 + 4 + 1;
constexpr std::size_t iso_address_size = 1 + tsap::address_area_size;
constexpr std::size_t taken_record = 8 + 1 + 4;

constexpr std::uint8_t nonblocking_bit = 1;
constexpr std::uint8_t blob_apart_bit = 1;

}  // namespace baton::handoff
