// SPDX-License-Identifier: MIT
// baton: support/runtime_dir.hpp: a runtime folder of a test's own, removed when the test ends.
#pragma once

#include <string>

namespace baton::test {

/// Sets BATON_RUNTIME_DIR. Roles forked later find the folder; only the process that made it removes it.
class RuntimeDir {
 public:
  RuntimeDir();
  ~RuntimeDir();
  RuntimeDir(const RuntimeDir&) = delete;
  RuntimeDir& operator=(const RuntimeDir&) = delete;
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

 private:
  std::string path_;
};

}  // namespace baton::test
