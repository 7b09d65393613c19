// SPDX-License-Identifier: MIT
#include "support/runtime_dir.hpp"

#include <cstdlib>
#include <filesystem>

#include "support/process.hpp"

namespace baton::test {

RuntimeDir::RuntimeDir() {
  std::string pattern = std::filesystem::temp_directory_path() / "baton-test-XXXXXX";
  if (::mkdtemp(pattern.data()) == nullptr) fail_call("mkdtemp");
  path_ = pattern;
  checked(::setenv("BATON_RUNTIME_DIR", path_.c_str(), 1), "setenv");
  for (const char* name : {"XDG_RUNTIME_DIR", "BATON_ALLOW_UIDS", "BATON_NSEL"}) checked(::unsetenv(name), "unsetenv");
}

RuntimeDir::~RuntimeDir() {
  (void)::unsetenv("BATON_RUNTIME_DIR");
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace baton::test
