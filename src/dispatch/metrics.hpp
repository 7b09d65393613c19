// SPDX-License-Identifier: MIT
// baton: dispatch/metrics.hpp: what batond counts, over HTTP: /metrics for Prometheus, / for people, /status.json.
//
// One request a connection, at most so many connections and octets, and little time for each; what it says is for
// everybody who reaches the address. Threads: the one of the event loop.
#pragma once

#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <expected>
#include <memory>
#include <string>
#include <string_view>

#include "base/unique_fd.hpp"
#include "dispatch/accept_pause.hpp"
#include "dispatch/control.hpp"
#include "routing/configuration.hpp"

namespace baton::dispatch {

/// In the text format of Prometheus.
[[nodiscard]] std::string metrics_of(const Dispatcher& dispatcher, const ServiceView& service);
/// The status page: asks for /status.json every second.
extern const std::string_view status_page;

class MetricsServer {
 public:
  /// Failure: a sentence.
  [[nodiscard]] static std::expected<std::unique_ptr<MetricsServer>, std::string> open(asio::io_context& loop,
                                                                                       const routing::ListenAddress& at,
                                                                                       const Dispatcher& dispatcher,
                                                                                       const ServiceView& service);
  /// With a socket that listens already.
  [[nodiscard]] static std::unique_ptr<MetricsServer> adopt(asio::io_context& loop, UniqueFd listening,
                                                            const Dispatcher& dispatcher, const ServiceView& service);
  ~MetricsServer();
  MetricsServer(const MetricsServer&) = delete;
  MetricsServer& operator=(const MetricsServer&) = delete;

  [[nodiscard]] FdRef listening() const noexcept { return listening_.ref(); }
  /// Accepts no more; who has been accepted is answered.
  void stop();
  /// Some of those are still to be.
  [[nodiscard]] bool is_busy() const noexcept { return sessions_ > 0; }
  /// A whole answer to the head of a request.
  [[nodiscard]] std::string answer(std::string_view head) const;

 private:
  class Session;
  MetricsServer(asio::io_context& loop, UniqueFd listening, const Dispatcher& dispatcher, const ServiceView& service);
  void watch();
  void accept_all();

  asio::io_context& loop_;
  UniqueFd listening_;
  asio::posix::stream_descriptor watched_;  // the number, which it does not own
  AcceptPause pause_;
  const Dispatcher& dispatcher_;
  const ServiceView& service_;
  std::size_t sessions_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace baton::dispatch
