// SPDX-License-Identifier: MIT
#include "support/measure.hpp"

#include <time.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "baton/soc.h"

namespace baton::bench {

Nanoseconds now() noexcept {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return Nanoseconds{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

void fail(const std::string& what) {
  const int error = errno;
  std::fprintf(stderr, "bench: %s: %s: %s\n", what.c_str(), std::strerror(error), soc_error_text());
  std::_Exit(1);
}

double quantile(std::span<const double> sorted, double quantile) {
  const auto rank = static_cast<std::size_t>(std::ceil(quantile * static_cast<double>(sorted.size())));
  return sorted[std::clamp<std::size_t>(rank, 1, sorted.size()) - 1];
}

Json summary(std::vector<double> microseconds) {
  std::ranges::sort(microseconds);
  return {{"count", microseconds.size()},
          {"p50", quantile(microseconds, 0.5)},
          {"p99", quantile(microseconds, 0.99)},
          {"p99.9", quantile(microseconds, 0.999)},
          {"longest", microseconds.back()}};
}

Json spread(std::vector<double> values) {
  std::ranges::sort(values);
  return {{"median", quantile(values, 0.5)},
          {"lowest", values.front()},
          {"highest", values.back()},
          {"quarter", quantile(values, 0.25)},
          {"three_quarters", quantile(values, 0.75)}};
}

Json tail(std::vector<double> microseconds) {
  std::ranges::sort(microseconds);
  Json points = Json::array();
  // Even steps of log10(1 / (1 - q)), as far as there is a measurement for it.
  for (int step = 0;; ++step) {
    const double beyond = std::pow(10.0, -0.3 - step * 0.1);
    if (beyond * static_cast<double>(microseconds.size()) < 1) break;
    points.push_back({1 - beyond, quantile(microseconds, 1 - beyond)});
  }
  return points;
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return quantile(values, 0.5);
}

Options parse_options(int argc, char* argv[]) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--quick")
      options.quick = true;
    else if (argument == "--json" && i + 1 < argc)
      options.json = argv[++i];
    else
      options.rest.push_back(argument);
  }
  if (options.json.empty()) {
    std::fprintf(stderr, "usage: %s [--quick] --json FILE\n", argv[0]);
    std::exit(2);
  }
  return options;
}

void progress(const std::string& line) { std::fprintf(stderr, "  %s\n", line.c_str()); }

void write_json(const std::string& file, const Json& document) {
  std::ofstream stream{file};
  stream << document.dump(2) << '\n';
  stream.close();
  if (!stream) fail("writing " + file);
}

}  // namespace baton::bench
