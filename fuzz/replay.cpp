// SPDX-License-Identifier: MIT
// Runs a fuzzer once over each file of the folders named, without libFuzzer: the corpus as a test.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

int main(int count, char** arguments) {
  for (int i = 1; i < count; ++i) {
    std::size_t files = 0;
    for (const auto& entry : std::filesystem::directory_iterator{arguments[i]}) {
      std::ifstream file{entry.path(), std::ios::binary};
      const std::vector<char> octets{std::istreambuf_iterator<char>{file}, {}};
      // The name stays the last word where one of them ends the program.
      std::printf("%s\n", entry.path().c_str());
      std::fflush(stdout);
      LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(octets.data()), octets.size());
      ++files;
    }
    if (files == 0) {
      std::printf("%s: no file\n", arguments[i]);
      return 1;
    }
  }
  return count > 1 ? 0 : 1;
}
