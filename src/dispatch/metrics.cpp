// SPDX-License-Identifier: MIT
#include "dispatch/metrics.hpp"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <asio/buffer.hpp>
#include <asio/read_until.hpp>
#include <asio/steady_timer.hpp>
#include <asio/write.hpp>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>
#include <vector>

#include "dispatch/journal.hpp"
#include "dispatch/listening.hpp"
#include "os/resolve_host.hpp"
#include "os/result.hpp"
#include "os/tcp_entrance.hpp"

namespace baton::dispatch {
namespace {

constexpr std::size_t most_octets = 8192;
constexpr std::size_t most_sessions = 64;
constexpr int most_at_once = 256;  // accepted in one turn of the loop
constexpr std::chrono::seconds longest{5};

using Labels = std::vector<prometheus::ClientMetric::Label>;

class Families {
 public:
  void counter(const std::string& name, const std::string& help) { add(name, help, prometheus::MetricType::Counter); }
  void gauge(const std::string& name, const std::string& help) { add(name, help, prometheus::MetricType::Gauge); }
  /// Of the family that was named last.
  void value(double number, Labels labels = {}) {
    prometheus::ClientMetric& metric = families_.back().metric.emplace_back();
    metric.label = std::move(labels);
    metric.counter.value = number;
    metric.gauge.value = number;
  }
  void value(std::uint64_t number, Labels labels = {}) { value(static_cast<double>(number), std::move(labels)); }

  [[nodiscard]] std::string text() const { return prometheus::TextSerializer{}.Serialize(families_); }

