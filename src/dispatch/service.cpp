// SPDX-License-Identifier: MIT
#include "dispatch/service.hpp"

#include <sys/resource.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <array>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/signal_set.hpp>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <expected>
#include <iostream>
#include <memory>
#include <optional>
#include <utility>

#include "dispatch/configuration.hpp"
#include "dispatch/control.hpp"
#include "dispatch/dispatcher.hpp"
#include "dispatch/journal.hpp"
#include "dispatch/metrics.hpp"
#include "os/control_socket.hpp"
#include "os/runtime_folder.hpp"
#include "os/text_file.hpp"

namespace baton::dispatch {
namespace {

constexpr std::size_t most_configuration = std::size_t{16} << 20;

std::expected<ReadConfiguration, std::string> read_file(const std::string& path) {
  const auto text = os::read_text_file(path, most_configuration);
  if (!text) return std::unexpected{"cannot read " + path + ": " + std::strerror(os::number(text.error()))};
  return read_configuration(*text);
}

nlohmann::json findings_of(const ReadConfiguration& read) {
  nlohmann::json findings = nlohmann::json::array();
  for (const LocatedFinding& found : read.findings)
    findings.push_back({{"severity", found.finding.severity == routing::Severity::Error ? "error" : "warning"},
                        {"line", found.position.line},
                        {"column", found.position.column},
                        {"path", found.finding.path},
                        {"what", found.finding.what},
                        {"advice", found.finding.advice}});
  return findings;
}

void log_findings(const ReadConfiguration& read, const std::string& path) {
  for (const LocatedFinding& found : read.findings)
    journal().log(found.finding.severity == routing::Severity::Error ? spdlog::level::err : spdlog::level::warn, "{}",
                  printable(found, path));
}

/// As many descriptors as the process may have: each connection on its way is one.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

ActivatedSockets sockets_of_systemd() {
  ActivatedSockets sockets;
  char** names = nullptr;
  const int count = ::sd_listen_fds_with_names(1, &names);
  for (int i = 0; i < count; ++i) {
    sockets.emplace(names[i], UniqueFd{adopt, SD_LISTEN_FDS_START + i});
    std::free(names[i]);
  }
  std::free(names);
  return sockets;
}

class Service {
 public:
  explicit Service(std::string path) : dispatcher_{loop_, sockets_of_systemd()}, signals_{loop_} {
    view_.configuration = std::move(path);
    view_.started = Clock::now();
  }

  ExitStatus run() {
    auto read = read_file(view_.configuration);
    if (!read) return failed(read.error());
    log_findings(*read, view_.configuration);
    if (!read->usable()) return ExitStatus::Configuration;
    set_log_level(read->configuration.service.log);
    if (auto applied = dispatcher_.apply(read->configuration); !applied) return failed(applied.error());
    if (auto opened = open_control(read->configuration.service.control); !opened) return failed(opened.error());
    if (auto opened = open_metrics(read->configuration.service.metrics); !opened) return failed(opened.error());
    settings_ = read->configuration.service;
    for (const int number : {SIGTERM, SIGINT, SIGHUP}) signals_.add(number);
    await_signal();
    journal().info("batond {} started: process {}, configuration {}, {} listeners, {} pools, {} routes", BATON_VERSION,
                   ::getpid(), view_.configuration, dispatcher_.entrances().size(), dispatcher_.pools().size(),
                   dispatcher_.plan().configuration.routes.size());
    ::sd_notify(0, "READY=1");
    loop_.run();
    journal().info("batond ended: {} arrived, {} moved", dispatcher_.counters().arrived, dispatcher_.counters().moved);
    return ExitStatus::Ok;
  }

 private:
  static ExitStatus failed(const std::string& sentence) {
    journal().critical("{}", sentence);
    return ExitStatus::Failed;
  }

