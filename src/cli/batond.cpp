// SPDX-License-Identifier: MIT
#include "cli/batond.hpp"

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <utility>

#include "cli/units.hpp"
#include "os/control_query.hpp"
#include "os/process.hpp"
#include "os/runtime_folder.hpp"

namespace baton::cli {
namespace {

using nlohmann::json;

constexpr std::chrono::seconds to_connect{5};

bool is_nobody(int error) noexcept { return error == ENOENT || error == ENOTDIR || error == ECONNREFUSED; }

std::string why_not_reached(int error) {
  switch (error) {
    case EACCES:
    case EPERM:
      return "permission denied: it answers the user that batond runs as, and root";
    case ENOTSOCK:
      return "this is no socket";
    case ETIMEDOUT:
      return "it does not accept the connection; too many ask, or batond hangs";
    default:
      return std::strerror(error);
  }
}

BatondFailure unreachable(const std::string& place, int error) {
  return {false, "the control socket " + place + " cannot be reached: " + why_not_reached(error)};
}

BatondFailure nobody_at(const std::string& places) {
  return {true, "no batond runs: nobody answers at " + places +
                    ". Start it (batond --config FILE), or say where its control socket is, as [batond] control of "
                    "its configuration does: --control PATH, or BATON_CONTROL in the environment"};
}

}  // namespace

std::expected<Batond, BatondFailure> Batond::find(const std::string& control) {
  std::string path = control;
  if (path.empty())
    if (const char* named = ::secure_getenv("BATON_CONTROL")) path = named;
  const Instant deadline = os::monotonic_now() + to_connect;
  if (!path.empty()) {
    auto connection = os::connect_for_requests(path, deadline);
    if (connection) return Batond{path, std::move(*connection)};
    const int error = os::number(connection.error());
    return std::unexpected{is_nobody(error) ? nobody_at(path) : unreachable(path, error)};
  }
  std::optional<BatondFailure> failure;
  for (const os::Candidate& folder : os::open_for_connect("batond")) {
    const std::string place = folder.path + "/control";
    auto connection = os::connect_for_requests(folder.folder.ref(), "control", deadline);
    if (connection) return Batond{place, std::move(*connection)};
    const int error = os::number(connection.error());
    if (!failure && !is_nobody(error)) failure = unreachable(place, error);
  }
  if (failure) return std::unexpected{std::move(*failure)};
  return std::unexpected{nobody_at("batond/control in " + os::described_search())};
}

std::expected<json, BatondFailure> Batond::ask(const json& request, std::chrono::seconds patience) {
  const auto failed = [this](const std::string& what) {
    return std::unexpected{BatondFailure{false, "batond at " + place_ + " " + what}};
  };
  const auto line = os::ask_line(connection_.ref(), request.dump(-1, ' ', false, json::error_handler_t::replace),
                                 os::monotonic_now() + patience);
  if (line) {
    json answer = json::parse(*line, nullptr, false);
    if (answer.is_object()) return answer;
    return failed("answers nothing that is an answer; is it of another version?");
  }
  switch (os::number(line.error())) {
    case ECONNRESET:
    case EPIPE:
      return failed("has closed the connection: it has ended, or too many ask it");
    case ETIMEDOUT:
      return failed("does not answer within " + std::to_string(patience.count()) + " s");
    default:
      return failed(std::string{"cannot be asked: "} + std::strerror(os::number(line.error())));
  }
}

std::expected<json, BatondFailure> Batond::look(const char* verb) {
  auto answer = ask({{"do", verb}});
  if (answer && !flag_in(*answer, "ok")) return std::unexpected{BatondFailure{false, "batond: " + error_in(*answer)}};
  return answer;
}

void add_control(CLI::App& verb, std::string& control) {
  verb.add_option("--control", control, "batond's control socket, where it is not in the runtime folder")
      ->type_name("PATH");
}

std::string error_in(const json& answer) {
  const auto found = answer.find("error");
  if (found == answer.end() || !found->is_string()) return "it could not be done";
  return printable_ascii(found->get<std::string>());
}

std::uint64_t number_in(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}

std::string cell_in(const json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || found->is_null()) return "-";
  return printable_ascii(found->is_string() ? found->get<std::string>() : found->dump());
}

bool flag_in(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_boolean() && found->get<bool>();
}

json object_in(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_object() ? *found : json::object();
}

std::vector<json> list_in(const json& object, const char* name) {
  std::vector<json> list;
  const auto found = object.find(name);
  if (found == object.end() || !found->is_array()) return list;
  for (const json& each : *found)
    if (each.is_object()) list.push_back(each);
  return list;
}

}  // namespace baton::cli
