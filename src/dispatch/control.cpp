// SPDX-License-Identifier: MIT
#include "dispatch/control.hpp"

#include <algorithm>
#include <asio/buffer.hpp>
#include <asio/read_until.hpp>
#include <asio/steady_timer.hpp>
#include <asio/write.hpp>
#include <cerrno>
#include <chrono>
#include <utility>

#include "os/control_socket.hpp"
#include "os/result.hpp"

namespace baton::dispatch {
namespace {

using nlohmann::json;

constexpr std::size_t most_octets = 4096;
constexpr std::size_t most_sessions = 64;

json failed(const std::string& sentence) { return {{"ok", false}, {"error", sentence}}; }

}  // namespace

/// One caller: reads a line, answers it, and so on until the caller closes.
class Control::Session : public std::enable_shared_from_this<Session> {
 public:
  Session(Control& control, UniqueFd connection)
      : control_{control}, alive_{control.alive_}, stream_{control.loop_, connection.release()} {
    control_.sessions_.insert(this);
  }
  ~Session() {
    if (*alive_) control_.sessions_.erase(this);
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void read() {
    asio::async_read_until(stream_, asio::dynamic_buffer(input_, most_octets), '\n',
                           [self = shared_from_this()](const std::error_code& error, std::size_t size) {
                             if (!error && *self->alive_) self->answer(size);
                           });
  }
  /// No more requests.
  void stop() {
    last_ = true;
    if (!busy_) stream_.close();
  }
  [[nodiscard]] bool is_busy() const noexcept { return busy_; }

 private:
  void answer(std::size_t size) {
    const std::string request = input_.substr(0, size);
    input_.erase(0, size);
    busy_ = true;
    auto answer = control_.answer(request, [self = shared_from_this()](const json& later) { self->write(later); });
    if (answer) write(*answer);
  }

  void write(const json& answer) {
    output_ = answer.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
    asio::async_write(stream_, asio::buffer(output_),
                      [self = shared_from_this()](const std::error_code& error, std::size_t) {
                        self->busy_ = false;
                        if (!error && !self->last_) self->read();
                      });
  }

  Control& control_;
  std::shared_ptr<bool> alive_;
  asio::posix::stream_descriptor stream_;
  std::string input_;
  std::string output_;
  bool busy_ = false;  // an answer is owed
  bool last_ = false;
};

Control::Control(asio::io_context& loop, UniqueFd listening, Dispatcher& dispatcher, const ServiceView& service,
                 ControlActions actions)
    : loop_{loop},
      listening_{std::move(listening)},
      watched_{loop, listening_.get()},
      pause_{loop},
      dispatcher_{dispatcher},
      service_{service},
      actions_{std::move(actions)} {}

Control::~Control() {
  *alive_ = false;
  if (watched_.is_open()) (void)watched_.release();
}

void Control::stop() {
  if (watched_.is_open()) (void)watched_.release();
  listening_.reset();
  for (Session* const session : sessions_) session->stop();
}

bool Control::is_busy() const noexcept {
  return std::ranges::any_of(sessions_, [](const Session* session) { return session->is_busy(); });
}

void Control::watch() {
  watched_.async_wait(asio::posix::stream_descriptor::wait_read, [this, alive = alive_](const std::error_code& error) {
    if (*alive && !error && listening_.valid()) accept_all();
  });
}

void Control::accept_all() {
  for (;;) {
    auto connection = os::accept_request(listening_.ref());
    if (!connection) {
      const int error = os::number(connection.error());
      if (error == EAGAIN) return watch();
      if (os::lacks_room(error))
        return pause_.begin([this] {
          if (listening_.valid()) accept_all();
        });
      continue;  // of that caller: another user's, or gone already
    }
    // One more is closed: its caller sees the end of file.
    if (sessions_.size() < most_sessions) std::make_shared<Session>(*this, std::move(*connection))->read();
  }
}

std::optional<json> Control::answer(std::string_view request, Reply later) {
  const json asked = json::parse(request, nullptr, false);
  if (!asked.is_object() || !asked.contains("do") || !asked["do"].is_string())
    return failed("a request is one JSON object in a line, as in {\"do\": \"status\"}");
  const std::string verb = asked["do"];
  if (verb == "status") return status_of(dispatcher_, service_);
  if (verb == "routes") return routes_of(dispatcher_);
  if (verb == "workers") return workers_of(dispatcher_);
  if (verb == "reload") return actions_.reload();
  if (verb == "drain") return drain(asked);
  if (verb == "upgrade") {
    actions_.upgrade(std::move(later));
    return std::nullopt;
  }
  return failed("\"" + verb + "\" is none of status, routes, workers, drain, reload, upgrade");
}

json Control::drain(const json& request) {
  if (!request.contains("pool")) {
    // Meant for a worker: not for all.
    if (request.contains("worker") || request.contains("on"))
      return failed("name the \"pool\", too; without \"pool\", \"worker\" and \"on\" all of batond is drained");
    actions_.drain();
    return {{"ok", true}};
  }
  const bool whole = !request.contains("worker");
  if (!request["pool"].is_string() || (!whole && !request["worker"].is_number_unsigned()) ||
      (request.contains("on") && !request["on"].is_boolean()))
    return failed("\"pool\" is a name, \"worker\" the id of a worker, \"on\" true or false");
  const std::string pool = request["pool"];
  const std::uint64_t worker = whole ? 0 : request["worker"].get<std::uint64_t>();
  if (!whole && worker == 0) return failed("no worker has the id 0; without \"worker\" the whole pool is meant");
  if (dispatcher_.set_draining(pool, worker, request.value("on", true))) return {{"ok", true}};
  return failed(whole ? "there is no pool \"" + pool + "\""
                      : "pool \"" + pool + "\" has no worker " + std::to_string(worker) + ", or there is no such pool");
}

}  // namespace baton::dispatch