  std::expected<void, std::string> open_control(const std::string& path) {
    os::Result<UniqueFd> listening = os::failure(ENOENT);
    if (!path.empty()) {
      listening = os::listen_for_requests(path);
    } else if (const auto folder = os::open_for_bind("batond")) {
      listening = os::listen_for_requests(folder->ref(), "control");
    } else {
      listening = std::unexpected{folder.error()};
    }
    if (!listening) {
      const int error = os::number(listening.error());
      return std::unexpected{
          "control socket " + (path.empty() ? "batond/control in the runtime folder" : path) + ": " +
          (error == EADDRINUSE ? "another batond has it: end it, or give [batond] control" : std::strerror(error))};
    }
    control_.emplace(loop_, std::move(*listening), dispatcher_, view_,
                     ControlActions{[this] { asio::post(loop_, [this] { drain(); }); }, [this] { return reload(); }});
    return {};
  }

  std::expected<void, std::string> open_metrics(const std::optional<routing::ListenAddress>& at) {
    if (!at) {
      metrics_.reset();
      return {};
    }
    auto opened = MetricsServer::open(loop_, *at, dispatcher_, view_);
    if (!opened) return std::unexpected{std::move(opened.error())};
    metrics_ = std::move(*opened);
    return {};
  }

  void await_signal() {
    signals_.async_wait([this](const std::error_code& error, int number) {
      if (error) return;
      if (number == SIGHUP)
        (void)reload();
      else
        drain();
      await_signal();
    });
  }

  nlohmann::json reload() {
    ::sd_notify(0, "STATUS=reading the configuration");
    nlohmann::json answer = replace_configuration();
    ::sd_notify(0, "STATUS=");
    return answer;
  }

  nlohmann::json replace_configuration() {
    auto read = read_file(view_.configuration);
    if (!read) return keep(read.error(), nlohmann::json::array());
    log_findings(*read, view_.configuration);
    if (!read->usable()) return keep("the configuration has errors", findings_of(*read));
    const auto& service = read->configuration.service;
    if (service.control != settings_.control) journal().warn("[batond] control changes with a restart only");
    // Opened before anything changes, and let go again where the rest cannot be had.
    std::unique_ptr<MetricsServer> before;
    const bool other_metrics = service.metrics != settings_.metrics;
    if (other_metrics) {
      before = std::move(metrics_);
      if (auto opened = open_metrics(service.metrics); !opened) {
        metrics_ = std::move(before);
        return keep(opened.error(), nlohmann::json::array());
      }
    }
    if (auto applied = dispatcher_.apply(read->configuration); !applied) {
      if (other_metrics) metrics_ = std::move(before);
      return keep(applied.error(), nlohmann::json::array());
    }
    set_log_level(service.log);
    settings_ = service;
    journal().info("reloaded {}: {} listeners, {} pools, {} routes", view_.configuration,
                   dispatcher_.entrances().size(), dispatcher_.pools().size(),
                   dispatcher_.plan().configuration.routes.size());
    return {{"ok", true}, {"findings", findings_of(*read)}};
  }

  static nlohmann::json keep(const std::string& sentence, nlohmann::json findings) {
    journal().error("not reloaded, the configuration before goes on: {}", sentence);
    return {{"ok", false}, {"error", sentence}, {"findings", std::move(findings)}};
  }

  void drain() {
    if (dispatcher_.is_draining()) {
      journal().warn("told again to end: {} connections that are held are closed", dispatcher_.held());
      return loop_.stop();
    }
    journal().info("draining: accepting no more");
    ::sd_notify(0, "STOPPING=1");
    dispatcher_.drain([this] { loop_.stop(); });
  }

  asio::io_context loop_{1};
  Dispatcher dispatcher_;
  asio::signal_set signals_;
  ServiceView view_;
  routing::Service settings_;
  std::optional<Control> control_;
  std::unique_ptr<MetricsServer> metrics_;
};

ExitStatus check_only(const std::string& path) {
  const auto read = read_file(path);
  if (!read) {
    std::cerr << "batond: " << read.error() << '\n';
    return ExitStatus::Failed;
  }
  for (const LocatedFinding& found : read->findings) std::cout << printable(found, path) << '\n';
  if (!read->usable()) return ExitStatus::Configuration;
  std::cout << path << ": " << (read->findings.empty() ? "nothing is wrong" : "can be run") << '\n';
  return ExitStatus::Ok;
}

}  // namespace

ExitStatus run_service(const std::string& path, bool check) {
  if (check) return check_only(path);
  raise_descriptor_limit();
  std::signal(SIGPIPE, SIG_IGN);
  return Service{path}.run();
}

}  // namespace baton::dispatch
