// SPDX-License-Identifier: MIT
#include "dispatch/control.hpp"

#include <asio/buffer.hpp>
#include <asio/read_until.hpp>
#include <asio/steady_timer.hpp>
#include <asio/write.hpp>
#include <cerrno>
#include <chrono>
#include <utility>

#include "os/control_socket.hpp"

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
    ++control_.sessions_;
  }
  ~Session() {
    if (*alive_) --control_.sessions_;
  }

  void read() {
    asio::async_read_until(stream_, asio::dynamic_buffer(input_, most_octets), '\n',
                           [self = shared_from_this()](const std::error_code& error, std::size_t size) {
                             if (!error && *self->alive_) self->answer(size);
                           });
  }

 private:
  void answer(std::size_t size) {
    output_ =
        control_.answer(std::string_view{input_}.substr(0, size)).dump(-1, ' ', false, json::error_handler_t::replace) +
        "\n";
    input_.erase(0, size);
    asio::async_write(stream_, asio::buffer(output_),
                      [self = shared_from_this()](const std::error_code& error, std::size_t) {
                        if (!error) self->read();
                      });
  }

  Control& control_;
  std::shared_ptr<bool> alive_;
  asio::posix::stream_descriptor stream_;
  std::string input_;
  std::string output_;
};

Control::Control(asio::io_context& loop, UniqueFd listening, Dispatcher& dispatcher, const ServiceView& service,
                 ControlActions actions)
    : loop_{loop},
      listening_{std::move(listening)},
      watched_{loop, listening_.get()},
      pause_{loop},
      dispatcher_{dispatcher},
      service_{service},
      actions_{std::move(actions)} {
  watch();
}

Control::~Control() {
  *alive_ = false;
  (void)watched_.release();
}

void Control::watch() {
  watched_.async_wait(asio::posix::stream_descriptor::wait_read, [this, alive = alive_](const std::error_code& error) {
    if (*alive && !error) accept_all();
  });
}

void Control::accept_all() {
  for (;;) {
    auto connection = os::accept_request(listening_.ref());
    if (!connection) {
      const int error = os::number(connection.error());
      if (error == EAGAIN) return watch();
      if (lacks_room(error))
        return pause_.begin([this] {
          if (listening_.valid()) accept_all();
        });
      continue;  // of that caller: another user's, or gone already
    }
    // One more is closed: its caller sees the end of file.
    if (sessions_ < most_sessions) std::make_shared<Session>(*this, std::move(*connection))->read();
  }
}

json Control::answer(std::string_view request) {
  const json asked = json::parse(request, nullptr, false);
  if (!asked.is_object() || !asked.contains("do") || !asked["do"].is_string())
    return failed("a request is one JSON object in a line, as in {\"do\": \"status\"}");
  const std::string verb = asked["do"];
  if (verb == "status") return status_of(dispatcher_, service_);
  if (verb == "routes") return routes_of(dispatcher_);
  if (verb == "workers") return workers_of(dispatcher_);
  if (verb == "reload") return actions_.reload();
  if (verb == "drain") return drain(asked);
  return failed("\"" + verb + "\" is none of status, routes, workers, drain, reload");
}

json Control::drain(const json& request) {
  if (!request.contains("pool")) {
    actions_.drain();
    return {{"ok", true}};
  }
  const bool whole = !request.contains("worker");
  if (!request["pool"].is_string() || (!whole && !request["worker"].is_number_unsigned()) ||
      (request.contains("on") && !request["on"].is_boolean()))
    return failed("\"pool\" is a name, \"worker\" the id of a worker, \"on\" true or false");
  const std::string pool = request["pool"];
  const std::uint64_t worker = whole ? 0 : request["worker"].get<std::uint64_t>();
  if (dispatcher_.set_draining(pool, worker, request.value("on", true))) return {{"ok", true}};
  return failed(whole ? "there is no pool \"" + pool + "\""
                      : "pool \"" + pool + "\" has no worker " + std::to_string(worker) + ", or there is no such pool");
}

}  // namespace baton::dispatch
