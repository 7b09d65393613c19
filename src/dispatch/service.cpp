// SPDX-License-Identifier: MIT
#include "dispatch/service.hpp"

#include <sys/resource.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/signal_set.hpp>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <expected>
#include <iostream>
#include <memory>
#include <optional>
#include <utility>

#include "dispatch/configuration.hpp"
#include "dispatch/container.hpp"
#include "dispatch/control.hpp"
#include "dispatch/dispatcher.hpp"
#include "dispatch/findings_json.hpp"
#include "dispatch/inheritance.hpp"
#include "dispatch/journal.hpp"
#include "dispatch/listening.hpp"
#include "dispatch/metrics.hpp"
#include "dispatch/predecessor.hpp"
#include "dispatch/upgrade.hpp"
#include "link/admission.hpp"
#include "os/control_socket.hpp"
#include "os/runtime_folder.hpp"
#include "os/socket.hpp"
#include "os/text_file.hpp"

namespace baton::dispatch {
namespace {

std::expected<ReadConfiguration, std::string> read_file(const std::string& path) {
  const auto text = os::read_text_file(path, most_configuration);
  if (!text) {
    const int error = os::number(text.error());
    return std::unexpected{"cannot read " + path + ": " + std::strerror(error) +
                           (error == ENOENT ? ": say where the configuration is by --config FILE; batond.example.toml "
                                              "has every setting"
                                            : "")};
  }
  return read_configuration(*text);
}

const LocatedFinding* first_error(const ReadConfiguration& read) {
  const auto found = std::ranges::find(read.findings, routing::Severity::Error,
                                       [](const LocatedFinding& each) { return each.finding.severity; });
  return found == read.findings.end() ? nullptr : &*found;
}

/// All but one that is told otherwise.
void log_findings(const ReadConfiguration& read, const std::string& path, const LocatedFinding* but = nullptr) {
  for (const LocatedFinding& found : read.findings)
    if (&found != but)
      journal().log(found.finding.severity == routing::Severity::Error ? spdlog::level::err : spdlog::level::warn, "{}",
                    printable(found, path));
}

std::string advice_for_control(int error) {
  switch (error) {
    case ENOENT:
      return ": make its folder, or give another path as [batond] control";
    case EACCES:
    case EPERM:
    case EROFS:
      return ": give a path where batond's user may write as [batond] control";
    default:
      return advice_for(error);
  }
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

class Service final : Upgrade::Owner {
 public:
  Service(std::string path, std::vector<std::string> words)
      : words_{std::move(words)}, dispatcher_{loop_, sockets_of_systemd()}, signals_{loop_} {
    view_.configuration = std::move(path);
    view_.started = Clock::now();
  }

  ExitStatus run() {
    if (Predecessor::is_there()) {
      auto met = Predecessor::meet(loop_);
      if (!met) return failed(met.error());
      predecessor_ = std::move(*met);
    }
    auto read = read_file(view_.configuration);
    if (!read) return failed(read.error());
    // The predecessor logs and answers why it goes on: the first error.
    const LocatedFinding* const why = predecessor_ ? first_error(*read) : nullptr;
    log_findings(*read, view_.configuration, why);
    if (why != nullptr) predecessor_->failed("its configuration: " + printable(*why, view_.configuration));
    if (!read->usable()) return ExitStatus::Configuration;
    set_log_level(read->configuration.service.log);
    if (const std::string unknown = link::unknown_users(); !unknown.empty())
      journal().warn("BATON_ALLOW_UIDS: {} admits nobody: it is neither a number nor a user of /etc/passwd", unknown);
    if (auto opened = open_all(read->configuration); !opened) return failed(opened.error());
    if (predecessor_)
      if (auto taken = take_over(read->configuration.service); !taken) return failed(taken.error());
    control_->watch();
    for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGUSR2}) signals_.add(number);
    await_signal();
    journal().info("batond {} started: process {}, configuration {}, {} listeners, {} pools, {} routes", BATON_VERSION,
                   ::getpid(), view_.configuration, dispatcher_.entrances().size(), dispatcher_.pools().size(),
                   dispatcher_.plan().configuration.routes.size());
    if (predecessor_) predecessor_->running([this](VisitorPtr late) { dispatcher_.resume(std::move(late)); });
    ::sd_notify(0, "READY=1");
    loop_.run();
    journal().info("batond ended: {} arrived, {} moved", dispatcher_.counters().arrived, dispatcher_.counters().moved);
    return ExitStatus::Ok;
  }

 private:
  ExitStatus failed(const std::string& sentence) {
    journal().critical("{}", sentence);
    // The predecessor ends this process when it has heard of it.
    if (control_) let_go_of_control();
    if (predecessor_) predecessor_->failed(sentence);
    return ExitStatus::Failed;
  }

