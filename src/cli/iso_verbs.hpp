// SPDX-License-Identifier: MIT
// baton: cli/iso_verbs.hpp: `baton iso`: ISO transport at the command line, one verb a file.
//
// add_iso_*() describes a verb to CLI11, as add_*() of verbs.hpp does. Threads: one.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cli/iso_form.hpp"
#include "cli/iso_names.hpp"
#include "cli/verbs.hpp"

namespace baton::cli {

/// iso_connect_verb.cpp
void add_iso_connect(CLI::App& iso, Action& action);
/// iso_listen_verb.cpp
void add_iso_listen(CLI::App& iso, Action& action);
/// iso_echo_verb.cpp
void add_iso_echo(CLI::App& iso, Action& action);
/// iso_probe_verb.cpp
void add_iso_probe(CLI::App& iso, Action& action);

/// How TSDUs stand in the input and the output: --hex, --raw, --one.
struct FormFlags {
  bool hex = false;
  bool raw = false;
  bool one = false;
  [[nodiscard]] Form form() const noexcept;
};
void add_form(CLI::App& verb, FormFlags& flags);
/// --called of those who listen: any number of them, and what they stand for.
void add_called(CLI::App& verb, std::vector<std::string>& called);
[[nodiscard]] std::vector<tsap::Selector> selectors_of(const std::vector<std::string>& called);
/// The word ADDRESS[:PORT] of those who listen.
void add_listen_address(CLI::App& verb, std::string& address);

/// For CLI11's check(): the parser's sentence, or nothing where it takes the word.
template <class Parse>
[[nodiscard]] auto accepted_by(Parse parse) {
  return [parse](const std::string& word) {
    const auto parsed = parse(word);
    return parsed ? std::string{} : parsed.error();
  };
}

}  // namespace baton::cli
