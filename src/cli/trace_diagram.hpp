// SPDX-License-Identifier: MIT
// baton: cli/trace_diagram.hpp: one move as a drawing: three life lines, the frames between them, the data stop.
//
// SVG 1.1 without scripts, links or fonts of its own; light, or dark where the viewer prefers that. Rows follow each
// other at equal distances: the drawing is not to scale. The same sequence gives the same octets.
// Threads: a pure function.
#pragma once

#include <string>
#include <string_view>

#include "cli/trace_sequence.hpp"

namespace baton::cli {

[[nodiscard]] std::string svg_of(const Sequence& sequence);

/// Text as it stands between tags and in attributes.
[[nodiscard]] std::string escaped(std::string_view text);

}  // namespace baton::cli
