// SPDX-License-Identifier: MIT
#include "dispatch/journal.hpp"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <unistd.h>

#include <array>
#include <cstdlib>
#include <memory>
#include <string>

#include "os/descriptors.hpp"

namespace baton::dispatch {
namespace {

/// "<6>": what sd-daemon(3) calls a priority.
class Priority final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&, spdlog::memory_buf_t& line) override {
    constexpr std::array<char, 7> of_level{'7', '7', '6', '4', '3', '2', '2'};
    const auto level = static_cast<std::size_t>(message.level);
    line.push_back('<');
    line.push_back(of_level[level < of_level.size() ? level : 0]);
    line.push_back('>');
  }
  [[nodiscard]] std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<Priority>(); }
};

std::shared_ptr<spdlog::logger> make_journal() {
  auto logger = std::make_shared<spdlog::logger>("batond", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  auto formatter = std::make_unique<spdlog::pattern_formatter>();
  formatter->add_flag<Priority>('*').set_pattern(
      os::is_journal_stream(FdRef{STDERR_FILENO}, std::getenv("JOURNAL_STREAM")) ? "%*%v"
                                                                                 : "%Y-%m-%dT%H:%M:%S.%e%z %l: %v");
  logger->set_formatter(std::move(formatter));
  logger->flush_on(spdlog::level::info);
  return logger;
}

}  // namespace

spdlog::logger& journal() {
  static const std::shared_ptr<spdlog::logger> logger = make_journal();
  return *logger;
}

void set_log_level(routing::LogLevel level) {
  constexpr std::array<spdlog::level::level_enum, 4> levels{spdlog::level::err, spdlog::level::warn,
                                                            spdlog::level::info, spdlog::level::debug};
  journal().set_level(levels[static_cast<std::size_t>(level)]);
  if (level == routing::LogLevel::Debug) journal().flush_on(spdlog::level::debug);
}

}  // namespace baton::dispatch
