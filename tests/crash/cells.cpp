// SPDX-License-Identifier: MIT
#include "crash/cells.hpp"

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <string_view>

namespace baton::crash {

std::uint64_t Cells::kills() const {
  std::uint64_t all = 0;
  for (const auto& [cell, fate] : cells_) all += fate.kills;
  return all;
}

void Cells::write(const std::string& file, const std::string& source) const {
  std::ofstream out{file};
  for (const auto& [cell, fate] : cells_) {
    out << source << '\t' << cell << '\t' << fate.kills << '\t' << fate.kept << '\t' << fate.taken << '\t' << fate.died
        << "\t0\t0\t" << fate.octets << '\t';
    for (const auto& [error, times] : fate.told)
      out << (error == 0 ? "success" : ::strerrorname_np(error)) << ':' << times << ' ';
    out << '\n';
  }
}

int points_main(std::span<char*> arguments, const std::function<std::set<std::string>()>& cells,
                const std::function<int(std::uint64_t kills, const char* file)>& run) {
  std::uint64_t kills = 1;
  const char* file = nullptr;
  for (std::size_t i = 1; i < arguments.size(); i += 2) {
    const std::string_view option{arguments[i]};
    if (option == "--cells") {
      for (const std::string& cell : cells()) std::cout << cell << '\n';
      return 0;
    }
    if (i + 1 == arguments.size() || (option != "--kills" && option != "--results")) {
      std::cerr << "usage: " << arguments[0] << " [--kills N] [--results FILE] | --cells\n";
      return 2;
    }
    if (option == "--kills")
      kills = std::strtoull(arguments[i + 1], nullptr, 10);
    else
      file = arguments[i + 1];
  }
  return run(kills, file);
}

}  // namespace baton::crash
