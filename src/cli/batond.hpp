// SPDX-License-Identifier: MIT
// baton: cli/batond.hpp: a running batond, asked over its control socket (dispatch/control.hpp).
//
// It is looked for where --control says, else $BATON_CONTROL, else under `batond/control` in the runtime folder.
// Threads: one.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "base/unique_fd.hpp"

namespace CLI {  // NOLINT(readability-identifier-naming): the name is the library's
class App;
}

namespace baton::cli {

struct BatondFailure {
  bool nobody = false;  // no batond runs; false: one does, and the sentence says why it cannot be asked
  std::string sentence{};
};

class Batond {
 public:
  /// `control`: a path; empty: it is looked for.
  [[nodiscard]] static std::expected<Batond, BatondFailure> find(const std::string& control);

  /// The answer, an object; it may say that the request has failed ("ok": false).
  [[nodiscard]] std::expected<nlohmann::json, BatondFailure> ask(const nlohmann::json& request,
                                                                 std::chrono::seconds patience = std::chrono::seconds{
                                                                     10});
  /// The same for {"do": `verb`}, and failed where the answer says so.
  [[nodiscard]] std::expected<nlohmann::json, BatondFailure> look(const char* verb);

 private:
  Batond(std::string place, UniqueFd connection) : place_{std::move(place)}, connection_{std::move(connection)} {}

  std::string place_;
  UniqueFd connection_;
};

/// --control PATH.
void add_control(CLI::App& verb, std::string& control);

/// What a failed answer says.
[[nodiscard]] std::string error_in(const nlohmann::json& answer);

// Answers are read with care: they may come from another version. A missing member is 0, "-", none.
[[nodiscard]] std::uint64_t number_in(const nlohmann::json& object, const char* name);
/// As text for people: printable ASCII, '?' for every other octet; "-" where there is none.
[[nodiscard]] std::string cell_in(const nlohmann::json& object, const char* name);
[[nodiscard]] bool flag_in(const nlohmann::json& object, const char* name);
/// An empty one where there is none.
[[nodiscard]] nlohmann::json object_in(const nlohmann::json& object, const char* name);
/// The objects of an array.
[[nodiscard]] std::vector<nlohmann::json> list_in(const nlohmann::json& object, const char* name);

}  // namespace baton::cli