 private:
  void add(const std::string& name, const std::string& help, prometheus::MetricType type) {
    prometheus::MetricFamily& family = families_.emplace_back();
    family.name = name;
    family.help = help;
    family.type = type;
  }
  std::vector<prometheus::MetricFamily> families_;
};

void add_connections(Families& all, const Dispatcher& dispatcher) {
  const DispatcherCounters& counters = dispatcher.counters();
  all.counter("batond_connections_total", "Connections that were recognised, by what became of them");
  all.value(counters.moved, {{"outcome", "moved"}});
  all.value(counters.no_route, {{"outcome", "no_route"}});
  all.value(counters.no_worker, {{"outcome", "no_worker"}});
  all.value(counters.refused, {{"outcome", "refused"}});
  all.value(counters.at_fault, {{"outcome", "at_fault"}});
  all.value(counters.dissolved, {{"outcome", "dissolved"}});
  all.counter("batond_came_back_total", "Connections that a worker gave back, or that its end gave back");
  all.value(counters.again);
  all.counter("batond_move_seconds_total", "Time from accept to taken, of all moved connections together");
  all.value(static_cast<double>(counters.moved_ns) / 1e9);
  all.gauge("batond_undecided", "Connections that have not said enough yet");
  all.value(std::uint64_t{dispatcher.undecided()});
  all.gauge("batond_held", "Connections that wait for a worker");
  all.value(std::uint64_t{dispatcher.held()});
  all.counter("batond_route_connections_total", "Connections that a route took");
  for (const auto& [route, count] : dispatcher.route_counters()) all.value(count, {{"route", route}});
  all.counter("batond_called_tsap_connections_total",
              "Connections to the TSAP that they called, by what became of them");
  const auto called = [&all](const std::string& tsap, const CalledCount& count) {
    all.value(count.moved, {{"tsap", tsap}, {"outcome", "moved"}});
    all.value(count.refused, {{"tsap", tsap}, {"outcome", "refused"}});
  };
  for (const auto& [tsap, count] : dispatcher.called_counts().listed()) called(tsap, count);
  called("others", dispatcher.called_counts().others());
}

void add_listeners(Families& all, const Dispatcher& dispatcher) {
  all.counter("batond_accepted_total", "Connections that were accepted");
  for (const auto& each : dispatcher.entrances())
    all.value(each.entrance->counters().accepted, {{"listener", each.entrance->manner().settings.name},
                                                   {"address", os::printable(each.entrance->address())}});
  all.counter("batond_not_recognised_total", "Connections that were closed before they were recognised, by reason");
  for (const auto& each : dispatcher.entrances()) {
    const EntranceCounters& counters = each.entrance->counters();
    const std::string& name = each.entrance->manner().settings.name;
    const std::string address = os::printable(each.entrance->address());
    all.value(counters.gone, {{"listener", name}, {"address", address}, {"reason", "gone"}});
    all.value(counters.too_many, {{"listener", name}, {"address", address}, {"reason", "too_many"}});
    all.value(counters.unwelcome, {{"listener", name}, {"address", address}, {"reason", "unwelcome"}});
  }
}

void add_pools(Families& all, const Dispatcher& dispatcher) {
  all.counter("batond_pool_moves_total", "Moves to the workers of a pool, by outcome");
  for (const auto& pool : dispatcher.pools()) {
    const std::string& name = pool->settings().name;
    const PoolCounters counters = pool->counters();
    all.value(counters.moves.moved, {{"pool", name}, {"outcome", "moved"}});
    all.value(counters.moves.refused, {{"pool", name}, {"outcome", "refused"}});
    all.value(counters.moves.lost, {{"pool", name}, {"outcome", "lost"}});
    all.value(counters.moves.recalled, {{"pool", name}, {"outcome", "recalled"}});
    all.value(counters.moves.dissolved, {{"pool", name}, {"outcome", "dissolved"}});
  }
  all.gauge("batond_pool_workers", "Workers whose link is up");
  for (const auto& pool : dispatcher.pools()) {
    std::uint64_t up = 0;
    for (const WorkerView& worker : pool->view()) up += worker.up ? 1 : 0;
    all.value(up, {{"pool", pool->settings().name}});
  }
  all.gauge("batond_pool_late_workers", "Workers that let moves wait for longer than `answer`");
  for (const auto& pool : dispatcher.pools()) {
    const auto view = pool->view();
    all.value(static_cast<std::uint64_t>(std::ranges::count_if(view, &WorkerView::late)),
              {{"pool", pool->settings().name}});
  }
  all.gauge("batond_pool_under_way", "Moves that are under way");
  for (const auto& pool : dispatcher.pools())
    all.value(std::uint64_t{pool->under_way()}, {{"pool", pool->settings().name}});
  all.gauge("batond_pool_copying", "Connections that are copied");
  for (const auto& pool : dispatcher.pools())
    all.value(std::uint64_t{pool->copying()}, {{"pool", pool->settings().name}});
}

std::string response(std::string_view status, std::string_view type, std::string_view body) {
  std::string text = "HTTP/1.1 " + std::string{status} + "\r\nContent-Type: " + std::string{type} +
                     "\r\nContent-Length: " + std::to_string(body.size()) +
                     "\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n";
  return text += body;
}

}  // namespace

std::string metrics_of(const Dispatcher& dispatcher, const ServiceView& service) {
  Families all;
  all.gauge("batond_info", "What runs here");
  all.value(1.0, {{"version", BATON_VERSION}});
  all.gauge("batond_start_time_seconds", "When batond has started, since 1970 (Unix time)");
  const auto since_1970 = std::chrono::system_clock::now().time_since_epoch() - (Clock::now() - service.started);
  all.value(std::chrono::duration<double>(since_1970).count());
  add_connections(all, dispatcher);
  add_listeners(all, dispatcher);
  add_pools(all, dispatcher);
  return all.text();
}

class MetricsServer::Session : public std::enable_shared_from_this<Session> {
 public:
  Session(MetricsServer& server, UniqueFd connection)
      : server_{server}, alive_{server.alive_}, stream_{server.loop_, connection.release()}, timer_{server.loop_} {
    ++server_.sessions_;
  }
  ~Session() {
    if (*alive_) --server_.sessions_;
  }

  void read() {
    timer_.expires_after(longest);
    timer_.async_wait([weak = weak_from_this()](const std::error_code& error) {
      if (const auto self = weak.lock(); self && !error) self->stream_.close();
    });
    asio::async_read_until(stream_, asio::dynamic_buffer(input_, most_octets), "\r\n\r\n",
                           [self = shared_from_this()](const std::error_code& error, std::size_t size) {
                             if (!error && *self->alive_) self->answer(size);
                           });
  }