  /// But what the predecessor has still.
  std::expected<void, std::string> open_all(const routing::Configuration& configuration) {
    if (auto applied = dispatcher_.apply(configuration, before()); !applied) return applied;
    dispatcher_.await_hosts();
    if (auto opened = open_control(configuration.service.control); !opened) return opened;
    const auto& metrics = configuration.service.metrics;
    if (metrics && predecessor_ && text_of(*metrics) == before().metrics) return {};
    return open_metrics(metrics);
  }

  /// What the predecessor has, which is nothing where there is none.
  [[nodiscard]] const Inheritance& before() const {
    static const Inheritance nothing;
    return predecessor_ ? predecessor_->inheritance() : nothing;
  }

  /// From here on all is this process's.
  std::expected<void, std::string> take_over(const routing::Service& service) {
    if (auto prepared = predecessor_->prepared(); !prepared) return prepared;
    if (auto bound = dispatcher_.bind_pools(); !bound) return bound;
    auto estate = predecessor_->commit();
    if (!estate) return std::unexpected{std::move(estate.error())};
    for (Heirloom& each : estate->sockets) {
      if (each.kind != Heirloom::Kind::Metrics)
        dispatcher_.inherit(each, std::move(each.socket));
      else if (service.metrics && text_of(*service.metrics) == each.name)
        metrics_ = MetricsServer::adopt(loop_, std::move(each.socket), dispatcher_, view_);
    }
    const std::size_t clients = estate->visitors.size();
    for (VisitorPtr& visitor : estate->visitors) dispatcher_.resume(std::move(visitor));
    journal().info("taken over: {} listening sockets, {} clients that wait", estate->sockets.size(), clients);
    return {};
  }

  /// `path`: as a configuration has it.
  static os::Result<os::RequestPlace> control_place(const std::string& path) {
    if (!path.empty()) return os::request_place(path);
    auto folder = os::open_for_bind("batond");
    if (!folder) return std::unexpected{folder.error()};
    return os::RequestPlace{std::move(*folder), "control"};
  }

  /// The predecessor's socket where it is at that place, and is let go otherwise.
  os::Result<UniqueFd> listen_for_requests(const os::RequestPlace& place) {
    auto listening = os::listen_for_requests(place);
    if (!predecessor_) return listening;
    UniqueFd inherited = predecessor_->take_control();
    if (listening || os::number(listening.error()) != EADDRINUSE) return listening;
    const auto theirs = control_place(before().control);
    if (theirs && os::is_same_place(*theirs, place)) return inherited;
    return listening;
  }

  std::expected<void, std::string> open_control(const std::string& path) {
    auto place = control_place(path);
    auto listening = place ? listen_for_requests(*place) : std::unexpected{place.error()};
    if (!listening) {
      const int error = os::number(listening.error());
      if (const std::string trouble = path.empty() ? os::trouble_of_bind("batond") : ""; !trouble.empty())
        return std::unexpected{"control socket: " + trouble};
      return std::unexpected{"control socket " + (path.empty() ? "batond/control in the runtime folder" : path) + ": " +
                             (error == EADDRINUSE ? "another batond has it: end it, or give [batond] control"
                                                  : std::strerror(error) + advice_for_control(error))};
    }
    control_path_ = path;
    control_place_ = std::move(*place);
    control_.emplace(loop_, std::move(*listening), dispatcher_, view_,
                     ControlActions{[this] { asio::post(loop_, [this] { drain(); }); }, [this] { return reload(); },
                                    [this](Reply reply) { upgrade(std::move(reply)); }});
    return {};
  }

  /// Its file goes, too, unless another batond serves there.
  void let_go_of_control() {
    control_->stop();
    os::remove_left_over(control_place_);
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
      else if (number == SIGUSR2)
        upgrade([](const nlohmann::json&) {});
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
    if (handed_over_) return keep("another batond has taken over", nlohmann::json::array());
    if (upgrade_) return keep("an upgrade is under way", nlohmann::json::array());
    auto read = read_file(view_.configuration);
    if (!read) return keep(read.error(), nlohmann::json::array());
    log_findings(*read, view_.configuration);
    if (!read->usable()) return keep("the configuration has errors", json_of(read->findings));
    const auto& service = read->configuration.service;
    if (service.control != settings().control) journal().warn("[batond] control changes with an upgrade or a restart");
    // Opened before anything changes, and let go again where the rest cannot be had.
    std::unique_ptr<MetricsServer> before;
    const bool other_metrics = service.metrics != settings().metrics;
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
    journal().info("reloaded {}: {} listeners, {} pools, {} routes", view_.configuration,
                   dispatcher_.entrances().size(), dispatcher_.pools().size(),
                   dispatcher_.plan().configuration.routes.size());
    return {{"ok", true}, {"findings", json_of(read->findings)}};
  }

  static nlohmann::json keep(const std::string& sentence, nlohmann::json findings) {
    journal().error("not reloaded, the configuration before goes on: {}", sentence);
    return {{"ok", false}, {"error", sentence}, {"findings", std::move(findings)}};
  }

