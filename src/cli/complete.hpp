// SPDX-License-Identifier: MIT
// baton: cli/complete.hpp: what may come next on the command line, for the completion of shells.
//
// `baton __complete WORDS...` answers by what CLI11 knows of the verbs, so a shell knows as much as --help. The last
// word is the one to complete, perhaps empty. Threads: one.
#pragma once

#include <iosfwd>
#include <span>
#include <string>

namespace CLI {  // NOLINT(readability-identifier-naming): the name is the library's
class App;
}

namespace baton::cli {

/// The word with which a shell asks: no verb of people.
inline constexpr const char* complete_word = "__complete";

/// Writes a candidate on each line: whole words that begin with the last one. Instead of words, `:file` or `:command`
/// on a line says that the shell knows better.
void complete(const CLI::App& app, std::span<const std::string> words, std::ostream& out);

}  // namespace baton::cli