 private:
  void answer(std::size_t size) {
    output_ = server_.answer(std::string_view{input_}.substr(0, size));
    asio::async_write(stream_, asio::buffer(output_),
                      [self = shared_from_this()](const std::error_code&, std::size_t) { self->timer_.cancel(); });
  }

  MetricsServer& server_;
  std::shared_ptr<bool> alive_;
  asio::posix::stream_descriptor stream_;
  asio::steady_timer timer_;
  std::string input_;
  std::string output_;
};

std::expected<std::unique_ptr<MetricsServer>, std::string> MetricsServer::open(asio::io_context& loop,
                                                                               const routing::ListenAddress& at,
                                                                               const Dispatcher& dispatcher,
                                                                               const ServiceView& service) {
  auto listening = listen_at(at, 64);
  if (!listening) {
    const int error = os::number(listening.error());
    return std::unexpected{"[batond] metrics: cannot listen at " + text_of(at) + ": " + std::strerror(error) +
                           advice_for(error)};
  }
  return adopt(loop, std::move(*listening), dispatcher, service);
}

std::unique_ptr<MetricsServer> MetricsServer::adopt(asio::io_context& loop, UniqueFd listening,
                                                    const Dispatcher& dispatcher, const ServiceView& service) {
  journal().info("metrics: listening on {}", os::printable(os::local_address(listening.ref()).value_or(os::Address{})));
  return std::unique_ptr<MetricsServer>{new MetricsServer{loop, std::move(listening), dispatcher, service}};
}

MetricsServer::MetricsServer(asio::io_context& loop, UniqueFd listening, const Dispatcher& dispatcher,
                             const ServiceView& service)
    : loop_{loop},
      listening_{std::move(listening)},
      watched_{loop, listening_.get()},
      pause_{loop},
      dispatcher_{dispatcher},
      service_{service} {
  watch();
}

MetricsServer::~MetricsServer() {
  *alive_ = false;
  stop();
}

void MetricsServer::stop() {
  pause_.cancel();
  if (watched_.is_open()) (void)watched_.release();
  listening_.reset();
}

void MetricsServer::watch() {
  watched_.async_wait(asio::posix::stream_descriptor::wait_read, [this, alive = alive_](const std::error_code& error) {
    if (*alive && !error && listening_.valid()) accept_all();
  });
}

void MetricsServer::accept_all() {
  for (int i = 0; i < most_at_once; ++i) {
    auto accepted = os::accept_for_others(listening_.ref());
    if (!accepted) {
      const int error = os::number(accepted.error());
      if (error == EAGAIN) return watch();
      if (os::lacks_room(error))
        return pause_.begin([this] {
          if (listening_.valid()) accept_all();
        });
      continue;  // of that connection: it is gone already (accept(2))
    }
    if (sessions_ < most_sessions) std::make_shared<Session>(*this, std::move(accepted->connection))->read();
  }
  watch();
}

std::string MetricsServer::answer(std::string_view head) const {
  const std::string_view line = head.substr(0, head.find("\r\n"));
  const auto asks_for = [line](std::string_view path) {
    const std::string request = "GET " + std::string{path};
    return line.starts_with(request + " ") || line.starts_with(request + "?");
  };
  if (asks_for("/metrics")) return response("200 OK", "text/plain; version=0.0.4", metrics_of(dispatcher_, service_));
  if (asks_for("/")) return response("200 OK", "text/html; charset=utf-8", status_page);
  if (asks_for("/status.json")) {
    const nlohmann::json all{{"status", status_of(dispatcher_, service_)},
                             {"routes", routes_of(dispatcher_)["routes"]},
                             {"pools", workers_of(dispatcher_)["pools"]}};
    return response("200 OK", "application/json", all.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  }
  if (!line.starts_with("GET ")) return response("405 Method Not Allowed", "text/plain", "only GET\n");
  return response("404 Not Found", "text/plain", "there are /, /metrics and /status.json\n");
}

}  // namespace baton::dispatch