  void drain() {
    if (upgrade_ && !handed_over_) {
      if (std::exchange(drain_then_, true)) {
        journal().warn("told again to end, while the upgrade is called off: the clients that wait are closed");
        return loop_.stop();
      }
      return upgrade_->call_off("this batond was told to end");
    }
    if (std::exchange(told_to_end_, true)) {
      journal().warn("told again to end: {} connections that are held are closed", dispatcher_.held());
      return loop_.stop();
    }
    if (handed_over_) return journal().info("drains already: another batond has taken over");
    journal().info("draining: accepting no more");
    ::sd_notify(0, "STOPPING=1");
    begin_drain();
  }

  /// In force.
  [[nodiscard]] const routing::Service& settings() const { return dispatcher_.plan().configuration.service; }

  void begin_drain() {
    dispatcher_.drain(
        [this] {
          return (predecessor_ && predecessor_->is_open()) || (control_ && control_->is_busy()) ||
                 (handed_over_ && metrics_ && metrics_->is_busy()) || (upgrade_ && !upgrade_->is_idle());
        },
        [this] { loop_.stop(); });
  }

  void upgrade(Reply reply) {
    const auto refuse = [&reply](const std::string& why) {
      journal().error("no upgrade, this batond goes on: {}", why);
      reply({{"ok", false}, {"error", why}});
    };
    if (dispatcher_.is_draining()) return refuse("it drains");
    if (upgrade_) return refuse("an upgrade is under way");
    if (const auto why = container_ends_with_it()) return refuse(*why);
    auto begun = std::make_unique<Upgrade>(loop_, words_, dispatcher_.plan().configuration.limits.upgrade,
                                           static_cast<Upgrade::Owner&>(*this));
    if (auto started = begun->start(control_->listening()); !started) return refuse(started.error());
    upgrade_ = std::move(begun);
    reply_ = std::move(reply);
  }

  Inheritance inheritance() const override {
    Inheritance all = dispatcher_.inheritance();
    all.control = control_path_;
    if (metrics_ && settings().metrics) all.metrics = text_of(*settings().metrics);
    return all;
  }

  std::expected<std::vector<Heirloom>, std::string> listening_sockets() const override {
    auto all = dispatcher_.listening_sockets();
    if (all && metrics_ && settings().metrics) {
      auto twin = os::duplicate(metrics_->listening());
      if (twin)
        all->push_back({Heirloom::Kind::Metrics, text_of(*settings().metrics), std::move(*twin)});
      else
        all = std::unexpected{twin.error()};
    }
    if (all) return std::move(*all);
    return std::unexpected{std::string{"no descriptors for its listening sockets: "} +
                           std::strerror(os::number(all.error()))};
  }

  std::vector<VisitorPtr> freeze() override { return dispatcher_.freeze(); }
  void release_names() override { dispatcher_.release_names(); }
  void not_taken(VisitorPtr visitor) override { dispatcher_.give_up(std::move(visitor)); }

  void upgrade_failed(std::vector<VisitorPtr> back, const std::string& why) override {
    journal().error("no upgrade, this batond goes on: {}", why);
    dispatcher_.thaw(std::move(back));
    std::exchange(reply_, {})({{"ok", false}, {"error", why}});
    // Not from within it.
    asio::post(loop_, [this] {
      upgrade_.reset();
      if (std::exchange(drain_then_, false)) drain();
    });
  }

  void upgraded(nlohmann::json report) override {
    handed_over_ = true;
    const std::string process = std::to_string(report["process"].get<int>());
    ::sd_notify(0, ("MAINPID=" + process).c_str());
    std::exchange(reply_, {})(std::move(report));
    let_go_of_control();
    if (metrics_) metrics_->stop();
    dispatcher_.pass_on([this](VisitorPtr visitor) { upgrade_->pass_on(std::move(visitor)); });
    begin_drain();
  }

  std::vector<std::string> words_;
  asio::io_context loop_{1};
  std::unique_ptr<Predecessor> predecessor_;
  Dispatcher dispatcher_;
  asio::signal_set signals_;
  ServiceView view_;
  std::optional<Control> control_;
  std::string control_path_;  // as the configuration had it when it was opened
  os::RequestPlace control_place_;
  std::unique_ptr<MetricsServer> metrics_;
  std::unique_ptr<Upgrade> upgrade_;
  Reply reply_;  // to whoever asked for the upgrade
  bool handed_over_ = false;
  bool told_to_end_ = false;
  bool drain_then_ = false;  // when the upgrade has been called off
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

ExitStatus run_service(const std::string& path, bool check, std::vector<std::string> words) {
  if (check) return check_only(path);
  raise_descriptor_limit();
  std::signal(SIGPIPE, SIG_IGN);
  mind_orphans();
  return Service{path, std::move(words)}.run();
}

}  // namespace baton::dispatch
