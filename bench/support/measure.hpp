// SPDX-License-Identifier: MIT
// baton: bench/support/measure.hpp: the clock, the percentiles, and the options that all measurements share.
//
// Times are nanoseconds of CLOCK_MONOTONIC, which all processes of a machine read alike.
// On any failure a measurement says why and ends with 1: there is no half result.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

namespace baton::bench {

using Json = nlohmann::ordered_json;
using Nanoseconds = std::int64_t;

[[nodiscard]] Nanoseconds now() noexcept;

/// Prints "bench: <what>: <errno's text>: <the library's sentence>" and ends this process with 1.
[[noreturn]] void fail(const std::string& what);
/// As fail, unless `result` is not negative, which it returns.
template <typename T>
T require(T result, const char* what) {
  if (result < 0) fail(what);
  return result;
}

/// `quantile` from 0 to 1, nearest rank. `sorted` is not empty.
[[nodiscard]] double quantile(std::span<const double> sorted, double quantile);

/// {"count", "p50", "p99", "p99.9", "longest"} in microseconds.
[[nodiscard]] Json summary(std::vector<double> microseconds);
/// {"median", "lowest", "highest", "quarter", "three_quarters"} of one value for each block.
[[nodiscard]] Json spread(std::vector<double> values);
/// [[quantile, microseconds], ...] from the middle to the longest, for a drawing of the tail.
[[nodiscard]] Json tail(std::vector<double> microseconds);
[[nodiscard]] double median(std::vector<double> values);

/// What every measurement is called with: [--quick] --json FILE; the rest is its own.
struct Options {
  bool quick = false;
  std::string json;
  std::vector<std::string> rest;
};
[[nodiscard]] Options parse_options(int argc, char* argv[]);

/// One line on standard error: what is being done.
void progress(const std::string& line);
void write_json(const std::string& file, const Json& document);

}  // namespace baton::bench
