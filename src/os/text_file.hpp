// SPDX-License-Identifier: MIT
// baton: os/text_file.hpp: a small file of settings, read whole.
#pragma once

#include <cstdint>
#include <string>

#include "os/result.hpp"

namespace baton::os {

/// Changes whenever the file at the path is another one or was written to; 0 where there is none.
[[nodiscard]] std::uint64_t file_stamp(const std::string& path) noexcept;
/// Errors: open(2), read(2); EFBIG above `most` octets.
[[nodiscard]] Result<std::string> read_text_file(const std::string& path, std::size_t most);

}  // namespace baton::os
